"""A quiet start: TensorFlow's messages at import are held back, and shown only if the import fails."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from forecast.errors import ForecastError
from forecast.runtime import BACKEND, check_backend


@contextmanager
def quiet_start() -> Iterator[None]:
    """Import TensorFlow inside this block on the command line.

    Its libraries write to file descriptor 2 before any Python setting is read, so the descriptor itself
    is turned aside. If the block raises, what was held back is written out first. Keras is started on TensorFlow,
    whatever backend is usual on the machine: the process is this command's own.

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
