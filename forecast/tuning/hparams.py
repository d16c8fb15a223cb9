"""The trials of a search for TensorBoard's page of hyper-parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forecast.config import Experiment
from forecast.tuning.records import State, by_fold
from forecast.tuning.space import search_of


def write_hparams(folder: str | Path, config: Experiment, state: State) -> None:
    """Write an event file for every trial with a score: its values, the objective and that of the worst fold.

    Args:
        folder: where they go, a folder for each trial.
        config: the experiment with its search.
        state: the trials.
    """
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    search = search_of(config)
    for number, end in sorted(state.ends.items()):
        score = state.score(number, search.objective)
        if score is None:
            continue
        name = state.tasks[number].name
        writer = tf.summary.create_file_writer(str(Path(folder) / name))
        with writer.as_default():
            api.hparams({path: _plain(one) for path, one in state.tasks[number].values.items()}, trial_id=name)
            tf.summary.scalar(search.objective, score, step=0)
            tf.summary.scalar(
                f"{search.objective} of the worst fold", max(by_fold(end.folds, search.objective)), step=0
            )
        writer.close()


def _plain(value: Any) -> Any:
    """Numbers, texts and truth values as they are, all else as JSON."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
