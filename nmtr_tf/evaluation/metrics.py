"""HR@K and NDCG@K of leave-one-out ranks."""

from collections.abc import Iterable, Sequence

import numpy as np


def hit_ratio(ranks: np.ndarray, k: int) -> np.ndarray:
    """HR@K: 1.0 where the held-out item is among the first k.

    Args:
        ranks: 0-based ranks, float [n]; a tie has the mean of its ranks.
        k: Cut-off.

    Returns:
        float64 [n].
    """
    return (np.asarray(ranks) < k).astype(np.float64)


def ndcg(ranks: np.ndarray, k: int) -> np.ndarray:
    """NDCG@K with one relevant item: 1 / log2(rank + 2) where rank < k, else 0.

    Args:
        ranks: 0-based ranks, float [n]; a tie has the mean of its ranks.
        k: Cut-off.

    Returns:
        float64 [n].
    """
    return hit_ratio(ranks, k) / np.log2(np.asarray(ranks, np.float64) + 2)


def metric_values(ranks: np.ndarray, metric: str) -> np.ndarray:
    """A metric by its name, such as "HR@50": float64 [n] for ranks float [n]."""
    kind, k = metric.split("@")
    return {"HR": hit_ratio, "NDCG": ndcg}[kind](ranks, int(k))


def mean_metrics(ranks: np.ndarray, ks: Sequence[int]) -> dict[str, float]:
    """Means over the held-out pairs: {"HR@50": ..., "NDCG@50": ..., ...} in the order of `ks`.

    Raises:
        ValueError: If there are no ranks.
    """
    if not len(ranks):
        raise ValueError("`ranks` should hold at least one rank. Received: none.")
    names = [f"{kind}@{k}" for k in ks for kind in ("HR", "NDCG")]
    return {name: float(metric_values(ranks, name).mean()) for name in names}


def shown_k(ks: Iterable[int]) -> int:
    """The K of what shows one: 100, the paper's, where it is measured; else the largest."""
    ks = set(ks)
    return 100 if 100 in ks else max(ks)


def metric_ks(metrics: Iterable[str]) -> set[int]:
    """The K of metrics such as "HR@50" and "test/NDCG@100"."""
    return {int(metric.split("@")[1]) for metric in metrics}
