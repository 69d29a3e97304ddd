"""The table of methods: what a name on `--method` stands for."""

import dataclasses

from nmtr_tf.config import ModelConfig
from nmtr_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        unit: Name of the interaction unit of every behavior (`config.UNITS`).
        label: The name that the paper prints.
    """

    unit: str
    label: str


METHODS = {
    "nmtr_gmf": Method(unit="gmf", label="NMTR-GMF"),
    "nmtr_mlp": Method(unit="mlp", label="NMTR-MLP"),
    "nmtr_neumf": Method(unit="neumf", label="NMTR-NeuMF"),
}


def get_method(name: str) -> Method:
    """The row of a method.

    Raises:
        InputError: If there is no such method.
    """
    if name not in METHODS:
        raise InputError(f"--method should be one of {', '.join(METHODS)}. Received: {name!r}.")
    return METHODS[name]


def unit_names(config: ModelConfig, behaviors: tuple[str, ...]) -> tuple[str, ...]:
    """The unit of every behavior: `config.units`, or the method's own R times.

    Raises:
        InputError: If `config.units` is given and does not hold one unit a behavior.
    """
    names = config.units or (get_method(config.method).unit,) * len(behaviors)
    if len(names) != len(behaviors):
        raise InputError(
            f"--units should name one unit for each of the {len(behaviors)} behaviors "
            f"({', '.join(behaviors)}). Received: {','.join(names)}."
        )
    return names
