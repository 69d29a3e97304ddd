"""Preparation of a log as in Section IV-A: de-duplicate, filter, hold out.

The order is fixed: (1) duplicates of (user, item, behavior) merge into the earliest; (2) users with
fewer than `min_behaviors` kinds of behavior go; (3) users with fewer than `min_target` target rows go;
(4) k-core: users and items with fewer than `k_core` target rows go, again and again until none is
left; (5) leave-one-out on the target; (6) one validation purchase per user, or a share of them.

A split in time cuts the log before (1), after which users and items without a row before the cut go; (2) to
(4) count what comes before it alone, and in place of (5) and (6) rows are held out by their times.
"""

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nmtr_tf.data import sql
from nmtr_tf.data.cuts import cuts_of
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.dropped import NOBODY, DroppedUsers
from nmtr_tf.data.events import Events
from nmtr_tf.data.filters import Rows
from nmtr_tf.data.logs.inputs import is_frame
from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.order import check_after
from nmtr_tf.data.prepare_options import PrepareOptions
from nmtr_tf.data.splits import in_time, leave_one_out
from nmtr_tf.errors import InputError

if typing.TYPE_CHECKING:  # Who passes data frames has imported pandas; files are read without it.
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared log.

    Attributes:
        events: Distinct events sorted by (user, item, behavior), ids re-numbered without gaps.
        split: int8 [num_events], positions in `SPLITS`.
        filters: What each step removed: {"filter", "users", "items", "rows"} in order.
        dropped: The users that are gone, and the step that each fell to.
        time_split: Of a split in time: "validation_from" and "test_from", ISO 8601, and what came after the
            latter, in target rows, users and items: see `nmtr_tf.data.filters.Rows.later`.
    """

    events: Events
    split: np.ndarray
    filters: list[dict[str, Any]]
    dropped: DroppedUsers = NOBODY
    time_split: dict[str, Any] | None = None

    def table_one(self) -> dict[str, int]:
        """The data set's row of Table I: users, items, rows per behavior, target first, held-out included."""
        row = {"users": len(self.events.users), "items": len(self.events.items)}
        counts = np.bincount(self.events.behavior, minlength=len(self.events.behaviors))
        return row | {name: int(counts[i]) for i, name in reversed([*enumerate(self.events.behaviors)])}


def prepare_events(
    events: Events,
    options: PrepareOptions,
    memory_mb: int = 0,
    spill_dir: str | Path | None = None,
    release: bool = False,
) -> Prepared:
    """Runs the steps above; memory as in `nmtr_tf.data.sql.session`, `release` as in `prepare`.

    Raises:
        InputError: If nothing is left, a held-out row contradicts the training rows, or the log cannot be
            split as asked.
    """
    cuts = cuts_of(events, options.split_time, options.split_share) if options.split == "time" else None
    time_split = None
    rows = Rows(events, cuts.test if cuts else None)
    rows.merge_duplicates(release)
    rows.check_held_out(options.on_bad_rows)
    if cuts:
        time_split = cuts.to_json() | rows.later()
        rows.keep_known("later rows of users and items that are new")
    rows.filter(options.min_behaviors, options.min_target, options.k_core)
    if cuts:
        rows.keep_known("later rows of items that the filters left no other of")
    kept = _numbered(rows, events)
    if cuts:
        split = in_time(kept, cuts)
    else:
        with sql.session(memory_mb, spill_dir) as connection:
            split = leave_one_out(connection, kept, options.seed, options.validation_share)
    kept = dataclasses.replace(kept, heldout=None)
    return Prepared(kept, split, rows.report, rows.dropped, time_split)


def _numbered(rows: Rows, events: Events) -> Events:
    """The events that are left, with vocabularies of just their ids."""
    if not len(rows):
        raise InputError("No rows are left after the filters; relax them or look at the log.")
    columns, users, items = rows.number()
    return dataclasses.replace(
        events,
        users=events.users[users],
        items=events.items[items],
        user=columns["user"],
        item=columns["item"],
        behavior=columns["behavior"],
        timestamp=columns.get("time"),
        heldout=columns.get("heldout"),
    )


