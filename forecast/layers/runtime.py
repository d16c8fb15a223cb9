"""The state of Keras and TensorFlow that a whole process shares: what this package needs of it, and leaves as it was.

- The random numbers of the surrounding program are neither read nor touched: `drawing_seeds`.
- Its float type, dtype policy, name scopes and devices do not reach our networks: `build_apart` and
  `in_float32`.
- Settings that cannot be worked around are refused by name: `check_surroundings`.
- The number of threads is settled once: `settle_threads`.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from forecast.errors import ConfigError, ForecastError

Made = TypeVar("Made")


BACKEND = "KERAS_BACKEND"
"""Environment variable that Keras reads when it is imported; it goes before the file
`keras.json`."""


XLA_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"


_ONE_AT_A_TIME = threading.RLock()


_SEEDS: ContextVar[Any] = ContextVar("what Keras draws seeds from", default=random)


_IS_APART: ContextVar[bool] = ContextVar("whether layers are made apart", default=False)


def check_surroundings() -> None:
    """Raise where the surrounding program has settled something that our networks cannot work with.

    Raises:
        ConfigError: Keras runs on another backend or cannot start; or the caller stands inside
            `tf.function`, `tf.Graph.as_default` or the scope of a distribution strategy.
    """
    check_backend()
    import tensorflow as tf

    if not tf.executing_eagerly():
        raise ConfigError(
            "the call stands inside tf.function or a tf.Graph; expected eager execution: move it "
            "outside of them"
        )
    if tf.distribute.has_strategy():
        raise ConfigError(
            "the call stands inside the scope of a tf.distribute strategy; expected none: move it "
            "outside of the "
            "scope, and set training.strategy: mirrored to train on several devices"
        )


def check_backend() -> None:
    """Raise unless Keras runs on TensorFlow.

    Raises:
        ConfigError: it does not; the message names the setting.
    """
    try:
        # The first import of TensorFlow draws from `random`. Later on it must stay alone: other
        # threads use it.
        with _random_kept() if "keras" not in sys.modules else contextlib.nullcontext():
            import keras
        if keras.config.backend() == "tensorflow":
            return
        given = f"Keras runs on {keras.config.backend()!r}"
    except (
        ImportError,
        ValueError,
    ) as error:  # what the other backend needs is missing, or there is no such backend
        if getattr(error, "name", None) in {"keras", "tensorflow"}:
            raise
        given = f"Keras does not start ({error})"
    named = os.environ.get(BACKEND)
    if not named or (named == "tensorflow" and "keras" not in sys.modules):
        raise ConfigError(
            f"{given}, as keras.json in the folder ~/.keras or KERAS_HOME says; expected the "
            f"backend tensorflow: "
            f"correct or delete that file, before Keras is imported"
        )
    raise ConfigError(
        f"{given}, {BACKEND} is {named!r}; expected the backend tensorflow: set the environment "
        f"variable "
        f"{BACKEND}=tensorflow before Keras is imported"
    )


def build_apart(make: Callable[[], Made], *, seed: int) -> Made:
    """Make layers that depend on nothing but their settings and a seed.

    Keras keeps its dtype policy and name scopes, and TensorFlow its device, for each thread. So
    layers are made in a thread of its own, where all of them are as they were when Python started.
    Inside such a thread a further call only begins with another seed.

    Args:
        make: makes them.
        seed: start of the initial weights and of the dropout masks.

    Returns:
        What `make` returned.

    Raises:
        ConfigError: see `check_surroundings`.
    """
    if _IS_APART.get():
        with drawing_seeds(seed):
            return make()
    check_surroundings()
    settle_threads()
    made: Future[Made] = Future()

    def run() -> None:
        _IS_APART.set(True)
        try:
            with in_float32(), drawing_seeds(seed):
                made.set_result(make())
        except BaseException as error:
            made.set_exception(error)

    thread = threading.Thread(target=run, name="layers")
    thread.start()
    thread.join()
    return made.result()


@contextmanager
def in_float32() -> Iterator[None]:
    """Make, trace or call something of Keras inside this block in float32, whatever `keras.config.floatx` was set to.

    Keras has one such setting for the process, so one thread at a time is inside such a block.
    """
    import keras

    with _ONE_AT_A_TIME:
        usual = keras.config.floatx()
        keras.config.set_floatx("float32")
        try:
            yield
        finally:
            keras.config.set_floatx(usual)


@contextmanager
def drawing_seeds(seed: int) -> Iterator[None]:
    """Have Keras draw the seeds of the layers that are made inside this block, in this thread, from one seed.

    It draws a seed for every initializer and dropout mask from Python's `random`, which belongs to
    the whole process: other threads read and seed it. Here it is shown numbers of its own, the same
    that `random.seed(seed)` would give.
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
    """Stands where Keras expects the module `random`, and is that module but for threads inside `drawing_seeds`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_SEEDS.get(), name)


@contextmanager
def _seeded_for_all(seed: int) -> Iterator[None]:
    """Seed the `random` of the process inside this block, one thread at a time, and put it back."""
    with _ONE_AT_A_TIME, _random_kept():
        random.seed(seed)
        yield


@contextmanager
def _random_kept() -> Iterator[None]:
    """Put Python's `random` back as it was before the block."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def settle_threads() -> None:
    """Have the same seed give the same bits whatever the number of threads, unless TensorFlow was told otherwise.

    Where four or more threads share one matrix product, the order of its sums follows their timing.
    With up to two per operation bits were equal to those of one. XLA is told to keep each product
    in one thread: what it compiles runs beside each other instead, such as the two directions of a
    layer, which does not change a bit and takes less time. The settings belong to the process, and
    count only before TensorFlow has run anything.
    """
    import tensorflow as tf

    flags = os.environ.get("XLA_FLAGS", "")
    if XLA_ONE_THREAD.split("=", maxsplit=1)[0] not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {XLA_ONE_THREAD}".strip()
    threading_config = tf.config.threading
    if threading_config.get_intra_op_parallelism_threads() == 0:
        # Refused where TensorFlow runs already: then its threads are the caller's choice.
        with contextlib.suppress(RuntimeError):
            threading_config.set_intra_op_parallelism_threads(2)


def core_count() -> int:
    """Cores that this process may use: those it is bound to, or as many as TensorFlow was told to use."""
    told = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if told.isdecimal() and int(told):
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes() -> float:
    """Memory that is free; no bound where a system does not say so."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024.0 * next(
            int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")
        )
    except (OSError, StopIteration):
        return float("inf")


@contextmanager
def quiet_start() -> Iterator[None]:
    """Import TensorFlow inside this block on the command line.

    Its libraries write to file descriptor 2 before any Python setting is read, so the descriptor
    itself is turned aside. If the block raises, what was held back is written out first. Keras is
    started on TensorFlow, whatever backend is usual on the machine: the process is this command's
    own.

    Raises:
        ConfigError: Keras was started on another backend before, or does not start.
    """
    if "keras" not in sys.modules:
        os.environ[BACKEND] = "tensorflow"
    sys.stderr.flush()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what comes after the import still obeys it
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            _wake_tensorflow()
            yield
        except ForecastError:  # says all that there is to say
            raise
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _wake_tensorflow() -> None:
    """Import everything that greets, and look for devices once."""
    check_backend()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    tf.config.list_logical_devices()
