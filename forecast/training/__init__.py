"""Training: batches in, gradients checked before they are applied, the best weights out.

events        what training tells while it runs
step          the compiled steps, optimizer and schedule
epochs        the loop over epochs: validation, early stopping, best weights
checkpoint    the state after an epoch as one file
fingerprint   what a checkpoint belongs to
"""

from forecast.training.epochs import TrainingResult, train
from forecast.training.events import Ended, EpochDone, Event, Reporter, Started, StepDone

__all__ = [
    "Ended",
    "EpochDone",
    "Event",
    "Reporter",
    "Started",
    "StepDone",
    "TrainingResult",
    "train",
]
