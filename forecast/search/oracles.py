"""keras-tuner's four algorithms, made repeatable: equal results lead to equal proposals.

Every proposal starts from its own seed, hashed from the seed of the search and the number of the
trial, so it depends on the results the algorithm has seen and on no other event. Nothing is saved
in keras-tuner's form: after a restart, an oracle sees the results of the journal again.
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
from forecast.search.space import hyper_parameters, rounded
from forecast.search.state import derived_seed

SCORE = "score"
"""keras-tuner's name of the objective: the mean of `search.objective` over the folds."""


EPOCHS = "tuner/epochs"
"""Hyperband's name of the epochs of a trial."""


_FIRST_TRIALS_PER_RANGE = 2
"""Random trials per range before the first Bayesian proposal; keras-tuner's default of three would
take up most of a short search."""


_NEVER = 2**31
"""More consecutive failed trials than any search has: a failed trial does not end the search."""


_Response = dict[str, Any]
"""keras-tuner's form of a proposal: its status and its values."""


class _Repeatable:
    """Base of all four algorithms: seeds of proposals, rounded numbers, no files.

    Attributes:
        search: settings of the search.
        known: proposals of the journal, by trial id.
    """

    search: SearchConfig
    known: Mapping[str, Any]
    trials: dict[str, Any]
    _seed_state: int

    def populate_space(self, trial_id: str) -> _Response:
        """Propose values from the seed of the trial."""
        self._seed_state = derived_seed(self.search.seed, "proposal", trial_id)
        response = self.propose(trial_id)
        if response.get("values"):
            response["values"] = rounded(self.search, response["values"])
        return response

    def propose(self, trial_id: str) -> _Response:
        """Propose as keras-tuner does."""
        response: _Response = super().populate_space(trial_id)  # type: ignore[misc]
        return response

    def save(self) -> None:
        """Write nothing: the journal is the state."""

    def _save_trial(self, trial: Any) -> None:
        """Write nothing."""


class _RandomOracle(_Repeatable, oracles.RandomSearchOracle):
    """Random values, no combination twice."""


class _HyperbandOracle(_Repeatable, oracles.HyperbandOracle):
    """Many trials with few epochs, the best with more (Li et al. 2018, arXiv 1603.06560)."""


class _GridOracle(_Repeatable, oracles.GridSearchOracle):
    """All combinations in order."""

    def propose(self, trial_id: str) -> _Response:  # noqa: ARG002 - the signature of all
        """Return the combination after the previous trial's; keras-tuner would wait for its end."""
        if self.start_order:
            previous = self.trials[self.start_order[-1]]
            values = self._get_next_combination(previous.hyperparameters.values)
        else:
            space = self.get_space()
            active = [hyper for hyper in space.space if space.is_active(hyper)]
            values = {hyper.name: hyper.default for hyper in active}
        if values is None:
            return {"status": "STOPPED", "values": None}
        return {"status": "RUNNING", "values": values}


class _BayesianOracle(_Repeatable, oracles.BayesianOptimizationOracle):
    """Values with the lowest confidence bound of a Gaussian process."""

    def propose(self, trial_id: str) -> _Response:
        """Propose from a Gaussian process fitted to all results and nothing else.

        keras-tuner predicts the results of unfinished trials with the previous proposal's process,
        which is another one after a restart. It also repeats combinations where there are few:
        random values replace these. A proposal takes a second, so those of the journal are reused.
        """
        if trial_id in self.known:
            return {"status": "RUNNING", "values": dict(self.known[trial_id])}
        completed = {
            name: trial for name, trial in self.trials.items() if trial.status == "COMPLETED"
        }
        if len(completed) < self.num_initial_points:
            return self._random_populate_space()

        response = self._propose_from_process(trial_id, completed)
        if self._duplicate(rounded(self.search, response["values"])):
            return self._random_populate_space()
        return response

    def _propose_from_process(self, trial_id: str, completed: dict[str, Any]) -> _Response:
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        self.seed = derived_seed(self.search.seed, "process", trial_id)
        self._random_state = np.random.RandomState(self.seed)
        self.gpr = self._make_gpr()
        # With more than one thread the order of summation depends on timing.
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            all_trials = self.trials
            self.trials = completed
            self.gpr.fit(*self._vectorize_trials())
            self.trials = all_trials
            return super().propose(trial_id)


def make_oracle(
    search: SearchConfig, *, epochs: int, known: Mapping[str, Any]
) -> keras_tuner.Oracle:
    """Return the oracle of a search.

    Args:
        search: its settings.
        epochs: most epochs of a trial, for hyperband.
        known: proposals of the journal, by trial id.

    Raises:
        ConfigError: scikit-learn or scipy is missing.
    """
    settings: dict[str, Any] = {
        "objective": keras_tuner.Objective(SCORE, "min"),
        "hyperparameters": hyper_parameters(search),
        "seed": 1,  # 0 would be replaced by a random one; every proposal has its own seed
        "max_consecutive_failed_trials": _NEVER,
    }
    oracle: Any
    if search.algorithm == "hyperband":
        oracle = _HyperbandOracle(max_epochs=epochs, hyperband_iterations=None, **settings)
    elif search.algorithm == "bayesian":
        _require_bayesian()
        num_random = _FIRST_TRIALS_PER_RANGE * len(search.space)
        oracle = _BayesianOracle(num_initial_points=num_random, **settings)
    elif search.algorithm == "grid":
        oracle = _GridOracle(**settings)
    else:
        oracle = _RandomOracle(**settings)

    oracle.max_trials = search.max_trials
    oracle.search = search
    oracle.known = known
    oracle.verbose = 0
    return oracle


def _require_bayesian() -> None:
    """Raise where the extra `bayesian` is not installed.

    Raises:
        ConfigError: scikit-learn or scipy is missing.
    """
    try:
        import scipy  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"search.algorithm is 'bayesian', which needs {error.name}: pip install "
            f"'bigru-forecast[bayesian]', or use another algorithm"
        ) from error
