"""The leak audit: what a data set's training rows give away about its held-out pairs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.held_out import protocols_of
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.audited import drift, nesting, newest, touched, unseen
from nmtr_tf.evaluation.baselines.table import RULE, available_baselines, build_baseline
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation_section import default_ks, shown_k

SCHEMA = 3
"""Of audit.json."""

_ORDERED = 1.5
"""How many times popularity's HR@K recency has to reach for the verdict to say that item ids tell time."""
_DRIFTED = 1.5
"""The drift of test that the verdict speaks of, where it is more than any that chance made."""


@dataclasses.dataclass(frozen=True)
class Audit:
    """What an audit found. Training rows are those of the files, validation purchases included.

    Of data that is split in time they are all rows before a split begins: no pair can leak, and what "leaks"
    counts are purchases of what their user had touched before.

    Attributes:
        protocol: The data set's default protocol.
        behaviors: Behaviors, weakest first.
        num_users: Number of users.
        num_items: Number of items.
        num_pairs: Split -> held-out pairs.
        leaks: Split -> auxiliary behavior -> held-out pairs that are in its training rows.
        leaks_any: Split -> held-out pairs in the training rows of at least one auxiliary behavior.
        nesting: Behavior -> earlier behavior -> share of the former's pairs that the latter has too.
        unseen: Split -> "target" or "any" -> held-out pairs whose item has no training row of the target,
            of any behavior; held-out pairs that leak do not count as rows.
        without_negatives: Behavior -> users who showed it on every item: no negative can be sampled.
        newest: "share" of test pairs whose item id is above those of all the user's training purchases,
            and the share "by_chance", if ids told nothing.
        drift: Split -> how far its items are from those of a random part of every user's target rows: a
            "ratio" of squares, about 1 for a random part, and the largest of 19 of these, "by_chance".
        concentration: Behavior -> "gini" of its rows over the items, and the share of rows of the "top_1" and
            "top_10" percent of the items.
        k: K of `hit_ratios`.
        hit_ratios: Rule of the table of baselines -> protocol -> HR@K on the test pairs, mask target.
    """

    protocol: str
    behaviors: tuple[str, ...]
    num_users: int
    num_items: int
    num_pairs: dict[str, int]
    leaks: dict[str, dict[str, int]]
    leaks_any: dict[str, int]
    nesting: dict[str, dict[str, float]]
    unseen: dict[str, dict[str, int]]
    without_negatives: dict[str, int]
    newest: dict[str, float]
    drift: dict[str, dict[str, float]]
    concentration: dict[str, dict[str, float]]
    k: int
    hit_ratios: dict[str, dict[str, float]]

    @property
    def verdict(self) -> str:
        """The finding in one sentence, or two."""
        return _leak_clause(self) + _order_clause(self) + "." + _drift_sentence(self)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries with the verdict first."""
        return {"schema": SCHEMA, "verdict": self.verdict, **dataclasses.asdict(self)}


def audit(
    dataset: Dataset,
    k: int | None = None,
    seed: int = 0,
    memory_mb: int = 256,
    progress: Callable[[str], object] | None = None,
) -> Audit:
    """Audits a data set.

    Args:
        dataset: The data set.
        k: K of HR@K of the rules; None: 100, or the largest default K of a small catalogue.
        seed: Seed of the rule `random`.
        memory_mb: Memory for the scores of one chunk of users, in MiB.
        progress: Called with the name of each rule before it is ranked.

    Raises:
        InputError: If there are no test pairs.
    """
    if not len(dataset.held_out["test"]):
        raise InputError("There are no test pairs to audit.")
    view = dataset.before("test")
    leaked = {split: touched(dataset, split) for split in dataset.held_out}
    k = shown_k(default_ks(dataset.num_items)) if k is None else k
    config = EvaluationConfig(ks=(k,), mask="target", eval_memory_mb=memory_mb)
    return Audit(
        protocol=dataset.protocol,
        behaviors=dataset.behaviors,
        num_users=dataset.num_users,
        num_items=dataset.num_items,
        num_pairs={split: len(pairs) for split, pairs in dataset.held_out.items()},
        leaks={s: {name: int(found.sum()) for name, found in rows.items()} for s, rows in leaked.items()},
        leaks_any={split: _count_any(list(rows.values())) for split, rows in leaked.items()},
        nesting=nesting(view),
        unseen=unseen(dataset),
        without_negatives={
            name: int((np.diff(matrix.indptr) == view.num_items).sum())
            for name, matrix in view.matrices.items()
        },
        newest=newest(view),
        drift=drift(dataset),
        concentration={
            name: concentration(np.bincount(matrix.indices, minlength=view.num_items))
            for name, matrix in view.matrices.items()
        },
        k=k,
        hit_ratios=_hit_ratios(dataset, config, seed, progress),
    )


def concentration(counts: np.ndarray) -> dict[str, float]:
    """How unevenly rows spread over items.

    Args:
        counts: Rows per item, int [num_items].

    Returns:
        "gini" (0: evenly), and the share of rows of the "top_1" and "top_10" percent of the items, rounded
        up to whole items; zeros where there are no rows.
    """
    ascending, num_items = np.sort(counts), len(counts)
    total = max(int(ascending.sum()), 1)
    places = np.arange(1, num_items + 1)
    gini = ((2 * places - num_items - 1) * ascending).sum() / (num_items * total)
    tops = {percent: -(-num_items * percent // 100) for percent in (1, 10)}
    return {"gini": float(gini)} | {
        f"top_{percent}": float(ascending[num_items - top :].sum() / total) for percent, top in tops.items()
    }


def _count_any(found: list[np.ndarray]) -> int:
    return int(np.logical_or.reduce(found).sum()) if found else 0


def _hit_ratios(
    dataset: Dataset, config: EvaluationConfig, seed: int, progress: Callable[[str], object] | None
) -> dict[str, dict[str, float]]:
    protocols = protocols_of(dataset.protocol)
    views = {protocol: dataset.training_view((), protocol, "none") for protocol in protocols}
    ratios: dict[str, dict[str, float]] = {}
    for name in available_baselines(dataset, RULE):
        if progress:
            progress(name)
        options = {"seed": seed} if name == "random" else {}
        ratios[name] = {}
        for protocol, view in views.items():
            ranks = rank_held_out(build_baseline(name, dataset, view, **options), view, "test", config)
            ratios[name][protocol] = mean_metrics(ranks, config)[f"HR@{config.ks[0]}"]
    return ratios


def _leak_clause(found: Audit) -> str:
    pairs = {split: f"{count:,} held-out {split} purchases" for split, count in found.num_pairs.items()}
    leaks = {name: count for name, count in found.leaks["test"].items() if count}
    rule = f"ranking first what a user touched and has not bought, with no learning, gets HR@{found.k}"
    if found.protocol == "time":
        parts = "".join(f", {_share(found, 'test', name)} in {name!r}" for name in leaks)
        return (
            f"No leak: what is trained on comes before the {pairs['test']}; {_share(found, 'test')} of them "
            f"are of items that their user had touched before{parts}; {rule} "
            f"{found.hit_ratios['touched_first']['time']:.3f}"
        )
    if not leaks:
        clause = f"No leak: none of the {pairs['test']} is in the training rows of an auxiliary behavior"
        if found.leaks_any["validation"]:
            return f"{clause}, but {_share(found, 'validation')} of the {pairs['validation']} are"
        return f"{clause}, so protocols released and strict are the same at test"
    where = f"the training rows of {next(iter(leaks))!r}"
    if len(leaks) > 1:
        parts = " and ".join(f"{_share(found, 'test', name)} in {name!r}" for name in leaks)
        where = f"the training rows of auxiliary behaviors, {parts}"
    share, ratios = _share(found, "test"), found.hit_ratios["touched_first"]
    released, strict = (f"{ratios[protocol]:.3f}" for protocol in ("released", "strict"))
    if found.protocol == "strict":
        return (
            f"No leak under this data set's protocol, strict, which takes out the {share} of the "
            f"{pairs['test']} that are in {where}; {rule} {strict} without them, {released} with them"
        )
    return (
        f"Leak: {share} of the {pairs['test']} are still in {where}; {rule} {released} as released, "
        f"{strict} under strict"
    )


def _share(found: Audit, split: str, behavior: str = "") -> str:
    count = found.leaks[split][behavior] if behavior else found.leaks_any[split]
    return f"{100 * count / found.num_pairs[split]:.1f} % ({count:,})"


def _order_clause(found: Audit) -> str:
    fair = protocols_of(found.protocol)[-1]
    recency, popularity = (found.hit_ratios[name][fair] for name in ("recency", "popularity"))
    if recency <= _ORDERED * popularity or found.newest["share"] <= found.newest["by_chance"]:
        return ""
    return (
        f"; and item ids tell time: popularity weighted towards late ids gets HR@{found.k} {recency:.3f}, "
        f"popularity alone {popularity:.3f}"
    )


def _drift_sentence(found: Audit) -> str:
    test, validation = found.drift["test"], found.drift["validation"]
    is_split_by_time = found.protocol == "time"  # which is meant, and said
    if is_split_by_time or test["ratio"] <= max(_DRIFTED, test["by_chance"]):
        return ""
    sentence = (
        " Test is no random part of what each user bought: the squared distance of its items' counts from "
        f"such a part's is {test['ratio']:.1f} times what chance makes"
    )
    if not found.num_pairs["validation"] or validation["ratio"] > test["ratio"] / 2:
        return f"{sentence}."
    return (
        f"{sentence}, validation's {validation['ratio']:.1f} times; what is best there need not be at test."
    )
