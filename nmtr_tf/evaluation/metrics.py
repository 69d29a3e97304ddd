"""The table of metrics: HR, NDCG, Recall, MRR, MAP and coverage, each at some K. It needs no TensorFlow.

Where one item a user is held out, Recall@K is HR@K and MAP@K is MRR@K; where several are, a metric is a mean
over the users, of what `Metric.of_several` makes of a user's items. Ties are worth what a random order of the
tied items gives on average (`nmtr_tf.evaluation.places`) in every metric but coverage, whose lists have tied
items in the order of the catalogue.

Differs from the paper: it says nothing of ties. Its numbers are peaks over epochs on test; these are of the
epoch that validation chose, and peaks stand in tables of their own (`nmtr tables --selection=peak`).
"""

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.places import Places, any_hit, average_precision, first_hit
from nmtr_tf.evaluation.ranks import Ranks
from nmtr_tf.registry import Registry


def hit_ratio(ranks: np.ndarray, k: int) -> np.ndarray:
    """HR@K, and Recall@K: 1.0 where the held-out item is among the first k.

    Args:
        ranks: 0-based ranks, int [n].
        k: Cut-off.

    Returns:
        float64 [n].
    """
    return (np.asarray(ranks) < k).astype(np.float64)


def ndcg(ranks: np.ndarray, k: int) -> np.ndarray:
    """NDCG@K with one relevant item: 1 / log2(rank + 2) where rank < k, else 0.

    Args:
        ranks: 0-based ranks, int [n].
        k: Cut-off.

    Returns:
        float64 [n].
    """
    return hit_ratio(ranks, k) / np.log2(np.asarray(ranks, np.float64) + 2)


def reciprocal_rank(ranks: np.ndarray, k: int) -> np.ndarray:
    """MRR@K, and with one relevant item MAP@K: 1 / (rank + 1) where rank < k, else 0.

    Args:
        ranks: 0-based ranks, int [n].
        k: Cut-off.

    Returns:
        float64 [n].
    """
    return hit_ratio(ranks, k) / (np.asarray(ranks, np.float64) + 1)


def coverage(items: np.ndarray, num_items: int) -> float:
    """Coverage@K: the share of the catalogue that is in anybody's list.

    Args:
        items: int [n, k], the first k items of each user; -1 where there are fewer.
        num_items: Items of the catalogue.
    """
    return len(np.unique(items[items >= 0])) / num_items


