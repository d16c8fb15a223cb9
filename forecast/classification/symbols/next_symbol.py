"""`NextSymbol`: fit on sequences of symbols, score the next one, go on from a prompt."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.axes import FloatArray
from forecast.classification.counts.ngrams import LONGEST, NGrams
from forecast.classification.symbols.stored_symbols import (
    FittedSymbols,
    load_symbols,
    save_symbols,
    symbol_maker,
)
from forecast.classification.symbols.symbol_learning import learn_symbols
from forecast.classification.symbols.symbol_mixture import judged, weights_of
from forecast.classification.symbols.symbol_result import SymbolResult
from forecast.classification.symbols.symbol_rows import (
    BOUNDARY,
    NUM_MARKS,
    UNKNOWN,
    SymbolRows,
    Symbols,
    read_symbols,
    split_symbols,
    symbols_of,
)
from forecast.classification.symbols.symbol_settings import NextSymbolSettings
from forecast.classification.symbols.symbol_steps import (
    first_states,
    read_on,
    softmax,
)
from forecast.classification.tables.learned_sequences import reading_learned
from forecast.data.findings import listed
from forecast.data.formats.readers import Source
from forecast.errors import ConfigError, DataError, NotFittedError, check_kind, check_seed
from forecast.forecasting.saved_kinds import refuse_pickle
from forecast.layers.runtime import start_quietly
from forecast.models.sequence_network import SequenceNetwork

if TYPE_CHECKING:
    import pandas as pd


class NextSymbol:
    """A GRU that predicts the next character, word or state of a sequence.

    Args:
        settings: default: `NextSymbolSettings()`.

    Attributes:
        notes: of the last table that was read, a sentence each: how.

    Example:
        >>> import pandas as pd
        >>> from forecast import NextSymbol, NextSymbolSettings
        >>> table = pd.DataFrame({"id": 0, "step": range(300), "symbol": list("abc") * 100})
        >>> quick = NextSymbolSettings(
        ...     model={"units": 8}, training={"epochs": 20, "batch_size": 4, "length": 8}
        ... )
        >>> model = NextSymbol(quick).fit(table)
        >>> model.generate(["a", "b"], length=4, temperature=0.0)
        ['c', 'a', 'b', 'c']
    """

    def __init__(self, settings: NextSymbolSettings | None = None) -> None:
        if settings is None:
            settings = NextSymbolSettings()
        check_kind("settings", settings, NextSymbolSettings, "a NextSymbolSettings")
        self.settings = settings
        self.notes: tuple[str, ...] = ()
        self._fitted: FittedSymbols | None = None
        self._validation: SymbolRows | None = None

    def __repr__(self) -> str:
        state = "not fitted"
        if self._fitted is not None:
            state = f"fitted on {len(self._fitted.symbols.names)} symbols"
        return f"NextSymbol({state})"

    @property
    def fitted(self) -> FittedSymbols:
        """The fitted state.

        Raises:
            NotFittedError: `fit` has not run.
        """
        if self._fitted is None:
            raise NotFittedError("this model is not fitted: call fit(table) first")
        return self._fitted

    def save(self, path: str | Path) -> None:
        """Write the fitted model to a folder, atomically.

        Args:
            path: the folder.

        Raises:
            OutputError: the folder has files other than those of a saved model.
        """
        save_symbols(self.fitted, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> NextSymbol:
        """Read a model that `save` has written.

        Args:
            path: the folder.

        Raises:
            ArtifactError: the folder is damaged, of another version, or of another kind.
        """
        fitted = load_symbols(Path(path))
        model = cls(fitted.settings)
        model._fitted = fitted
        return model

    def __getstate__(self) -> dict[str, Any]:
        """Refuse to be pickled: a saved model is a folder."""
        refuse_pickle(self)

    def fit(self, table: Source) -> NextSymbol:
        """Train on the symbols of a text or a table.

        Args:
            table: a `.txt` file with one text, or a table with a symbol per row, or a document.

        Returns:
            The model itself.

        Raises:
            DataError: the table cannot be read, or has too few symbols.
        """
        start_quietly()
        data = self.settings.data
        rows = read_symbols(table, data)
        seed = self.settings.training.seed
        training, validation = split_symbols(rows, data.validation, seed)
        symbols = Symbols.fit(training, data.vocabulary)
        stream = symbols.stream(training)
        learned = learn_symbols(
            self.settings, stream, symbols.stream(validation), symbols.num_codes
        )
        make = symbol_maker(self.settings.model, symbols.num_codes)
        network = SequenceNetwork.of(learned.model, make)
        ngrams = NGrams.fit(stream, symbols.num_codes)
        held_out = symbols.stream(validation)
        self._fitted = FittedSymbols(
            settings=self.settings,
            symbols=symbols,
            network=network,
            length=int(learned.model.inputs[0].shape[1]),
            loss=learned.loss,
            val_loss=learned.val_loss,
            ngrams=ngrams,
            weights=weights_of(network, self.settings.model, ngrams, stream, held_out),
        )
        self._validation = validation
        self.notes = rows.notes
        return self

    def scores(self, table: Source | None = None) -> pd.DataFrame:
        """Return how well each next symbol is predicted, beside the baselines.

        Args:
            table: as for `evaluate`.
        """
        return self.evaluate(table).scores()

    def evaluate(self, table: Source | None = None) -> SymbolResult:
        """Return predictions beside the symbols that came.

        Args:
            table: symbols that it was not trained on; default: the validation symbols of `fit`, by
                which its training was stopped.

        Returns:
            Probabilities of the model, of its network alone, of the frequencies after the last 0 to
            3 symbols, and of the last symbol once more.

        Raises:
            ConfigError: there is no table, and `fit` has not run in this process.
        """
        fitted = self.fitted
        rows = self._validation
        if table is not None:
            with reading_learned(self.settings.data):
                rows = read_symbols(table, self.settings.data)
            self.notes = rows.notes
        if rows is None:
            raise ConfigError("there are no validation symbols; expected a table of symbols")
        stream = fitted.symbols.stream(rows)
        if len(stream) <= LONGEST:
            raise DataError(
                f"{len(stream)} symbols cannot be judged; expected more than {LONGEST}: give a "
                f"longer text"
            )
        return judged(fitted, stream)

    def generate(
        self, prompt: str | list[str], length: int, *, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """Go on from a prompt, symbol by symbol.

        Args:
            prompt: the symbols before; of a text also the text itself.
            length: symbols to add.
            temperature: above 1 for more surprise, below 1 for less; 0: the most probable symbol.
            seed: start of the random draw.

        Returns:
            The new symbols; fewer where a sequence ends before.

        Raises:
            ConfigError: the temperature or the seed is none, or the prompt is empty, or of other
                symbols.
        """
        fitted = self.fitted
        check_seed(seed)
        if not 0 <= temperature < math.inf:
            raise ConfigError(f"temperature is {temperature}; expected 0 or more")
        given = prompt
        if isinstance(prompt, str):
            given = symbols_of(prompt, self.settings.data)
        if not given:
            raise ConfigError("the prompt is empty; expected at least one symbol")
        codes = fitted.symbols.codes(np.array(given, dtype=object))
        if (codes == UNKNOWN).all():
            raise ConfigError(
                f"the prompt has {listed([*dict.fromkeys(given)])}, and training had none of it; "
                f"expected symbols such as {listed(fitted.symbols.names)}"
            )
        config = fitted.settings.model
        read, states = read_on(fitted.network, config, codes, first_states(config))
        logits = read[-1:]
        context = [*[fitted.symbols.num_codes] * LONGEST, *codes.tolist()]
        draw = np.random.default_rng(seed)
        banned = [UNKNOWN]  # it has no text
        if BOUNDARY not in fitted.ngrams.orders[0].pairs:
            banned.append(BOUNDARY)  # one sequence alone has no end
        added: list[str] = []
        for _ in range(length):
            before = np.array([context[-LONGEST:]])
            (shares,) = fitted.mixed(softmax(logits), before)
            shares[banned] = 0.0
            code = _drawn(shares, temperature, draw)
            if code == BOUNDARY:
                break
            added.append(fitted.symbols.names[code - NUM_MARKS])
            context.append(code)
            one = np.array([code], np.int32)
            logits, states = read_on(fitted.network, config, one, states)
        return added


def _drawn(shares: FloatArray, temperature: float, draw: np.random.Generator) -> int:
    """Draw a code by its probability."""
    if temperature == 0:
        return int(shares.argmax())
    raised = (shares / shares.max()) ** (1.0 / temperature)
    return int(draw.choice(len(raised), p=raised / raised.sum()))
