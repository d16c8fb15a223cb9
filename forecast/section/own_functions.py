"""Functions of one's own, named by import path in a setting: `mypackage.losses:wis`.

A path that the user gave is imported where its function is called. One that a saved model names is
looked up without being imported: a file must not decide what code runs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from typing import Annotated, Any

from pydantic import Field

from forecast.errors import ConfigError
from forecast.errors.spelling import nearest

_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"

OwnFunction = Annotated[str, Field(pattern=_PATH, examples=["mypackage.losses:wis"])]
"""Import path of a function, such as `mypackage.losses:wis`."""

_HELP = "install the package that has it, or set PYTHONPATH to the folder that it lies in"


def is_own(name: str) -> bool:
    """Return whether the value of a setting is the import path of a function."""
    return ":" in name


def load_own(path: str, setting: str) -> Callable[..., Any]:
    """Import a function.

    Args:
        path: `module:function`.
        setting: that names it, such as `training.loss`, for messages.

    Raises:
        ConfigError: there is no such module or function, or the module cannot be imported.
    """
    module_name, _, name = path.partition(":")
    if missing_own(path):
        raise ConfigError(f"{setting} is {path!r}, but {missing_own(path)}: {_HELP}")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(
            f"{setting} is {path!r}, but importing {module_name!r} ends with {reason}: correct "
            f"the module"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        functions = [each for each, value in vars(module).items() if callable(value)]
        what = "is no function" if hasattr(module, name) else "has no such function"
        raise ConfigError(
            f"{setting} is {path!r}, but {name!r} of {module_name!r} {what}"
            f"{nearest(name, functions)}: name one that takes arrays"
        )
    return function


def missing_own(path: str) -> str:
    """Return what is missing of a path, in words; empty where its module can be found.

    Nothing is imported, not even a package that contains the module.

    Args:
        path: `module:function`.
    """
    module_name = path.partition(":")[0]
    if module_name in sys.modules:
        return ""
    places: Any = None
    found = ""
    for part in module_name.split("."):
        found = f"{found}.{part}".removeprefix(".")
        spec = PathFinder.find_spec(found, places)
        if spec is None and places is None:
            spec = BuiltinImporter.find_spec(found) or FrozenImporter.find_spec(found)
        if spec is None:
            return f"there is no module {found!r}"
        places = spec.submodule_search_locations or []
    return ""


def path_of(function: Callable[..., Any], setting: str) -> str:
    """Return the import path of a function.

    Args:
        function: one that is defined at the top of a module.
        setting: that it is given for, for messages.

    Raises:
        ConfigError: it is a lambda, or defined inside another function.
    """
    module = getattr(function, "__module__", "")
    name = getattr(function, "__qualname__", "")
    is_reached = name.isidentifier() and hasattr(sys.modules.get(module), name)
    if not is_reached:
        raise ConfigError(
            f"{setting} is a function without an import path ({name or type(function).__name__}); "
            f"define it with a name at the top of a module"
        )
    return f"{module}:{name}"
