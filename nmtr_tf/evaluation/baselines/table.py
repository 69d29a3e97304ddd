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
class Option:
    """An option of a baseline.

    Attributes:
        default: Its default.
        about: What it is, a sentence; "": not known.
        low: The lowest value that a search draws; None: a search is told its values.
        high: The highest.
        log: Whether it is drawn on a logarithmic scale.
    """

    default: Any
    about: str = ""
    low: float | None = None
    high: float | None = None
    log: bool = False

    def checked(self, name: str, value: Any) -> Any:
        """A value as its default's type has it.

        Raises:
            InputError: If it should be a number and is none, or a whole one and is not.
        """
        if type(self.default) not in (int, float):
            return value
        if not isinstance(value, numbers.Real):
            raise InputError(f"`{name}` should be a number. Received: {value!r}.")
        if type(self.default) is int and float(value) % 1:
            raise InputError(f"`{name}` should be a whole number. Received: {value!r}.")
        return type(self.default)(value)


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A row of the table.

    Attributes:
        label: Short label for tables; "all": of all behaviors, not of the target alone.
        learns_from: What of the training rows goes into it, in words.
        build: (view) -> scorer, or where it is, as "module:name". It gets `options` by name, and the data set
            where it has an argument `dataset`.
        kind: "rule", "linear" or "own".
        options: Its options by name.
        needs: What must be there: see `nmtr_tf.evaluation.baselines.needs`.
    """

    label: str
    learns_from: str
    build: Callable[..., Any] | str
    kind: str = OWN
    options: Mapping[str, Option] = dataclasses.field(default_factory=dict)
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
            InputError: If it has no such option, or one has another type.
        """
        for option in options:
            if option not in self.options:
                known = ", ".join(self.options) or "none"
                raise InputError(f"{name} has no option `{option}`; its options: {known}.")
        return {one: row.checked(one, options.get(one, row.default)) for one, row in self.options.items()}


BASELINES: Registry[Baseline] = Registry("baseline", "baselines")
_TARGET, _ALL = "the target behavior", "all behaviors"


def _add(name: str, label: str, learns_from: str, build: str, kind: str = LINEAR, **more: Any) -> None:
    BASELINES.register(name, Baseline(label, learns_from, f"{__package__}.{build}", kind, **more))


_seed: dict[str, Any] = {"options": {"seed": Option(0, "Seed of random.")}}
_add("random", "random", "nothing", "rules:random_scores", RULE, **_seed)
_add("popularity", "popularity", _TARGET, "rules:popularity", RULE)
_add("popularity_all", "popularity (all)", _ALL, "rules:popularity_all", RULE)
_late: dict[str, Any] = {
    "options": {"recency_power": Option(4.0, "How steeply recency prefers what is late.", 0, 10)}
}
_add("recency", "recency", f"{_TARGET}, the order of item ids", "rules:recency", RULE, **_late)
_timed: dict[str, Any] = {**_late, "needs": (needs.times,)}
_add("recency_time", "recency (time)", f"{_TARGET} and its times", "rules:recency_time", RULE, **_timed)
_add("touched_first", "touched first", _ALL, "rules:touched_first", RULE)
_knn: dict[str, Any] = {
    "options": {
        "knn_neighbors": Option(100, "Nearest items that count for an item in ItemKNN.", 10, 1000, log=True),
        "knn_shrinkage": Option(10.0, "ItemKNN: what is added to a cosine's denominator.", 0, 100),
    }
}
_add("item_knn", "ItemKNN", _TARGET, "neighbors:item_knn", **_knn)
_add("item_knn_all", "ItemKNN (all)", _ALL, "neighbors:item_knn_all", **_knn)
_ials: dict[str, Any] = {
    "options": {
        "ials_alpha": Option(10.0, "Confidence of an observed pair in iALS.", 1, 100, log=True),
        "ials_factors": Option(64, "Factors of a user and of an item in iALS.", 16, 256, log=True),
        "ials_regularization": Option(10.0, "L2 regularization of iALS.", 0.1, 1000, log=True),
    },
    "needs": (needs.implicit,),
}
_add("ials", "iALS", _TARGET, "ials:ials", **_ials)
_add("ials_all", "iALS (all)", _ALL, "ials:ials_all", **_ials)
_ease = {
    "ease_lambda": Option(500.0, "L2 regularization of EASE.", 1, 5000, log=True),
    "ease_beta": Option(0.0, "A user of d items counts as d^-beta in EASE.", 0, 1),
    "ease_dropout": Option(0.0, "Share of a user's items that EASE is denoised of.", 0, 0.8),
}
_theta = Option(1.0, "EASE (aimed): weight of all behaviors among its targets.", 0.1, 10, log=True)
_dense: dict[str, Any] = {"options": _ease, "needs": (needs.dense,)}
_add("ease", "EASE", _TARGET, "ease:ease", **_dense)
_add("ease_all", "EASE (all)", _ALL, "ease:ease_all", **_dense)
_dense = {**_dense, "options": {**_ease, "ease_theta": _theta}}
_add("ease_aimed", "EASE (aimed)", f"{_ALL}, to predict the target", "ease:ease_aimed", **_dense)


def baseline_options() -> dict[str, Option]:
    """Every option of the table by name; baselines that share one have it as it is here."""
    return {name: one for row in BASELINES.values() for name, one in row.options.items()}


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
    options = {
        one.name: Option(one.default) for one in arguments if one.default is not inspect.Parameter.empty
    }
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
