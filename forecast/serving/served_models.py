"""The models by name. A new version is verified whole before it takes the place of the old one."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from forecast.data.frequency import Frequency
from forecast.errors import ArtifactError, ConfigError, ForecastError
from forecast.files.atomic import current_folder
from forecast.forecasting.artifact import MANIFEST
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.heading import rhythm_of
from forecast.runs.next_steps import read_about
from forecast.runs.use import load_run, model_folder
from forecast.runs.versions import version_folder

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""Names that a model may have: those of plain folders."""

POLL_SECONDS = 2.0
"""Time between two looks at the folders."""

LOOKS_UNTIL_GONE = 5
"""Looks in a row that miss a folder before its model is forgotten: a swap takes two renames."""

Say = Callable[[str], None]

Identity = tuple[tuple[str, int, int, int, int], ...]
"""Name, place, time of the last change, and size of each file of a model."""


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A version of a model that has been verified.

    Attributes:
        name: in requests.
        version: first digits of the hash of its manifest.
        forecaster: the model.
        baseline: name of the baseline that is forecast beside it; None for none.
        problem: why a newer version in its folder does not serve; empty where there is none.
    """

    name: str
    version: str
    forecaster: Forecaster
    baseline: str | None
    problem: str = ""

    def described(self) -> dict[str, Any]:
        """Return the model as JSON values, for `/models`."""
        fitted = self.forecaster.fitted
        columns = fitted.feature_map.columns
        return {
            "name": self.name,
            "version": self.version,
            "alias": fitted.config.name,
            "id": list(columns.id_cols),
            "time": columns.time_col,
            "targets": list(columns.target_cols),
            "past": list(columns.past_covariates),
            "known": list(columns.known_covariates),
            "static": list(columns.static_covariates),
            "freq": fitted.freq,
            "rhythm": rhythm_of(Frequency.parse(fitted.freq)),
            "horizon": fitted.shape.horizon,
            "context_length": fitted.shape.context_length,
            "problem": self.problem,
        }


@dataclass(eq=False)
class ModelStore:
    """The models that are served.

    Attributes:
        run: a run folder whose model is asked for where a request names none; optional.
        folder: whose sub-folders are further models; optional.
        say: gets a line when a model comes, goes, or is refused.
    """

    run: Path | None
    folder: Path | None
    say: Say
    _models: Mapping[str, ServedModel] = field(default_factory=dict)
    _seen: dict[str, Identity | None] = field(default_factory=dict)
    _missed: dict[str, int] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def models(self) -> Mapping[str, ServedModel]:
        """The models by name, the default first."""
        return self._models

    @property
    def default(self) -> str:
        """Name of the model of requests that name none; empty where several could be meant."""
        if self.run is not None:
            return _name_of(self.run)
        if len(self._models) == 1:
            return next(iter(self._models))
        return ""

    def start(self) -> None:
        """Load every model, and look for new versions from then on.

        Raises:
            ConfigError: there is no model.
            ArtifactError: the model of the run cannot be loaded.
        """
        if self.run is not None:
            self._look_at(_name_of(self.run), self.run, first=True)
        self.look()
        if not self._models:
            raise ConfigError(
                f"{self.folder} has no model that can be loaded; expected run folders in it"
            )
        threading.Thread(target=self._watch, name="versions", daemon=True).start()

    def stop(self) -> None:
        """Look for new versions no more."""
        self._ended.set()

    def look(self) -> None:
        """Load what is new in the folders, and forget what is gone."""
        found = dict(self._folders())
        for name, path in found.items():
            self._missed.pop(name, None)
            self._look_at(name, path)
        for name in [name for name in self._models if name not in found]:
            self._missed[name] = self._missed.get(name, 0) + 1
            if self._missed[name] >= LOOKS_UNTIL_GONE:
                self._forget(name)
        for name in set(self._seen) - set(found) - set(self._models):
            del self._seen[name]  # a folder that never served

    def _forget(self, name: str) -> None:
        """Serve a model no more."""
        self.say(f"model {name!r} is gone")
        kept = {key: model for key, model in self._models.items() if key != name}
        self._models = MappingProxyType(kept)
        self._seen.pop(name, None)
        self._missed.pop(name, None)

    def _watch(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            try:
                self.look()
            except OSError as error:  # the folder cannot be read for a moment
                self.say(f"the folder of models cannot be read: {error.strerror}")

    def _folders(self) -> Iterator[tuple[str, Path]]:
        """Yield name and folder of every model."""
        if self.run is not None:
            yield _name_of(self.run), self.run
        if self.folder is None:
            return
        with os.scandir(self.folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
        for name in names:
            if NAME.fullmatch(name) and (self.run is None or name != _name_of(self.run)):
                yield name, self.folder / name

    def _look_at(self, name: str, path: Path, *, first: bool = False) -> None:
        """Load a model if it has another version than the one that was last looked at.

        Args:
            name: of the model.
            path: its run folder.
            first: whether an error is raised, as there is no older version to serve.
        """
        identity = _identity(path)
        if name in self._seen and self._seen[name] == identity:
            return
        older = self._models.get(name)
        if identity is None and not first:
            return  # a folder of something else, or one in the middle of a swap
        try:
            model = _load(name, path)
        except (ForecastError, OSError) as error:
            if first:
                raise
            self._seen[name] = identity
            why = " ".join(str(error).split()).replace(f"{path}", name)
            self._refuse(name, older, why)
            return
        self._seen[name] = identity
        self._models = MappingProxyType({**self._models, name: model})
        if older is None or older.version != model.version:
            self.say(f"model {name!r}, version {model.version}, is served")

    def _refuse(self, name: str, older: ServedModel | None, why: str) -> None:
        """Note that a version does not serve."""
        if older is None:
            self.say(f"model {name!r} is not served: {why}")
            return
        self.say(f"a new version of model {name!r} is not served, the old one is: {why}")
        self._models = MappingProxyType({**self._models, name: replace(older, problem=why)})


def _name_of(run: Path) -> str:
    """Return the name of the model of a run folder."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", Path(os.path.realpath(run)).name)
    return name or "model"


def _load(name: str, path: Path) -> ServedModel:
    """Load a model and verify it: hashes, and its output for the golden input.

    Raises:
        ArtifactError: it is damaged, or changes while it is read.
    """
    before = _digest(path)
    forecaster = load_run(path)
    if _digest(path) != before:
        raise ArtifactError(f"{path}: it was written while it was read; it is read again")
    baseline = read_about(version_folder(path)).get("baseline")
    return ServedModel(name, before[:12], forecaster, baseline)


def _digest(path: Path) -> str:
    """Return the hash of the manifest, which has those of all other files; empty without one."""
    try:
        return hashlib.sha256((_manifest(path)).read_bytes()).hexdigest()
    except OSError:
        return ""


def _identity(path: Path) -> Identity | None:
    """Return numbers of all files that differ between two versions; None where there is no model.

    A version that is copied piece by piece has others with each piece: it is looked at again.
    """
    folder = current_folder(model_folder(path))
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.stat()) for entry in entries)
    except OSError:
        return None
    if MANIFEST not in dict(found):
        return None
    return tuple(
        # on Windows `st_ctime_ns` is the time at which a file of this name was first made
        (name, status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size)
        for name, status in found
    )


def _manifest(path: Path) -> Path:
    return current_folder(model_folder(path)) / MANIFEST
