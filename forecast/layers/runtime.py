"""State of Keras and TensorFlow that is shared by the whole process, used without changing it.

- The random numbers of the surrounding program are neither read nor touched: `drawing_seeds`.
- Its float type, dtype policy, name scopes and devices do not reach our networks: `build_apart` and
  `in_float32`.
- Settings that cannot be worked around are refused by name: `check_surroundings`.
- The number of threads is set once: `settle_threads`.
- TensorFlow is imported without its log output: on the command line by `quiet_start`, in Python by
  `start_quietly`.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from forecast.errors import ConfigError, ForecastError

Made = TypeVar("Made")

BACKEND = "KERAS_BACKEND"
"""Environment variable that Keras reads when it is imported; it takes precedence over the file
`keras.json`."""

XLA_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"
"""Flag of XLA: every matrix product runs in one thread."""

_ONE_AT_A_TIME = threading.RLock()

_SEEDS: ContextVar[Any] = ContextVar("source of the seeds of Keras", default=random)

_OF_A_COMMAND: list[bool] = []
"""Not empty where the process belongs to a command of the command line."""

_IS_APART: ContextVar[bool] = ContextVar("whether layers are made apart", default=False)


def check_surroundings() -> None:
    """Raise where a setting of the surrounding program does not work with our networks.

    Raises:
        ConfigError: Keras runs on another backend or cannot start; or the caller is inside
            `tf.function`, `tf.Graph.as_default` or the scope of a distribution strategy.
    """
    check_backend()
    import tensorflow as tf

    if not tf.executing_eagerly():
        raise ConfigError(
            "the call is inside tf.function or a tf.Graph; expected eager execution: move it "
            "outside of them"
        )
    if tf.distribute.has_strategy():
        raise ConfigError(
            "the call is inside the scope of a tf.distribute strategy; expected none: move it "
            "outside of the scope, and set training.strategy: mirrored to train on several devices"
        )


def check_backend() -> None:
    """Raise unless Keras runs on TensorFlow.

    Raises:
        ConfigError: it does not; the message names the setting.
    """
    # The first import of TensorFlow draws from `random`. Later on, `random` must not be touched:
    # other threads use it.
    unchanged: Any = contextlib.nullcontext()
    if "keras" not in sys.modules:
        unchanged = _random_unchanged()
    try:
        with unchanged:
            import keras
        if keras.config.backend() == "tensorflow":
            return
        given = f"Keras runs on {keras.config.backend()!r}"
    except (ImportError, ValueError) as error:
        # A package of the other backend is missing, or there is no such backend.
        if getattr(error, "name", None) in {"keras", "tensorflow"}:
            raise
        given = f"Keras does not start ({error})"

    variable = os.environ.get(BACKEND)
    if not variable or (variable == "tensorflow" and "keras" not in sys.modules):
        raise ConfigError(
            f"{given}, as set in keras.json in the folder ~/.keras or KERAS_HOME; expected the "
            "backend tensorflow: correct or delete that file, before Keras is imported"
        )
    raise ConfigError(
        f"{given}, {BACKEND} is {variable!r}; expected the backend tensorflow: set the "
        f"environment variable {BACKEND}=tensorflow before Keras is imported"
    )


def build_apart(make: Callable[[], Made], *, seed: int) -> Made:
    """Make layers that depend on nothing but their settings and a seed.

    Keras keeps its dtype policy and name scopes, and TensorFlow its device, for each thread. So
    layers are made in a new thread, where all of them are as they were when Python started. Inside
    such a thread a further call only begins with another seed.

    Args:
        make: makes the layers.
        seed: of the initial weights and of the dropout masks.

    Returns:
        The result of `make`.

    Raises:
        ConfigError: see `check_surroundings`.
    """
    if _IS_APART.get():
        with drawing_seeds(seed):
            return make()
    check_surroundings()
    settle_threads()
    result: Future[Made] = Future()

    def run() -> None:
        _IS_APART.set(True)
        try:
            with in_float32(), drawing_seeds(seed):
                result.set_result(make())
        except BaseException as error:
            result.set_exception(error)

    thread = threading.Thread(target=run, name="layers")
    thread.start()
    thread.join()
    return result.result()


@contextmanager
def in_float32() -> Iterator[None]:
    """Make, trace or call layers inside this block in float32, whatever `keras.config.floatx` is.

    Keras has one such setting for the process, so one thread at a time is inside such a block.
    """
    import keras

    with _ONE_AT_A_TIME:
        previous = keras.config.floatx()
        keras.config.set_floatx("float32")
        try:
            yield
        finally:
            keras.config.set_floatx(previous)


@contextmanager
def drawing_seeds(seed: int) -> Iterator[None]:
    """Draw the seeds of all layers made inside this block, in this thread, from a single seed.

    Keras draws a seed for every initializer and dropout mask from Python's `random`, which belongs
    to the whole process: other threads read and seed it. Here it draws from a separate generator,
    with the same numbers that `random.seed(seed)` would give.
    """
    from keras.src.random import seed_generator

    if not hasattr(seed_generator, "python_random"):
        with _seeded_for_all(seed):  # a version of Keras that keeps the module elsewhere
            yield
        return
    if not isinstance(seed_generator.python_random, _SeedsOfThread):
        seed_generator.python_random = _SeedsOfThread()
    token = _SEEDS.set(random.Random(seed))
    try:
        yield
    finally:
        _SEEDS.reset(token)


class _SeedsOfThread:
    """Stands in for the module `random` in Keras; another generator inside `drawing_seeds`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_SEEDS.get(), name)