def prepare(
    log: "Events | pd.DataFrame",
    *,
    behaviors: Sequence[str] = (),
    protocol: str = "",
    min_behaviors: int | None = None,
    min_target: int = 0,
    k_core: int = 0,
    seed: int = 0,
    on_bad_rows: str = "error",
    split: str = "leave_one_out",
    split_time: Any = "",
    split_share: float | None = None,
    validation_share: float = 0.0,
    columns: Mapping[str, str] | None = None,
    memory_mb: int = 0,
    spill_dir: str | Path | None = None,
    after: Sequence[str] = (),
    release: bool = False,
) -> Dataset:
    """Makes a data set of a log: merges repeated events, filters, and holds rows out.

    Args:
        log: What `nmtr_tf.read_log` returns; or a pandas DataFrame, read as `read_log` does.
        behaviors: Of a data frame: its behaviors, weakest first, the one to recommend for last.
        protocol: "strict" takes held-out pairs out of every behavior when a run trains, "released" leaves
            auxiliary behaviors as they are, "time" is that of a split in time; "": time there, released where
            the log comes split, else strict.
        min_behaviors: Kinds of behavior a user must show; None: 1 where the log comes split or is split in
            time or has one behavior, else 2.
        min_target: Target rows a user must have, the held-out one included. All filters count what comes
            before the cut alone where the split is one in time.
        k_core: Target rows that every user and every item must have, iterated; 0: no such filter.
        seed: Of the choice among equally late purchases and of the validation purchases.
        on_bad_rows: "error", or "skip": drop rows that cannot be read or contradict the training rows.
        split: "leave_one_out": the last purchase of every user is held out; or "time": everything from a
            cut on, and from an earlier one, at the same share, for validation. Test pairs are the purchases
            after it of users and items that were seen, and pairs that were not bought, before.
        split_time: Of a split in time: the cut, a date or time, UTC where it has no zone, or a number since
            1970, whose unit is told by its size.
        split_share: Or the share of the rows that come after it, the last ones.
        validation_share: Share of every user's other purchases that is held out for validation, rounded, at
            least one where there are two; 0: one purchase.
        memory_mb: Memory that tables of a database may take, in MiB; what is more is on disk. 0: no bound.
        spill_dir: Where on disk; None: the system's directory for temporary files.
        after: What each behavior comes after in a cascade, such as ("cart:view", "buy:share+cart"); runs take
            it unless they are told otherwise. Empty: each after the one before it.
        columns: Of a data frame: role ("user", "item", "behavior", "timestamp") -> name of its column.
        release: Takes the rows out of `log` as soon as they are merged, so that a large one is not in memory
            beside the data set; `log` has none after that.

    Returns:
        The data set, in memory: `save` writes it. `about` says where it came from and what was removed.

    Raises:
        InputError: If an argument or a row is wrong, nothing is left, or the log cannot be split as asked.
    """
    if is_frame(log):
        if not behaviors:
            raise InputError(
                "`behaviors` is needed with a data frame: its behaviors, weakest first, the one to "
                "recommend for last."
            )
        log = read_log(log, behaviors=behaviors, columns=columns, on_bad_rows=on_bad_rows)
        release = True
    elif not isinstance(log, Events):
        kind = type(log).__name__
        raise InputError(f"A log should be what read_log returns, or a pandas DataFrame. Received: {kind}.")
    elif columns or tuple(behaviors) not in ((), log.behaviors):
        raise InputError("`behaviors` and `columns` are for data frames; read_log takes those of a file.")
    check_after(after, log.behaviors)
    is_split = log.heldout is not None
    if min_behaviors is None:
        min_behaviors = 1 if is_split or split == "time" or len(log.behaviors) == 1 else 2
    split_time = "" if split_time is None else str(split_time)
    options = PrepareOptions(
        min_behaviors, min_target, k_core, seed, on_bad_rows, split, split_time, split_share, validation_share
    )
    num_read = len(log)
    prepared = prepare_events(log, options, memory_mb, spill_dir, release)
    about = {
        "source": "events",
        "checksums": {},
        "rows_read": num_read,
        "bad_rows": {},
        "ignored_rows": {},
        "impossible_times": 0,
        **log.origin,
        "filters": prepared.filters,
        "seed": options.seed,
        "table_one": prepared.table_one(),
    }
    if after:
        about["after"] = list(after)
    if prepared.time_split:
        about["time_split"] = prepared.time_split
    protocol = protocol or ("time" if split == "time" else "released" if is_split else "strict")
    if (protocol == "time") != (split == "time"):
        raise InputError(f"`protocol={protocol}` does not go with `split={split}`.")
    return Dataset(prepared.events, prepared.split, protocol, about, dropped=prepared.dropped)