def _normalized(places: Places, k: int) -> np.ndarray:
    """NDCG@K of several held-out items: their gains over those of an ideal ranking, [num_users]."""
    gains = np.add.reduceat(places.expected(ndcg, k), places.starts)
    ideal = np.cumsum(ndcg(np.arange(k), k))
    return gains / ideal[np.minimum(places.counts, k) - 1]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A row of the table; more is better.

    Attributes:
        function: Of ranks: (ranks int64 [n], k) -> [n], the value of a held-out item at each rank. Of lists:
            (items int32 [n, k], num_items) -> one value for all; see `coverage`.
        is_of_lists: Whether it is of the lists of the first K items, not of the held-out items' ranks.
        of_several: (places, k) -> float64 [num_users], the value of each user where several items are held
            out for some; None: the mean over a user's items.
    """

    function: Callable[..., Any]
    is_of_lists: bool = False
    of_several: Callable[[Places, int], np.ndarray] | None = None


METRICS: Registry[Metric] = Registry("metric", "metrics")
METRICS.register("HR", Metric(hit_ratio, of_several=any_hit))
METRICS.register("NDCG", Metric(ndcg, of_several=_normalized))
METRICS.register("Recall", Metric(hit_ratio))
METRICS.register("MRR", Metric(reciprocal_rank, of_several=first_hit))
METRICS.register("MAP", Metric(reciprocal_rank, of_several=average_precision))
METRICS.register("coverage", Metric(coverage, is_of_lists=True))


def register_metric(name: str, function: Any = None, *, is_of_lists: bool = False) -> Any:
    """Gives a metric of your own a name, which the options `metrics` and `monitor` know it by from then on.

    Args:
        name: The name; at 10 it is written name@10.
        function: (0-based ranks int64 [n], k) -> array [n], the value of a held-out item at each rank, of
            which more is better; ties and several items of a user are averaged. None: the result decorates
            one.
        is_of_lists: Whether it is of lists of items instead: (items int32 [n, k], num_items) -> a number,
            with -1 where a user has fewer than k candidates.

    Raises:
        InputError: If the name cannot be written in a list of options.
    """
    if function is None:
        return lambda decorated: register_metric(name, decorated, is_of_lists=is_of_lists)
    METRICS.register(name, Metric(function, is_of_lists))
    return function


def check_metrics(config: EvaluationConfig) -> None:
    """Checks that every metric of a config is known; whoever wires a run asks before anything is loaded.

    Raises:
        InputError: If one is not.
    """
    for name in config.metrics:
        METRICS.find(name)


def find_metric(name: str) -> tuple[Metric, int]:
    """A metric and its K by the name that tables have, such as "HR@50"; all look it up here.

    Raises:
        InputError: If there is no such metric, or the name is none.
    """
    if not (parts := re.fullmatch(r"(\w+)@([1-9]\d*)", name)):
        raise InputError(f"`metrics` are written NAME@K here, such as NDCG@100. Received: {name!r}.")
    return METRICS.find(parts[1]), int(parts[2])


def metric_values(places: Places, name: str) -> np.ndarray:
    """The values of a metric for each user.

    Args:
        places: Where the held-out items are.
        name: The metric's name, such as "HR@50".

    Returns:
        float64 [num_users], users ascending.

    Raises:
        InputError: If there is no such metric, it is one of lists, or it does not give numbers.
    """
    metric, k = find_metric(name)
    if metric.is_of_lists:
        raise InputError(f"{name} is a metric of all lists together: it has no value for each user.")
    if metric.of_several and places.num_users < len(places.users):
        return metric.of_several(places, k)

    def checked(ranks: np.ndarray, k: int) -> np.ndarray:
        return _checked(np.asarray(metric.function(ranks, k)), ranks.shape, name)

    return places.mean(places.expected(checked, k))


def mean_metrics(ranks: Ranks, config: EvaluationConfig) -> dict[str, float]:
    """Means over the users, and what is of lists: {"HR@50": ..., ...} in the order of the config.

    Raises:
        InputError: If a metric is unknown or does not give numbers.
        ValueError: If there are no ranks, no lists where a metric is of them, or no cut-offs.
    """
    if not config.ks:
        raise ValueError("`config` should have `ks`, which `of_catalogue` spells out.")
    if not len(ranks):
        raise ValueError("`ranks` should hold at least one rank. Received: none.")
    places = ranks.places
    return {name: _mean(ranks, places, name) for name in config.metric_names}


def counted_metrics(ranks: Ranks, config: EvaluationConfig) -> dict[str, float]:
    """`mean_metrics`, with "num_pairs" and "num_users" that they are of before them."""
    counts = {"num_pairs": len(ranks), "num_users": ranks.places.num_users}
    return {**counts, **mean_metrics(ranks, config)}


def _mean(ranks: Ranks, places: Places, name: str) -> float:
    metric, k = find_metric(name)
    if not metric.is_of_lists:
        return float(metric_values(places, name).mean())
    if ranks.top_items is None:
        raise ValueError(f"{name} is of lists: `ranks` should be ranked with it among the metrics.")
    value = np.asarray(metric.function(ranks.top_items[:, :k], ranks.num_items))
    return float(_checked(value, (), name))


def _checked(values: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    """The values, float64; a function of the user's own may have given anything."""
    if values.shape != shape or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise InputError(
            f"The metric of {name} should give finite numbers of the shape {shape}. Received: "
            f"{values.dtype} {values.shape}."
        )
    return values.astype(np.float64)


def list_length(config: EvaluationConfig) -> int:
    """The items of each user's list that the metrics of a config need; 0: none is of lists.

    Raises:
        InputError: If a metric is unknown.
    """
    found = [find_metric(name) for name in config.metric_names]
    return max((k for metric, k in found if metric.is_of_lists), default=0)


def metric_ks(metrics: Iterable[str]) -> set[int]:
    """The K of metrics such as "HR@50" and "test/NDCG@100"."""
    return {int(metric.split("@")[1]) for metric in metrics}
