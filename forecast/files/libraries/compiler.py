"""The libraries in C++, and the commands that compile them.

Needs the standard library alone: the build of a wheel runs this file by its path. A wheel has the
loops and the recursions once for each of `VARIANTS`, and the operations of TensorFlow, which depend
on no processor.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PACKAGE = FOLDER.parents[1]
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
        folder: of the package that has its files.
        file: with the source.
        headers: that it includes.
        flags: of the compiler, on every processor.
        has_variants: whether it is faster where it is compiled for the processor.
    """

    name: str
    folder: str
    file: str
    headers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    has_variants: bool = True

    def files(self) -> list[Path]:
        """Return the paths of all files that it is compiled from."""
        return [PACKAGE / self.folder / name for name in (*self.headers, self.file)]


LOOPS = Source(
    "loops",
    "layers/native",
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
OPERATIONS = Source(
    "operations",
    "layers/native",
    "operations.cc",
    ("interface.h", "tensorflow_c.h", "call.h"),
    has_variants=False,
)
# A product is rounded before it is added, as by NumPy, so that both have the same bits.
RECURSIONS = Source("recursions", "baselines", "recursions.cc", flags=("-ffp-contract=off",))
SOURCES = (LOOPS, OPERATIONS, RECURSIONS)


@dataclass(frozen=True)
class Variant:
    """The libraries of a wheel for some processors.

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
    path = PACKAGE / source.folder / source.file
    return [*compiler.split(), *FLAGS, *source.flags, *flags, str(path)]


def wheel_commands(compiler: str, machine: str, *flags: str) -> dict[str, list[str]]:
    """Return the commands that compile the libraries of a wheel, by the names of their files.

    Args:
        compiler: its command.
        machine: value of `platform.machine`.
        flags: further ones.
    """
    commands = {}
    for source in SOURCES:
        if not source.has_variants:
            commands[f"{source.name}.so"] = command(compiler, source, *flags)
            continue
        for variant in VARIANTS:
            if machine in variant.machines:
                name = f"{source.name}-{variant.name}.so"
                commands[name] = command(compiler, source, *variant.flags, *flags)
    return commands
