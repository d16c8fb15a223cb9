"""keras-tuner's four algorithms, made to propose the same values for the same results wherever they run.

Every proposal starts from a seed of its own, hashed from the seed of the search and the number of
the trial, so that it depends on the results it is shown and on nothing that happened on the way.
Nothing is saved in keras-tuner's form: what an oracle knows is told to it again from the journal.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner import oracles

from forecast.errors import ConfigError
from forecast.experiment.search_settings import SearchConfig
from forecast.search.journal import derived_seed
from forecast.search.space import hyper_parameters, rounded

SCORE = "score"
"""Name of the objective towards keras-tuner: the mean of `search.objective` over the folds."""


EPOCHS = "tuner/epochs"
"""What hyperband calls the epochs of a trial."""


FIRST_TRIALS_PER_RANGE = 2
"""Random trials before the first Bayesian proposal, for each range; keras-tuner takes three, most
of a short search."""


NEVER = 2**31
"""More failed trials in a row than a search has: one that fails is recorded, and the search goes
on."""


Response = dict[str, Any]


class _Repeatable:
    """What is common to all four: seeds of proposals, rounded numbers, no files.

    Attributes:
        search: what is searched.
        known: proposals the journal holds, by trial id.
    """

    search: SearchConfig
    known: Mapping[str, Any]
    trials: dict[str, Any]
    _seed_state: int

    def populate_space(self, trial_id: str) -> Response:
        """Propose values."""
        self._seed_state = derived_seed(self.search.seed, "proposal", trial_id)
        response = self.propose(trial_id)
        if response.get("values"):
            response["values"] = rounded(self.search, response["values"])
        return response

    def propose(self, trial_id: str) -> Response:
        """Propose as keras-tuner does."""
        response: Response = super().populate_space(trial_id)  # type: ignore[misc]
        return response

    def save(self) -> None:
        """Write nothing: the journal is the state."""

    def _save_trial(self, trial: Any) -> None:
        """Write nothing."""


class RandomOracle(_Repeatable, oracles.RandomSearchOracle):
    """Values drawn at random, none twice."""


class HyperbandOracle(_Repeatable, oracles.HyperbandOracle):
    """Many trials of few epochs, the best of them again with more (Li et al. 2018, arXiv 1603.06560)."""


class GridOracle(_Repeatable, oracles.GridSearchOracle):
    """All combinations in order."""

    def propose(self, trial_id: str) -> Response:  # noqa: ARG002 - the signature of all
        """Give the combination after that of the trial before, whose end keras-tuner would wait for."""
        if self.start_order:
            values = self._get_next_combination(
                self.trials[self.start_order[-1]].hyperparameters.values
            )
        else:
            space = self.get_space()
            values = {one.name: one.default for one in space.space if space.is_active(one)}
        return {"status": "STOPPED" if values is None else "RUNNING", "values": values}


class BayesianOracle(_Repeatable, oracles.BayesianOptimizationOracle):
    """The values with the lowest confidence bound of a Gaussian process."""

    def propose(self, trial_id: str) -> Response:
        """Propose from a Gaussian process that has seen all results and nothing else.

        keras-tuner guesses the results of undecided trials with the process of the proposal before,
        which is another one after an interruption. It also proposes what was tried before, where
        values are few: then random ones are taken. What the journal holds is taken from there,
        since a proposal takes a second.
        """
        if trial_id in self.known:
            return {"status": "RUNNING", "values": dict(self.known[trial_id])}
        decided = {
            name: trial for name, trial in self.trials.items() if trial.status == "COMPLETED"
        }
        if len(decided) < self.num_initial_points:
            return self._random_populate_space()
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        self.seed = derived_seed(self.search.seed, "process", trial_id)
        self._random_state = np.random.RandomState(self.seed)
        self.gpr = self._make_gpr()
        with (
            threadpool_limits(limits=1),
            warnings.catch_warnings(),
        ):  # with more threads sums follow their timing
            warnings.simplefilter("ignore", ConvergenceWarning)
            everything, self.trials = self.trials, decided
            self.gpr.fit(*self._vectorize_trials())
            self.trials = everything
            response = super().propose(trial_id)
        return (
            self._random_populate_space()
            if self._duplicate(rounded(self.search, response["values"]))
            else response
        )


def make_oracle(
    search: SearchConfig, *, epochs: int, known: Mapping[str, Any]
) -> keras_tuner.Oracle:
    """Make the oracle of a search.

    Args:
        search: the search.
        epochs: the most that a trial may have, for hyperband.
        known: proposals that the journal holds, by trial id.

    Raises:
        ConfigError: scikit-learn or scipy is missing.
    """
    settings: dict[str, Any] = {
        "objective": keras_tuner.Objective(SCORE, "min"),
        "hyperparameters": hyper_parameters(search),
        "seed": 1,  # 0 would be replaced by a random one; every proposal has a seed of its own
        "max_consecutive_failed_trials": NEVER,
    }
    oracle: Any
    if search.algorithm == "hyperband":
        oracle = HyperbandOracle(max_epochs=epochs, hyperband_iterations=None, **settings)
    elif search.algorithm == "bayesian":
        require_bayesian()
        oracle = BayesianOracle(
            num_initial_points=FIRST_TRIALS_PER_RANGE * len(search.space), **settings
        )
    else:
        oracle = (GridOracle if search.algorithm == "grid" else RandomOracle)(**settings)
    oracle.max_trials, oracle.search, oracle.known, oracle.verbose = (
        search.max_trials,
        search,
        known,
        0,
    )
    return oracle


def require_bayesian() -> None:
    """Raise where the extra is not installed.

    Raises:
        ConfigError: scikit-learn or scipy is missing.
    """
    try:
        import scipy  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"search.algorithm is 'bayesian', which needs {error.name}: pip install "
            f"'bigru-forecast[bayesian]', or "
            "take another algorithm"
        ) from error
