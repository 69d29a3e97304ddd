"""Which options go with which ways of learning; what has no meaning is one line of error.

Weights in closed form have users from their histories and no embeddings, one epoch and no steps.
"""

from collections.abc import Sequence
from typing import Any

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.table import Method
from nmtr_tf.methods.unit_kinds import UnitKind, unit_kind
from nmtr_tf.options import option_text

CLOSED_FORM, GRADIENT, LEAST_SQUARES = "closed_form", "gradient", "als"
"""Names of the learners."""
SAMPLED, SOFTMAX, CONTRASTIVE, WHOLE_DATA = "sampled", "softmax", "contrastive", "whole_data"
"""Names of the objectives."""

_OF_EMBEDDINGS = ("dropout", "share_embeddings", "item_bias")
_OF_VECTORS = ("history_items", "history_alpha", "history_dropout")
_OF_HISTORIES = (*_OF_VECTORS, "history_half_life")
_OF_TIME = ("time_bias",)
_OF_STEPS = (
    "learning_rate",
    "optimizer",
    "initial_accumulator",
    "loss_reduction",
    "num_negatives",
    "objective",
    "learner",
    "loss",
    "loss_weights",
    "l2_user",
    "l2_item",
    "l2_unit",
    "l2_power",
    "unobserved_weight",
    "train_mode",
)


def learner_of(config: RunConfig, method: Method, units: Sequence[UnitKind]) -> str:
    """The learner that a method with these units asks for.

    Args:
        config: All options.
        method: The method.
        units: The units of the predicted behaviors.

    Raises:
        InputError: If its units or another option do not go with it.
    """
    name = f"`method={config.model.method}`"
    is_closed = unit_kind(method.unit).from_history
    if any(unit.from_history != is_closed for unit in units):
        raise InputError(
            "`units=linear` and `method=nmtr_linear` go together, and with no other: the weights are solved "
            f"in closed form. Received: `units={option_text(config.model.units)}`, {name}."
        )
    if not method.adds_linear and config.linear.linear_weight is not None:
        raise InputError(f"`linear_weight` is an option of `method=nmtr_linear_gmf`. Received: {name}.")
    if not is_closed:
        if not method.adds_linear and (option := changed(config.linear, tuple(vars(config.linear)))):
            raise InputError(
                f"`{option}` is an option of `method=nmtr_linear` and of `nmtr_linear_gmf`. Received: {name}."
            )
        rows = config.history.of_method(method.adds_linear)
        if not rows.is_read and (option := changed(rows, _OF_HISTORIES)):
            raise InputError(
                f"`{option}` goes with `user_rows=history` or `both`. Received: `user_rows=table`."
            )
        return config.training.learner
    of_history = (config.history, ("user_rows", *_OF_VECTORS))
    of_gradients = (config.training, _OF_STEPS), (config.time, _OF_TIME)
    for section, names in ((config.model, _OF_EMBEDDINGS), *of_gradients, of_history):
        if (option := changed(section, names)) is not None:
            raise InputError(
                f"`{option}` has no meaning for {name}, whose weights are solved in closed form. "
                f"Received: {getattr(section, option)!r}."
            )
    return CLOSED_FORM


def changed(section: Any, names: Sequence[str]) -> str | None:
    """The first of some options that is not at its default; None: all are."""
    defaults = type(section)()
    return next((name for name in names if getattr(section, name) != getattr(defaults, name)), None)
