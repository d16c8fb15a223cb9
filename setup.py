"""Builds a wheel with compiled libraries, so that whoever installs it needs no C++ compiler.

Everything else about the package is in `pyproject.toml`. Where the compiler is missing or fails the
wheel has no compiled files, as has an editable installation; they are then compiled when they are
first needed, see `forecast/files/libraries/build.py`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

ROOT = Path(__file__).resolve().parent
LIBRARIES = ROOT / "forecast" / "files" / "libraries"

STATIC = ("-static-libstdc++", "-static-libgcc", "-s")
"""No C++ runtime of the system that it is loaded on is needed, and no table of symbols."""

SAME = (f"-ffile-prefix-map={ROOT}=.", "-Wl,--build-id=none")
"""No folder of this machine and no number of this build is in a library: equal ones are equal."""


def load_compiler() -> Any:
    """Return the module `compiler` of the package, whose other modules need what is not here."""
    spec = importlib.util.spec_from_file_location("compiler", LIBRARIES / "compiler.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{LIBRARIES / 'compiler.py'} is missing")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def compile_into(folder: Path) -> None:
    """Compile the libraries for all processors of this kind of machine.

    Raises:
        FileNotFoundError: there is no compiler.
        subprocess.CalledProcessError: it fails.
    """
    compiler = load_compiler()
    program = compiler.find_compiler()
    if program is None:
        raise FileNotFoundError("no C++ compiler")
    folder.mkdir(parents=True)
    commands = compiler.wheel_commands(program, platform.machine(), *STATIC, *SAME)
    for name, command in commands.items():
        subprocess.run([*command, "-o", str(folder / name)], check=True)
    checksums = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in commands
    }
    (folder / compiler.CHECKSUMS).write_text(json.dumps(checksums, indent=2), encoding="utf-8")


class BinaryWheel(bdist_wheel):
    """A wheel for every Python and one kind of machine: the libraries do not call Python."""

    def run(self) -> None:
        """Compile, then pack."""
        self.distribution.has_ext_modules = lambda: True  # installed beside compiled packages
        self.run_command("build")
        build = self.get_finalized_command("build")
        folder = Path(build.build_lib) / LIBRARIES.relative_to(ROOT)
        folder = folder / load_compiler().COMPILED
        shutil.rmtree(folder, ignore_errors=True)
        self.root_is_pure = not self._compiles(folder)
        self.distribution.has_ext_modules = lambda: not self.root_is_pure
        super().run()

    def _compiles(self, folder: Path) -> bool:
        """Compile, and return whether that went well; warn where it did not."""
        if platform.system() != "Linux":
            return False
        try:
            compile_into(folder)
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            self.warn(f"the loops in C++ are compiled when first needed, not now: {error}")
            return False
        return True

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tags of Python, its binary interface, and the machine."""
        _, _, machine = super().get_tag()
        return self.python_tag, "none", machine


setup(cmdclass={"bdist_wheel": BinaryWheel})
