"""Whether a run's settings fit its data and its method. It needs no TensorFlow."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from nmtr_tf.config import EvaluationConfig, RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import SPLITS
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.masks import masked_items, ranked_pairs
from nmtr_tf.evaluation.metrics import check_metrics
from nmtr_tf.methods.closed_form import MAX_DENSE
from nmtr_tf.methods.low_rank import rank_of
from nmtr_tf.methods.plan import Plan, resolve
from nmtr_tf.methods.times import check_times

RESUME = ("auto", "never", "must", "force")
"""What becomes of an unfinished run in the workdir: see `nmtr_tf.fit`."""
CHECKPOINT_EVERY = "10m"


MAX_BYTES = 4 * MAX_DENSE**2
"""What item-to-item weights may take."""


@dataclasses.dataclass(frozen=True)
class RunSetup:
    """What a run is made of, before anything is trained.

    Attributes:
        config: With behaviors, protocol and data set directory spelled out.
        plan: What the method means for these behaviors.
        view: The training view.
    """

    config: RunConfig
    plan: Plan
    view: TrainingView


def set_up(config: RunConfig, dataset: Dataset, on_everything: bool = False) -> RunSetup:
    """Resolves a config for a data set.

    Args:
        config: The config.
        dataset: The data set.
        on_everything: Whether held-out rows are trained on as well, as for a final run.

    Raises:
        InputError: If an option fits neither the method nor the data set, or that is none.
    """
    config, view = checked_view(config, dataset, on_everything)
    plan = resolve(config, config.data.behaviors)
    if plan.has_item_weights and not config.linear.linear_rank:
        config = config.with_options(linear_rank=rank_of(view.num_users, view.num_items))
        plan = resolve(config, config.data.behaviors)
    check_times(plan, view)
    _check_size(plan, view.num_items)
    if plan.adds_linear and plan.linear.linear_weight is None and config.data.validation == "none":
        raise InputError(
            f"`method={plan.name}` chooses the weight of its linear part by validation; with "
            "`validation=none` give `linear_weight`."
        )
    return RunSetup(config, plan, view)


def _check_size(plan: Plan, num_items: int) -> None:
    """Refuses factors of weights from items to items that no usual machine holds."""
    rank, most = plan.linear.linear_rank, MAX_BYTES // (8 * max(num_items, 1))
    if not plan.has_item_weights or not rank:
        return
    if rank > num_items:
        raise InputError(f"`linear_rank` should be at most the {num_items:,} items. Received: {rank}.")
    if rank > most:
        raise InputError(
            f"`linear_rank={rank}` holds two factors of {num_items:,} items, {8 * rank * num_items:,} bytes, "
            f"where {MAX_BYTES:,} are allowed; use `linear_rank={most}` or less, `method=nmtr_gmf`, or "
            "prepare with a `k_core`."
        )


def checked_view(
    config: RunConfig, dataset: Dataset, on_everything: bool = False
) -> tuple[RunConfig, TrainingView]:
    """A config resolved for a data set, and the training view that it asks for; arguments as for `set_up`.

    Raises:
        InputError: If an option does not fit the data set, or that is none.
    """
    if not isinstance(dataset, Dataset):
        kind = type(dataset).__name__
        raise InputError(
            f"`dataset` should be a Dataset, which prepare makes and Dataset.load reads. Received: {kind}."
        )
    config = dataset.resolved(config)
    check_metrics(config.evaluation)
    view = dataset.full_view(config) if on_everything else dataset.view(config)
    _check_splits(config, view)
    return config, view


def _check_splits(config: RunConfig, view: TrainingView) -> None:
    """Refuses what the first evaluation would: a split without pairs, or a mask that hides them."""
    splits = {"validation": "`validation=none`", "test": "`curve_split=validation`"}
    if config.data.validation == "none":
        del splits["validation"]
    if config.training.curve_split != "test":
        del splits["test"]
    for split, instead in splits.items():
        if not len(view.held_out[split]):
            raise InputError(f"The data set has no {split} pairs; use {instead}.")
        if config.evaluation.mask == "all":  # no other mask can hide one
            ranked_pairs(view, split, masked_items(view, split, "all"))


def check_split(split: str) -> None:
    """Checks the name of a split.

    Raises:
        InputError: If nothing is held out under this name.
    """
    if split not in SPLITS[1:]:
        raise InputError(f"`split` should be one of {', '.join(map(repr, SPLITS[1:]))}. Received: {split!r}.")


def evaluation_config(config: EvaluationConfig, options: Mapping[str, Any]) -> EvaluationConfig:
    """The config with some options replaced.

    Raises:
        InputError: If there is no such option, or a value is not allowed.
    """
    known = [field.name for field in dataclasses.fields(config)]
    if unknown := [name for name in options if name not in known]:
        raise InputError(f"There is no option `{unknown[0]}` of an evaluation; {', '.join(known)} are.")
    config = dataclasses.replace(config, **options)
    check_metrics(config)
    return config


def check_resume(resume: str, overwrite: bool) -> None:
    """Checks the option of this name.

    Raises:
        InputError: If there is no such value, or it does not go with `overwrite`.
    """
    if resume not in RESUME:
        raise InputError(f"`resume` should be one of {', '.join(map(repr, RESUME))}. Received: {resume!r}.")
    if overwrite and resume in ("must", "force"):
        raise InputError(f"`overwrite` begins anew, and `resume={resume}` goes on; give one of them.")


def checkpoint_interval(text: str) -> tuple[int, float]:
    """Steps and seconds between two checkpoints within an epoch; 0 does not count.

    Args:
        text: A number of steps, such as "500", or of minutes, such as "10m"; "0": none.

    Raises:
        InputError: If it is neither.
    """
    found = re.fullmatch(r"(\d{1,12})|(\d{1,9}(?:\.\d+)?)m", text, re.ASCII)
    if not found:
        raise InputError(
            "`checkpoint_every` should be a number of steps, such as 500, or of minutes, such as 10m. "
            f"Received: {text!r}."
        )
    steps, minutes = found.groups()
    return int(steps or 0), 60 * float(minutes or 0)
