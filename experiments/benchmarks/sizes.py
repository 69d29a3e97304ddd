"""What training costs by formula: memory of a worker, bytes that it sends in a step, seconds of an epoch."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from nmtr_tf.reporting.benchmarks import short

_PER_PAIR = 26
"""Bytes an interaction: 12 of the stream of pairs, 4 for drawing its negatives, 10 of the training view."""
_NEGATIVES = 4
_SOON = 3600
"""Seconds of an epoch that are no reason for a second machine."""


@dataclasses.dataclass(frozen=True)
class Size:
    """Size of a data set."""

    num_interactions: int
    num_users: int
    num_items: int


@dataclasses.dataclass(frozen=True)
class Setup:
    """How it is trained.

    Attributes:
        num_behaviors: R.
        embedding_dim: E.
        workers: k.
        batch_size: B, pairs a step of all workers together.
        gb_per_second: Of the network, 10^9 bytes.
        memory_gb: Of a worker, 10^9 bytes.
        pair_seconds: Seconds that a pair takes one worker, measured.
        shown: Behaviors that a pair shows, of the same data.
    """

    num_behaviors: int
    embedding_dim: int
    workers: int
    batch_size: int
    gb_per_second: float
    memory_gb: float
    pair_seconds: float
    shown: float

    @classmethod
    def of(cls, benchmark: Mapping[str, Any], values: Any) -> "Setup":
        """From what the benchmark measured, and flags for the rest."""
        found = {row["work"].partition("one process, ")[2]: row["value"] for row in benchmark["rows"]}
        pair, shown = found["a pair"], found["behaviors of a pair"]
        measured = {"pair_seconds": 1e-6 * pair, "shown": shown}
        names = {field.name for field in dataclasses.fields(cls)} - set(measured)
        return cls(**{name: getattr(values, name) for name in names}, **measured)


def data_bytes(size: Size, setup: Setup) -> float:
    """Of the training rows on every worker: 26 N + 20 R U + 70 (U + I), once they are made.

    20 a behavior say where a user's rows begin and how many there are, 70 are an id as text.
    """
    per_user = 20 * setup.num_behaviors + 70
    return _PER_PAIR * size.num_interactions + per_user * size.num_users + 70 * size.num_items


def model_bytes(size: Size, setup: Setup, has_users: bool = True) -> float:
    """Of tables and biases, their accumulators and the best epoch's copy: 3 * 4 (E (U + I) + R I).

    Without a table of users, their histories: 8 bytes an interaction, and 8 a user where each begins.
    """
    rows = size.num_items + (size.num_users if has_users else 0)
    weights = 12 * (setup.embedding_dim * rows + setup.num_behaviors * size.num_items)
    return weights + (0 if has_users else 8 * (size.num_interactions + size.num_users))


def step_bytes(setup: Setup) -> float:
    """That a worker sends in a step at most, with sampled pairs: every row is another one.

    (k - 1) (B / k) s [(2 + n) (4 E + 4) + 8 R (1 + n)]: for each of the s behaviors of a pair rows of a user
    and of 1 + n items, and their biases, to every other worker.
    """
    candidates = 1 + _NEGATIVES
    rows = (1 + candidates) * 4 * (setup.embedding_dim + 1) + 8 * setup.num_behaviors * candidates
    return (setup.workers - 1) * setup.batch_size / setup.workers * setup.shown * rows


def epoch_seconds(size: Size, setup: Setup, workers: int) -> float:
    """Of computing, shared, and of sending, one after the other."""
    own = dataclasses.replace(setup, workers=workers)
    step = own.batch_size / workers * own.pair_seconds + step_bytes(own) / own.gb_per_second / 1e9
    return size.num_interactions / own.batch_size * step


def strategy_of(size: Size, setup: Setup) -> str:
    """What fits a worker's memory; several workers where one takes an hour, and twice as long as they."""
    fitting = [has for has in (True, False) if _total(size, setup, has) <= setup.memory_gb * 1e9]
    if not fitting:
        return "none fits: every worker holds all rows"
    rows = "" if fitting[0] else ", user_rows=history"
    alone, together = (epoch_seconds(size, setup, count) for count in (1, setup.workers))
    return (
        f"{'multi_worker' if alone > _SOON and together < alone / 2 else 'none, or GPUs and mirrored'}{rows}"
    )


def _total(size: Size, setup: Setup, has_users: bool) -> float:
    return data_bytes(size, setup) + model_bytes(size, setup, has_users)


def sizes_table(sizes: Sequence[Size], setup: Setup) -> str:
    """Markdown: a row a size, and what was assumed below it."""
    head = ["interactions", "users", "rows, GB", "tables of users and items, GB", "histories and items, GB"]
    head += ["epoch, 1 worker", f"epoch, {setup.workers} workers", "strategy"]
    rows = [
        [
            f"{size.num_interactions:.0e}".replace("e+", "e"),
            f"{size.num_users:.0e}".replace("e+", "e"),
            *(short(value(size) / 1e9) for value in _memories(setup)),
            *(f"{short(epoch_seconds(size, setup, count) / 3600)} h" for count in (1, setup.workers)),
            strategy_of(size, setup),
        ]
        for size in sizes
    ]
    about = (
        f"Computed, not measured: {sizes[0].num_items:,} items, R = {setup.num_behaviors}, "
        f"E = {setup.embedding_dim}, k = {setup.workers}, B = {setup.batch_size:,}, "
        f"{setup.gb_per_second:g} GB/s, {setup.memory_gb:g} GB a worker, "
        f"{short(1e6 * setup.pair_seconds)} us a pair and s = "
        f"{short(setup.shown)} (measured, above). A worker sends at most "
        f"{short(step_bytes(setup) / 1e6)} MB a step.\n"
    )
    return markdown([head, *rows]) + "\n" + about


def _memories(setup: Setup):
    return (
        lambda size: data_bytes(size, setup),
        lambda size: model_bytes(size, setup),
        lambda size: model_bytes(size, setup, has_users=False),
    )


def measured_table(benchmark: Mapping[str, Any]) -> str:
    """Markdown: the rows of the benchmark's part "workers", and the machine."""
    rows = [row for row in benchmark["rows"] if "process" in row["work"]]
    cells = [[row["work"], f"{short(row['value'])} {row['unit']}", row["baseline"] or ""] for row in rows]
    about = f"Measured on {benchmark['machine']['line']}.\n"
    return markdown([["work", "measured", "beside"], *cells]) + "\n" + about


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
