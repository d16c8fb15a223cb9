"""Every public name has a short example in its docstring, and the example runs."""

from __future__ import annotations

import doctest
import importlib
import types
from typing import Any

import pytest

import forecast


def documented(name: str) -> tuple[str, str]:
    """Return where the example of a public name stands, and the docstring there.

    A table (`MODELS`) is a plain dict: its example stands in the docstring of its module.
    """
    thing: Any = getattr(forecast, name)
    if isinstance(thing, types.ModuleType):
        return thing.__name__, thing.__doc__ or ""
    if isinstance(thing, dict):
        module = importlib.import_module(f"forecast.{forecast._HOMES[name]}")
        return module.__name__, module.__doc__ or ""
    return f"{thing.__module__}.{name}", thing.__doc__ or ""


@pytest.mark.parametrize("name", [name for name in forecast.__all__ if not name.startswith("__")])
def test_the_example_of_a_public_name_runs(
    name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # examples may write files
    place, text = documented(name)
    examples = doctest.DocTestParser().get_examples(text)
    assert examples, f"{place} has no example"

    test = doctest.DocTestParser().get_doctest(text, {}, name, place, 0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    printed: list[str] = []
    failed, _ = doctest.DocTestRunner(optionflags=flags).run(test, out=printed.append)
    assert failed == 0, "".join(printed)
