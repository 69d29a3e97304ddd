"""The table of baselines: what a model has to beat. It needs no TensorFlow until one is built.

A baseline is anything that scores all items for some users: a `Scorer`, or an object with
`scores(user_ids: int32 [n]) -> array [n, num_items]`. All are ranked by the same code as a model.
"""

import dataclasses
import importlib
import inspect
import numbers
from collections.abc import Callable, Mapping
from typing import Any

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import needs
from nmtr_tf.registry import Registry

RULE, LINEAR, OWN = "rule", "linear", "own"
"""Kinds of baselines: rules that learn nothing but count rows, linear models, and registered ones."""


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A row of the table.

    Attributes:
        label: Short label for tables; "all": of all behaviors, not of the target alone.
        learns_from: What of the training rows goes into it, in words.
        build: (view) -> scorer, or where it is, as "module:name". It gets `options` by name, and the data set
            where it has an argument `dataset`.
        kind: "rule", "linear" or "own".
        options: Its options with their defaults.
        needs: What must be there: see `nmtr_tf.evaluation.baselines.needs`.
    """

    label: str
    learns_from: str
    build: Callable[..., Any] | str
    kind: str = OWN
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    needs: tuple[Callable[[Dataset], str], ...] = ()

    def missing(self, dataset: Dataset) -> str:
        """What it needs and a data set or this machine has not, as the end of a sentence; "": nothing."""
        return next((found for need in self.needs if (found := need(dataset))), "")

    def settings(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """All its options, those that are given among them.

        Args:
            name: Its name, for messages.
            options: The given ones.

        Raises:
            InputError: If it has no such option, or one that should be a number is none.
        """
        for option, value in options.items():
            if option not in self.options:
                known = ", ".join(self.options) or "none"
                raise InputError(f"{name} has no option `{option}`; its options: {known}.")
            if isinstance(self.options[option], numbers.Real) and not isinstance(value, numbers.Real):
                raise InputError(f"`{option}` should be a number. Received: {value!r}.")
        return {**self.options, **options}


BASELINES: Registry[Baseline] = Registry("baseline", "baselines")
_RULES, _LINEAR = f"{__package__}.rules", f"{__package__}.linear"
_TARGET, _ALL = "the target behavior", "all behaviors"


def _add(name: str, label: str, learns_from: str, build: str, kind: str, **more: Any) -> None:
    BASELINES.register(name, Baseline(label, learns_from, build, kind, **more))


_add("random", "random", "nothing", f"{_RULES}:random_scores", RULE, options={"seed": 0})
_add("popularity", "popularity", _TARGET, f"{_RULES}:popularity", RULE)
_add("popularity_all", "popularity (all)", _ALL, f"{_RULES}:popularity_all", RULE)
_add("recency", "recency", f"{_TARGET}, the order of item ids", f"{_RULES}:recency", RULE)
_add(
    "recency_time",
    "recency (time)",
    f"{_TARGET} and its times",
    f"{_RULES}:recency_time",
    RULE,
    needs=(needs.times,),
)
_add("touched_first", "touched first", _ALL, f"{_RULES}:touched_first", RULE)
_ials: dict[str, Any] = {"options": {"ials_alpha": 10.0}, "needs": (needs.implicit,)}
_add("ials", "iALS", _TARGET, f"{_LINEAR}:ials", LINEAR, **_ials)
_add("ials_all", "iALS (all)", _ALL, f"{_LINEAR}:ials_all", LINEAR, **_ials)
_ease: dict[str, Any] = {"options": {"ease_lambda": 500.0}, "needs": (needs.few_items,)}
_add("ease", "EASE", _TARGET, f"{_LINEAR}:ease", LINEAR, **_ease)
_add("ease_all", "EASE (all)", _ALL, f"{_LINEAR}:ease_all", LINEAR, **_ease)


def register_baseline(name: str, build: Any = None, *, label: str = "", learns_from: str = "") -> Any:
    """Gives a baseline of your own a name, which `evaluate_baseline` and the flags know it by from then on.

    Args:
        name: The name.
        build: (view: TrainingView) -> object with `scores(user_ids: int32 [n]) -> array [n, num_items]`, in
            rows of the view. An argument `dataset` gets the data set; arguments with a default are options.
            None: the result decorates one.
        label: Short label for tables; "": the name.
        learns_from: What of the training rows goes into it, in words.

    Raises:
        InputError: If the name cannot be written in a list of options.
    """
    if build is None:
        return lambda decorated: register_baseline(name, decorated, label=label, learns_from=learns_from)
    arguments = inspect.signature(build).parameters.values()
    options = {one.name: one.default for one in arguments if one.default is not inspect.Parameter.empty}
    BASELINES.register(name, Baseline(label or name, learns_from, build, options=options))
    return build


def available_baselines(dataset: Dataset, kind: str) -> list[str]:
    """Names of the baselines of a kind that miss nothing on a data set."""
    return [name for name, row in BASELINES.items() if row.kind == kind and not row.missing(dataset)]


def build_baseline(name: str, dataset: Dataset, view: TrainingView, **options: Any) -> Any:
    """Builds a baseline.

    Args:
        name: Its name in the table.
        dataset: The data set.
        view: Its training view to learn from.
        **options: In place of its defaults.

    Returns:
        A `Scorer`, or an object with `scores(user_ids) -> array [n, num_items]`.

    Raises:
        InputError: If there is no such baseline or option, or it misses something.
    """
    row = BASELINES.find(name)
    settings = row.settings(name, options)
    if missing := row.missing(dataset):
        raise InputError(f"`baselines={name}` {missing}")
    build = row.build
    if isinstance(build, str):
        module, _, function = build.partition(":")
        build = getattr(importlib.import_module(module), function)
    if "dataset" in inspect.signature(build).parameters:
        settings = {**settings, "dataset": dataset}
    return build(view, **settings)
