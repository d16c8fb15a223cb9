"""The names a user imports: all there, all explained, and none starts TensorFlow."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.version import Version

import forecast

ROOT = Path(__file__).resolve().parents[1]
NOT_WITH_THE_PACKAGE = {
    "tensorflow",
    "keras",
    "keras_tuner",
    "pandas",
    "numpy",
    "matplotlib",
    "pyarrow",
    "pydantic",
}
NOT_WITH_ANY_NAME = {"tensorflow", "keras", "keras_tuner", "matplotlib", "sklearn", "scipy"}


def modules_after(code: str) -> set[str]:
    """Modules a fresh process has imported after running some code."""
    shown = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", shown], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return set(done.stdout.split())


def loaded_after(code: str) -> set[str]:
    """Packages a fresh process has imported after running some code."""
    return {name.partition(".")[0] for name in modules_after(code)}


def test_importing_the_package_imports_nothing_else() -> None:
    loaded = loaded_after("import forecast")
    assert "forecast" in loaded
    assert not loaded & NOT_WITH_THE_PACKAGE


def test_no_public_name_starts_tensorflow() -> None:
    code = "import forecast\n"
    code += "for name in forecast.__all__: getattr(forecast, name)\n"
    code += "forecast.Forecaster()"
    loaded = loaded_after(code)
    assert "pandas" in loaded
    assert not loaded & NOT_WITH_ANY_NAME


def test_the_lists_of_names_agree() -> None:
    assert forecast.__all__ == sorted(
        forecast.__all__, key=lambda name: (name.lower() == name, not name.isupper(), name)
    )
    assert dir(forecast) == sorted(forecast.__all__)
    assert {*forecast._HOMES, *forecast._MODULES, "__version__"} == set(forecast.__all__)
    assert not hasattr(forecast, "Forecastr")


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == forecast.DISTRIBUTION
    assert forecast.__version__ == project["version"]


def test_a_source_tree_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "DISTRIBUTION", "never-installed-anywhere")
    assert forecast.__version__ == "0+not.installed"
    assert Version(forecast.__version__) < Version("0.0.1"), "older than every release"


def test_the_version_is_looked_up_when_it_is_asked_for() -> None:
    assert "importlib.metadata" not in modules_after("import forecast")
    assert "importlib.metadata" in modules_after("import forecast; forecast.__version__")


@pytest.mark.parametrize("name", [name for name in forecast.__all__ if name != "__version__"])
def test_a_name_leads_to_the_thing_itself(name: str) -> None:
    found = getattr(forecast, name)
    if isinstance(found, ModuleType):
        assert found.__name__ == f"forecast.{forecast._MODULES[name]}"
    elif inspect.isclass(found) or inspect.isfunction(found):
        assert found.__name__ == name
        assert found.__module__ == f"forecast.{forecast._HOMES[name]}", (
            "the table names the home itself"
        )
    else:
        assert isinstance(found, dict), "the rest are tables"


def public_things() -> Iterator[tuple[str, Any]]:
    """Every class and function a public name leads to, with the methods and properties of the
    classes."""
    for name in forecast.__all__:
        found = getattr(forecast, name)
        own = {name: found}
        if isinstance(found, ModuleType):
            made_here = [
                key
                for key, one in vars(found).items()
                if getattr(one, "__module__", "") == found.__name__
            ]
            listed = getattr(
                found, "__all__", [key for key in made_here if not key.startswith("_")]
            )
            own = {f"{name}.{key}": vars(found)[key] for key in listed}
        for label, thing in own.items():
            if not getattr(thing, "__module__", "").startswith("forecast"):
                continue
            yield label, thing
            if inspect.isclass(thing):
                yield from ((f"{label}.{key}", one) for key, one in members(thing))


def members(thing: type) -> Iterator[tuple[str, Any]]:
    for key, one in vars(thing).items():
        if not key.startswith("_"):
            plain = one.fget if isinstance(one, property) else getattr(one, "__func__", one)
            if inspect.isfunction(plain):
                yield key, plain


THINGS = dict(public_things())


def test_there_is_much_to_explain() -> None:
    assert len(THINGS) > 45
    assert {
        "Forecaster.fit",
        "Forecaster.load",
        "Panel.num_rows",
        "plots.plot_loss",
        "datasets.load",
    } <= set(THINGS)


@pytest.mark.parametrize("label", THINGS)
def test_a_docstring_says_what_is_taken_and_given(label: str) -> None:
    thing = THINGS[label]
    text = inspect.getdoc(thing) or ""
    assert text.partition("\n")[0].endswith((".", ":")), "a sentence first"
    if not inspect.isfunction(thing):
        return
    signature = inspect.signature(thing)
    arguments = [name for name in signature.parameters if name not in ("self", "cls")]
    described = text.partition("Args:")[2]
    assert [
        name for name in arguments if not re.search(rf"^ +\**{name}: ", described, re.MULTILINE)
    ] == []
    first_word = text.split()[0]
    if arguments and signature.return_annotation not in (None, "None"):
        assert "Returns:" in text or first_word in ("Return", "Read", "Draw"), "say what comes back"
