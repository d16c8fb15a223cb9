"""Training: from batches of windows to the best weights.

batches           windows as `tf.data`
epoch_batches     the batches of every epoch, and the sample it is validated on
losses            the losses
step              the compiled steps, optimizer and schedule
mirrored          a step on several devices
epochs            the loop over epochs: validation, early stopping, best weights
checkpoint        the state after an epoch as one file
fingerprint       description of a training, to compare with that of a checkpoint
events, progress  events of training, and reporters that show them
voice             where the lines, the progress and the logs of a command go
ensemble          the members and their weighted sum
ensemble_weights  weights from errors on validation windows
members           members trained in parallel
budget            fewer networks, epochs or windows where time is limited
fit               all of it, for a prepared experiment
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
