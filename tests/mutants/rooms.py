"""Rooms whose checks are broken, and the tests that have to notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Room:
    """Checks that belong together.

    Attributes:
        sources: patterns of files below `forecast/`.
        tests: files and folders below `tests/`.
        count: of mutants that are chosen.
        checks_only: see `sites.mutants_of`.
        warm: packages that are imported before the tests of each mutant start.
    """

    sources: tuple[str, ...]
    tests: tuple[str, ...]
    count: int
    checks_only: bool = False
    warm: tuple[str, ...] = ()

    def files(self, root: Path) -> list[Path]:
        """Return the files of the room, in order of their names."""
        found = {path for pattern in self.sources for path in (root / "forecast").glob(pattern)}
        return sorted(path for path in found if path.name != "__init__.py")

    def files_of(self, root: Path) -> list[str]:
        """Return the files with tests of the room, from the root of the repository."""
        found: list[Path] = []
        for name in self.tests:
            path = root / "tests" / name
            found += [path] if path.is_file() else path.rglob("test_*.py")
        return sorted(path.relative_to(root).as_posix() for path in found)


ROOMS = {
    "models": Room(
        sources=(
            "files/tensors.py",
            "forecasting/artifact.py",
            "forecasting/saved/*.py",
            "inference/sizes.py",
            "models/counted_weights.py",
        ),
        tests=(
            "files/test_tensors.py",
            "inference/test_sizes.py",
            "forecasting/test_stored_forms.py",
            "forecasting/test_artifact_bounds.py",
            "forecasting/test_artifact.py",
            "forecasting/test_signatures.py",
            "models/test_counted_weights.py",
        ),
        count=70,
        warm=("cryptography.hazmat.primitives.asymmetric.rsa", "safetensors.numpy", "pydantic"),
    ),
    "settings": Room(
        sources=("files/yaml.py",),
        tests=(
            "files/test_yaml_bounds.py",
            "experiment/test_file.py",
            "experiment/test_hostile_settings.py",
        ),
        count=20,
        warm=("yaml", "pydantic"),
    ),
    "outputs": Room(
        sources=("files/atomic.py", "files/lock.py", "files/outputs.py", "files/traces.py"),
        tests=("files/test_guard.py", "files/test_atomic.py", "files/test_lock.py"),
        count=40,
    ),
    "search": Room(
        sources=("search/journal.py", "search/believed.py", "search/state.py"),
        tests=("search/test_state.py", "search/test_journal.py", "search/test_believed.py"),
        count=40,
        warm=("pydantic",),
    ),
    "tables": Room(
        sources=("data/*.py", "data/*/*.py", "files/compressed.py"),
        tests=("data",),
        count=80,
        checks_only=True,
        warm=("openpyxl", "python_calamine"),
    ),
    "native": Room(
        sources=("files/libraries/trust.py",),
        tests=("files/test_trust.py", "layers/test_environments.py"),
        count=20,
    ),
    "service": Room(
        sources=(
            "serving/gate.py",
            "serving/bodies.py",
            "serving/limits.py",
            "serving/admission.py",
            "serving/addresses.py",
        ),
        tests=(
            "serving/test_bodies.py",
            "serving/test_gate.py",
            "serving/test_admission.py",
        ),
        count=50,
        warm=("fastapi", "uvicorn", "prometheus_client"),
    ),
}
