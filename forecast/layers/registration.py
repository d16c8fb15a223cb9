"""The layers of this package are known to `keras.models.load_model` once Keras is imported.

Keras loads a class of a package only after that package has registered it, and `import forecast`
must not import Keras, which takes seconds. So registration follows the import of Keras, whichever
of the two comes first.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class KerasFinder:
    """Finder of the module `keras` alone, which registers the layers once Keras is imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return where Keras is, as Python would find it; None for other modules.

        Args:
            name: of the module that is imported.
            path: folders of the package that holds it.
            target: the module, where it is imported again.
        """
        if name != "keras":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            register_layers()

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


FINDER = KerasFinder()


def register_with_keras() -> None:
    """Register the layers now, or as soon as somebody imports Keras."""
    if "keras" in sys.modules:
        register_layers()
    elif FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)


def register_layers() -> None:
    """Register the layers, where Keras runs on TensorFlow: they run on nothing else."""
    import keras

    if keras.config.backend() != "tensorflow":
        return
    # A module of our layers may be what imports Keras; then the others cannot be imported yet.
    with suppress(ImportError):
        import forecast.layers.recurrent  # noqa: F401 - imported for what it registers
