"""Graphs that are written to a file, for programs without our operations."""

from __future__ import annotations

import sys
from types import FrameType

import tensorflow as tf

EXPORTERS = ("keras.src.export.", "tensorflow.python.saved_model.", "tensorflow.lite.")
"""Beginnings of the names of the modules that write graphs."""


def is_exported() -> bool:
    """Return whether the graph that is traced is about to be written to a file.

    The program that reads the file has none of our operations, and perhaps no GPU. Keras and
    TensorFlow do not tell a layer why it is traced, but their exporter is on the stack, be it
    `model.export`, `keras.export.ExportArchive`, `tf.saved_model.save` or a converter of `tf.lite`.
    """
    if tf.executing_eagerly():
        return False
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(EXPORTERS):
            return True
        frame = frame.f_back
    return False
