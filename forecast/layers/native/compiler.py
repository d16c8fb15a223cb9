"""The commands that compile the loops and the operations.

Needs the standard library alone: the build of a wheel runs this file by its path. A wheel has the
loops once for each of `VARIANTS`, and the operations of TensorFlow, which depend on no processor.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
COMPILERS = ("c++", "g++", "clang++")
FLAGS = (
    "-std=c++17",
    "-O3",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-pthread",
    "-shared",
    "-fPIC",
)
COMPILED = "compiled"
"""Folder beside this file, of a wheel, with the libraries and the file `CHECKSUMS`."""
CHECKSUMS = "checksums.json"
"""SHA-256 of each library of a wheel, by its name."""


@dataclass(frozen=True)
class Source:
    """A library that can be compiled.

    Attributes:
        name: of the library.
        file: with the source.
        headers: of this folder that it includes.
    """

    name: str
    file: str
    headers: tuple[str, ...]

    def files(self) -> list[Path]:
        """Return the paths of all files that it is compiled from."""
        return [FOLDER / name for name in (*self.headers, self.file)]


LOOPS = Source(
    "loops",
    "loops.cc",
    (
        "interface.h",
        "vectors.h",
        "cells.h",
        "layout.h",
        "factors.h",
        "shards.h",
        "forward.h",
        "backward.h",
        "update.h",
    ),
)
OPERATIONS = Source("operations", "operations.cc", ("interface.h", "tensorflow_c.h", "call.h"))


@dataclass(frozen=True)
class Variant:
    """The loops of a wheel for some processors.

    Attributes:
        name: part of the file's name.
        machines: values of `platform.machine`.
        features: that a processor needs, as Linux calls them.
        flags: of the compiler.
    """

    name: str
    machines: tuple[str, ...]
    features: tuple[str, ...]
    flags: tuple[str, ...]


X86 = ("x86_64", "AMD64")
AVX512 = ("avx512f", "avx512bw", "avx512dq", "avx512vl")

VARIANTS = (
    Variant(
        "avx512bf16",
        X86,
        (*AVX512, "avx512_bf16"),
        ("-march=icelake-server", "-mavx512bf16", "-mprefer-vector-width=512"),
    ),
    Variant("avx512", X86, AVX512, ("-march=skylake-avx512", "-mprefer-vector-width=512")),
    Variant("avx2", X86, ("avx2", "fma"), ("-mavx2", "-mfma")),
    Variant("neon", ("aarch64", "arm64"), (), ()),
)
"""The fastest come first."""


def find_compiler() -> str | None:
    """Return the command of the C++ compiler: `CXX` of the environment, or one that is found."""
    given = os.environ.get("CXX")
    if given:
        return given
    return next(filter(None, map(shutil.which, COMPILERS)), None)


def command(compiler: str, source: Source, *flags: str) -> list[str]:
    """Return the command that compiles a library, without its output."""
    return [*compiler.split(), *FLAGS, *flags, str(FOLDER / source.file)]