@contextmanager
def _seeded_for_all(seed: int) -> Iterator[None]:
    """Seed the `random` of the process inside this block, one thread at a time, and restore it."""
    with _ONE_AT_A_TIME, _random_unchanged():
        random.seed(seed)
        yield


@contextmanager
def _random_unchanged() -> Iterator[None]:
    """Restore the state of Python's `random` after the block."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def settle_threads() -> None:
    """Set the threads of TensorFlow such that a seed gives the same bits on any number of cores.

    Where four or more threads share one matrix product, the order of its sums follows their timing.
    With up to two per operation bits were equal to those of one. XLA keeps each product in one
    thread: the clusters it compiles run at the same time instead, such as the two directions of a
    layer, which does not change a bit and takes less time. The settings belong to the process, and
    count only before TensorFlow has run anything. A number of threads that the caller has set
    stays.
    """
    import tensorflow as tf

    flags = os.environ.get("XLA_FLAGS", "")
    if XLA_ONE_THREAD.split("=", maxsplit=1)[0] not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {XLA_ONE_THREAD}".strip()
    threading_config = tf.config.threading
    if threading_config.get_intra_op_parallelism_threads() == 0:
        # Refused where TensorFlow already runs: then its threads are the caller's choice.
        with contextlib.suppress(RuntimeError):
            threading_config.set_intra_op_parallelism_threads(2)
            _SETTLED.append(2)


_SETTLED: list[int] = []
"""The number of threads that `settle_threads` has set."""


def caller_threads() -> int:
    """Return the number of threads that the caller has set for TensorFlow; 0 for none."""
    import tensorflow as tf

    if _SETTLED:
        return 0
    return int(tf.config.threading.get_intra_op_parallelism_threads())


def belong_to_command() -> None:
    """Note that the process belongs to a command: Keras, where it starts, starts by `quiet_start`.

    It runs on TensorFlow then, whatever backend is usual on the machine.
    """
    _OF_A_COMMAND.append(True)
    if "keras" not in sys.modules:
        os.environ[BACKEND] = "tensorflow"


@contextmanager
def quiet_start() -> Iterator[None]:
    """Import TensorFlow inside this block without its log output, on the command line.

    Its libraries write to file descriptor 2 before any Python setting is read, so the descriptor
    itself is redirected. If the block raises, the output is written after all. Keras is started on
    TensorFlow, whatever backend is usual on the machine: the process belongs to the command.

    Raises:
        ConfigError: Keras was started on another backend before, or does not start.
    """
    if "keras" not in sys.modules:
        os.environ[BACKEND] = "tensorflow"
    sys.stderr.flush()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # for output after the import
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 2)
        try:
            _wake_tensorflow()
            yield
        except ForecastError:  # its message is enough
            raise
        except BaseException:
            os.dup2(stderr, 2)
            output.seek(0)
            os.write(2, output.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


_LOG = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IWE]\d{4} \d\d:|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.]\d+: [IWE] "
    rb"|To enable the following instructions:"
)
"""Beginning of a line that the libraries of TensorFlow write when they start."""


def start_quietly() -> None:
    """Import TensorFlow and look for devices without log output; do nothing where it is imported.

    In the process of a command it starts as in `quiet_start`.

    Everything else that is written meanwhile appears afterwards. With `TF_CPP_MIN_LOG_LEVEL` 0 or 1
    in the environment, TensorFlow logs.
    """
    if _OF_A_COMMAND and "tensorflow" not in sys.modules:
        with quiet_start():
            return
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # for output after the import
    if "tensorflow" in sys.modules or level in ("0", "1"):
        return
    try:
        stderr = os.dup(2)
    except OSError:  # a process without standard error
        return
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 2)
        try:
            check_backend()
            import tensorflow as tf

            tf.config.list_logical_devices()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            output.seek(0)
            for line in output:
                if not _LOG.match(line):
                    os.write(2, line)


def _wake_tensorflow() -> None:
    """Import everything that logs at its start, and look for devices once."""
    check_backend()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    tf.config.list_logical_devices()
