"""The exceptions of the package, in one tree.

    ForecastError
    |-- ConfigError       a setting that is unknown, of the wrong type or out of range
    |-- DataError         a table that cannot be turned into checked series
    |-- ShapeError        arrays whose shapes do not fit together
    |-- NotFittedError    a forecaster that must predict or save before it is fitted
    |-- TrainingError     training that diverged or cannot be resumed
    |-- SkillError        a model that is not shown to beat the best baseline, though required
    |-- SearchError       a search that is damaged, in use or was begun with other settings
    |-- BacktestError     a backtest that is damaged, in use or was begun with other settings
    |-- OutputError       a file or folder that contains what the command did not write
    |-- FileError         a file or folder that cannot be written, as on a full disk
    `-- ArtifactError     a saved model that is damaged, incomplete or of another version

Every message states three things: what was given, what was expected, what to do.
`ForecastWarning` is the category of warnings.
"""

from __future__ import annotations

from numbers import Integral

from forecast.errors.interface import in_use
from forecast.errors.spelling import nearest

__all__ = [
    "ArtifactError",
    "BacktestError",
    "ConfigError",
    "DataError",
    "FileError",
    "ForecastError",
    "ForecastWarning",
    "NotFittedError",
    "OutputError",
    "SearchError",
    "ShapeError",
    "SkillError",
    "TrainingError",
    "check_kind",
    "check_seed",
    "nearest",
]


class ForecastError(Exception):
    """Base class of all exceptions that this package raises on purpose.

    Example:
        >>> import forecast
        >>> try:
        ...     forecast.Experiment(name="two words")
        ... except forecast.ForecastError as error:
        ...     print(type(error).__name__)
        ConfigError
    """

    def __init__(self, message: str = "") -> None:
        """Write a message, with its marks in the words of the interface in use.

        Args:
            message: one line; see `forecast.errors.interface` for the marks.
        """
        super().__init__(in_use().worded(message))


class ForecastWarning(UserWarning):
    """Something is done in an unusual way: results stay right, time or memory may suffer."""


class ConfigError(ForecastError):
    """A setting is unknown, has the wrong type or is out of range."""


class DataError(ForecastError):
    """A table cannot be turned into checked series."""


class ShapeError(ForecastError):
    """Arrays do not have the expected shapes."""


class NotFittedError(ForecastError):
    """A forecaster must be fitted before it can do this."""


class TrainingError(ForecastError):
    """Training diverged or cannot be resumed."""


class SkillError(ForecastError):
    """A model was required to beat the best baseline and is not shown to."""


class SearchError(ForecastError):
    """A search is damaged, in use, or was begun with other settings, data or packages."""


class BacktestError(ForecastError):
    """A backtest is damaged, in use, or was begun with other settings, data or packages."""


class OutputError(ForecastError):
    """A file or folder contains what the command did not write, or may not be written to."""


class FileError(ForecastError):
    """A file or folder cannot be written."""


class ArtifactError(ForecastError):
    """A saved model is damaged, incomplete or of another version."""


def check_kind(name: str, value: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Raise where an argument is of another type.

    Args:
        name: of the argument.
        value: given for it.
        kinds: the types it may have.
        wanted: these in words, such as `a whole number`.

    Raises:
        ConfigError: its type is another one; a bool is no number.
    """
    if isinstance(value, kinds) and not (isinstance(value, bool) and kinds is not bool):
        return
    raise ConfigError(f"{name} is of type {type(value).__name__}; expected {wanted}")


def check_seed(seed: object) -> None:
    """Raise where the start of a random draw is none.

    Args:
        seed: given for it.

    Raises:
        ConfigError: it is no whole number of at least 0.
    """
    wanted = "a whole number of at least 0"
    check_kind("seed", seed, Integral, wanted)
    if isinstance(seed, Integral) and int(seed) < 0:
        raise ConfigError(f"`seed=` is {seed}; expected {wanted}")
