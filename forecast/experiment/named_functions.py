"""The functions of one's own that an experiment names: imported for training, looked up at load."""

from __future__ import annotations

from collections.abc import Iterator

from forecast.errors import ArtifactError
from forecast.experiment.settings import Experiment
from forecast.layers.runtime import start_quietly
from forecast.scores.own_metrics import register_metrics
from forecast.section.own_functions import is_own, load_own, missing_own

LOSS = "training.loss"

METRICS = "evaluation.metrics"


def load_functions(config: Experiment) -> None:
    """Import the loss and the metrics of an experiment that is about to be trained.

    Args:
        config: the experiment; its metrics are entered into the table of scores.

    Raises:
        ConfigError: one cannot be imported, or does not take the arrays that it is called with.
    """
    if config.training.has_own_loss:
        start_quietly()  # before the module that has it imports Keras
    losses = [config.training.loss]
    if config.search is not None and LOSS in config.search.space:
        losses += config.search.space[LOSS].listed() or []
    for loss in losses:
        if is_own(loss):
            load_own(loss, LOSS)
    register_metrics(config.evaluation.metrics)


def refuse_absent(config: Experiment) -> None:
    """Raise where a loaded model names a function that is not there; nothing is imported.

    Forecasts do not call it, but whoever goes on to train needs it, and should hear of it now.

    Args:
        config: the experiment of the model.

    Raises:
        ArtifactError: a module is absent.
    """
    for setting, path in _own_paths(config):
        missing = missing_own(path)
        if missing:
            raise ArtifactError(
                f"the model was trained with {setting} {path!r}, and {missing}: install the "
                f"package that has it, or set PYTHONPATH to the folder that it lies in"
            )


def _own_paths(config: Experiment) -> Iterator[tuple[str, str]]:
    """Yield each setting that names functions, and their paths."""
    if config.training.has_own_loss:
        yield LOSS, config.training.loss
    for path in config.evaluation.metrics:
        yield METRICS, path
