"""Options that nothing of a plan reads; given, they are a mistake that nobody would see.

A plan here is a `nmtr_tf.methods.plan.Plan`, whose module asks this one. It needs no TensorFlow.
Sizes are taken by all methods, such as `num_layers` where there is no tower or `batch_size` where an epoch is
one step: nobody expects them to change such a model. So are `l2_unit` and `share_embeddings`, whatever there
is to regularize or to share.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.history_section import HISTORY
from nmtr_tf.methods.combinations import CONTRASTIVE, GRADIENT, SAMPLED, SOFTMAX, WHOLE_DATA, changed
from nmtr_tf.time_section import BUCKETS, WINDOW


@dataclasses.dataclass(frozen=True)
class _Readers:
    """What reads some options.

    Attributes:
        section: Section of the options.
        names: The options.
        readers: What reads them, in words.
        read: Whether a plan has that.
        received: What a plan has instead, in words.
    """

    section: str
    names: tuple[str, ...]
    readers: str
    read: Callable[[Any], bool]
    received: Callable[[Any], str]


def _has_own(plan: Any) -> bool:
    """Whether a part of the user's own, which may read anything, is among the units or the objective."""
    return not isinstance(plan.objective, str) or any(not isinstance(unit.part, str) for unit in plan.units)


def _of_objective(section: str, names: tuple[str, ...], *objectives: str) -> _Readers:
    return _Readers(
        section,
        names,
        " or ".join(f"`objective={name}`" for name in objectives),
        lambda plan: plan.objective in objectives or _has_own(plan) or plan.is_closed_form,
        lambda plan: f"`objective={plan.objective}`",
    )


def _of_time(name: str, bias: str) -> _Readers:
    return _Readers(
        "time",
        (name,),
        f"`time_bias={bias}`",
        lambda plan: plan.time.time_bias == bias,
        lambda plan: f"`time_bias={plan.time.time_bias}`",
    )


_READERS = (
    _Readers(
        "model",
        ("dropout",),
        "the tower of units mlp and neumf, and with `objective=whole_data`",
        lambda plan: plan.has_tower or _has_own(plan) or plan.objective == WHOLE_DATA,
        lambda plan: (
            f"`method={plan.name}`, units {', '.join(dict.fromkeys(map(str, plan.unit_names)))}, "
            f"`objective={plan.objective}`"
        ),
    ),
    _Readers(
        "training",
        ("beta", "channel_weights"),
        "multi-channel methods, `method=mc_bpr` and its like",
        lambda plan: plan.samples_channels,
        lambda plan: f"`method={plan.name}`",
    ),
    _of_objective("training", ("unobserved_weight", "l2_power"), WHOLE_DATA),
    _of_objective("training", ("num_negatives",), SAMPLED, SOFTMAX, CONTRASTIVE),
    _of_objective("contrast", ("temperature",), SOFTMAX),
    _of_objective("contrast", ("margin", "negative_weight"), CONTRASTIVE),
    _of_time("time_buckets", BUCKETS),
    _of_time("time_window", WINDOW),
    _Readers(
        "training",
        ("learning_rate", "optimizer", "initial_accumulator", "loss_reduction"),
        f"`learner={GRADIENT}`",
        lambda plan: plan.learner == GRADIENT or plan.is_closed_form,
        lambda plan: f"`learner={plan.learner}`",
    ),
    _Readers(
        "training",
        ("loss_weights",),
        "`train_mode=multitask`, as a stage learns one behavior",
        lambda plan: len(plan.stages) == 1,
        lambda plan: "`train_mode=sequential`",
    ),
    _Readers(
        "training",
        ("l2_user",),
        "`user_rows=table` or `both`, as histories have no vectors of users",
        lambda plan: plan.history.user_rows != HISTORY or plan.is_closed_form,
        lambda plan: f"`user_rows={plan.history.user_rows}`",
    ),
)


def unread_options(config: RunConfig, plan: Any) -> dict[str, Any]:
    """The options that are not at their defaults though nothing reads them: name -> default."""
    return {
        name: getattr(type(section)(), name)
        for readers, section in _without_readers(config, plan)
        for name in readers.names
        if changed(section, (name,))
    }


def check_read(config: RunConfig, plan: Any) -> None:
    """Refuses options that nothing reads.

    Raises:
        InputError: If there is one that is not at its default.
    """
    for readers, section in _without_readers(config, plan):
        if option := changed(section, readers.names):
            raise InputError(f"`{option}` goes with {readers.readers}. Received: {readers.received(plan)}.")


def _without_readers(config: RunConfig, plan: Any) -> Iterator[tuple[_Readers, Any]]:
    """The options that nothing reads, with their section of the config."""
    return ((readers, getattr(config, readers.section)) for readers in _READERS if not readers.read(plan))
