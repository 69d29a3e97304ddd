"""What makes `keras.models.load_model` work wherever `nmtr_tf.models` was imported.

Keras finds the parts of a saved model by their registered names, and a class is registered when its module
is imported, which loads TensorFlow. The package has to stay cheap: commands check their flags with its help.
So it registers stand-ins, at once or as soon as somebody imports Keras, and each imports its class when a
file asks for it.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PARTS = {
    "Adagrad": "nmtr_tf.models.optimizers",
    "Adam": "nmtr_tf.models.optimizers",
    "Cascade": "nmtr_tf.models.cascade",
    "GMF": "nmtr_tf.models.units.products",
    "ItemRows": "nmtr_tf.models.rows",
    "MF": "nmtr_tf.models.units.products",
    "MLP": "nmtr_tf.models.units.mlp",
    "NeuMF": "nmtr_tf.models.units.neumf",
    "TableRows": "nmtr_tf.models.rows",
}
"""Every class that a saved model may hold, and the module that registers it."""


class _StandIn:
    """In place of a class that is not imported yet; loading needs its `from_config` only."""

    def __init__(self, name: str):
        self._name = name

    def from_config(self, config: Mapping[str, Any]) -> Any:
        """The object that the class makes of its config."""
        return getattr(importlib.import_module(PARTS[self._name]), self._name).from_config(config)


class _KerasFinder(MetaPathFinder):
    """Finds Keras where all others do, and registers the stand-ins once it is imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of Keras; None for every other module."""
        if fullname != "keras":
            return None
        found = (other.find_spec(fullname, path, target) for other in sys.meta_path if other is not self)
        spec = next(filter(None, found), None)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _register(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _register(keras: ModuleType) -> None:
    registered = keras.saving.get_custom_objects()
    for name in PARTS:
        registered.setdefault(f"nmtr_tf>{name}", _StandIn(name))


def register_saved_parts() -> None:
    """Tells Keras about the parts of saved models, now or when it is imported."""
    if "keras" in sys.modules:
        _register(sys.modules["keras"])
    else:
        sys.meta_path.insert(0, _KerasFinder())
