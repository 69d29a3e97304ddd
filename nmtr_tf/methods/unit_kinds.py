"""The table of interaction units: what `units` can name, and what is asked of a unit before it is built.

It needs no TensorFlow: a built-in unit's class is imported when the first one is made.
"""

import dataclasses
import importlib
import inspect
from typing import Any

from nmtr_tf.errors import InputError
from nmtr_tf.registry import Registry


@dataclasses.dataclass(frozen=True)
class UnitKind:
    """A row of the table.

    Attributes:
        part: The class, a `nmtr_tf.models.units.Unit`, or where it is, as "module:name".
        has_tower: Whether it has the layers that num_layers, tower_width and dropout are about.
        has_two_parts: Whether it has two parts that may have embeddings of their own.
        is_inner_product: Whether it is an inner product, as the class says too.
        from_history: Whether its users are sums over their histories, with weights in closed form, and not
            embeddings.
    """

    part: Any
    has_tower: bool = False
    has_two_parts: bool = False
    is_inner_product: bool = False
    from_history: bool = False

    @property
    def unit_class(self) -> Any:
        """The class."""
        if isinstance(self.part, str):
            module, _, name = self.part.partition(":")
            return getattr(importlib.import_module(module), name)
        return self.part

    def make(self, **options: Any) -> Any:
        """A new unit.

        Args:
            **options: `widths` of the tower, `dropout`, `seed`, and `separate`: whether two parts have
                embeddings of their own. The constructor gets those that it takes by name.
        """
        unit_class = self.unit_class
        taken = inspect.signature(unit_class).parameters
        return unit_class(**{name: value for name, value in options.items() if name in taken})


UNITS: Registry[UnitKind] = Registry("interaction unit", "units")
UNITS.register("mf", UnitKind("nmtr_tf.models.units.products:MF", is_inner_product=True))
UNITS.register("gmf", UnitKind("nmtr_tf.models.units.products:GMF", is_inner_product=True))
UNITS.register("mlp", UnitKind("nmtr_tf.models.units.mlp:MLP", has_tower=True))
UNITS.register("neumf", UnitKind("nmtr_tf.models.units.neumf:NeuMF", has_tower=True, has_two_parts=True))
UNITS.register("linear", UnitKind("nmtr_tf.models.units.linear:Linear", from_history=True))


def register_unit(name: str, unit_class: Any = None) -> Any:
    """Gives a unit of your own a name, which `units` and checkpoints know it by from then on.

    Args:
        name: The name.
        unit_class: A subclass of `nmtr_tf.Unit`; None: the result decorates one. Its constructor gets
            `seed`, `widths` (of the tower) and `dropout` where it has arguments of these names.

    Raises:
        InputError: If the class is no `Unit`.
    """
    if unit_class is None:
        return lambda decorated: register_unit(name, decorated)
    import keras

    UNITS.register(name, unit_kind(unit_class))
    if keras.saving.get_registered_name(unit_class) == unit_class.__name__:  # it has none yet
        keras.saving.register_keras_serializable("nmtr_tf_units", name)(unit_class)
    return unit_class


def unit_kind(unit: Any) -> UnitKind:
    """The kind of a unit that is given by its registered name or as its class.

    Raises:
        InputError: If there is no such unit.
    """
    if isinstance(unit, str):
        return UNITS.find(unit)
    from nmtr_tf.models.units import Unit

    if not (isinstance(unit, type) and issubclass(unit, Unit)):
        raise InputError(f"`units` should be names or subclasses of nmtr_tf.Unit. Received: {unit!r}.")
    has_tower = "widths" in inspect.signature(unit).parameters
    return UnitKind(unit, has_tower, is_inner_product=unit.is_inner_product)


def unit_name(unit: Any) -> Any:
    """The registered name of a unit that is given by name or as its class; a class without one as it is."""
    if not isinstance(unit, type):
        return unit
    return UNITS.name_of(lambda kind: kind.unit_class is unit) or unit
