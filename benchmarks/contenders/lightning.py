"""Common code of the two contenders that train with PyTorch Lightning."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import torch
from fitting import Journal
from pytorch_lightning import Callback


class EpochNotes(Callback):
    """Records every validation, and counts the windows that were trained on since the last one.

    Args:
        journal: what to note in.
        metric: name under which the module logs its validation loss.
        rows: number of windows, from the argument of the network's forward pass.
    """

    def __init__(self, journal: Journal, metric: str, rows: Callable[[Any], int]) -> None:
        self.journal, self.metric, self.rows = journal, metric, rows
        self.count = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to count."""
        del trainer
        self.hook = pl_module.register_forward_pre_hook(self.see)

    def see(self, module: Any, arguments: Any) -> None:
        """Count the windows of one training batch."""
        if module.training:
            self.count += self.rows(arguments[0])

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Note an epoch."""
        del pl_module
        self.journal.note(float(trainer.callback_metrics[self.metric]), self.count)
        self.count = 0

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Leave the module as it was, so that it can be saved."""
        del trainer, pl_module
        self.hook.remove()


def trainer_settings(notes: EpochNotes) -> dict[str, Any]:
    """Train on the CPU without anything that writes or draws."""
    return {
        "accelerator": "cpu",
        "devices": 1,
        "callbacks": [notes],
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": False,
        "num_sanity_val_steps": 0,
    }


def be_quiet(threads: int) -> None:
    """Set the threads and silence the advice."""
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)


def count_weights(module: torch.nn.Module) -> int:
    """Trained numbers of a module."""
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)
