"""Reads a log in batches of rows: keeps the good ones, and counts the others or stops at the first."""

import collections
import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.columns import Column, decode_lines
from nmtr_tf.data.logs.decoding import Decoder, decode_choices, decode_times, id_decoder
from nmtr_tf.data.logs.gathering import EventGatherer
from nmtr_tf.data.logs.sources import ReadOptions, Source, find_columns, quoted
from nmtr_tf.data.logs.tables import Table, open_table
from nmtr_tf.errors import InputError


@dataclasses.dataclass
class ReadReport:
    """What was read and what was left out; a row counts under one heading only.

    Attributes:
        rows_read: Data rows of all files, bad ones too; for adjacency, lines.
        bad_rows: What was expected -> rows dropped.
        ignored_rows: Known behavior that is not selected -> rows.
        impossible_times: Rows of selected behaviors outside the format's time window.
    """

    rows_read: int = 0
    bad_rows: dict[str, int] = dataclasses.field(default_factory=collections.Counter)
    ignored_rows: dict[str, int] = dataclasses.field(default_factory=collections.Counter)
    impossible_times: int = 0


class LogReader:
    """Reads one file or data frame after the other and gathers the kept rows."""

    def __init__(self, options: ReadOptions, behaviors: tuple[str, ...], progress: Callable[[int], object]):
        self.report = ReadReport()
        self._options, self._behaviors, self._progress = options, behaviors, progress
        self._format = options.format
        # Name in the files -> name in this project.
        self._labels = dict(self._format.behaviors or zip(behaviors, behaviors, strict=True))
        for name in (*self._format.ignored_behaviors, *options.ignore_behaviors):
            self._labels[name] = name
        self._decoders = self._decoders_by_role()
        self._gathered = EventGatherer(behaviors, self._format.split)

    def _decoders_by_role(self) -> dict[str, Decoder]:
        hint = ", or one in `ignore_behaviors`" if self._format.behaviors is None else ""
        known = f"one of {quoted(self._labels)}{hint}"
        ids = id_decoder(self._format.id_type)
        encoding, unit = self._format.time or "unit", self._options.time_unit
        return {
            "user": ids,
            "item": ids,
            "behavior": functools.partial(decode_choices, choices=list(self._labels), expected=known),
            "timestamp": functools.partial(decode_times, encoding=encoding, unit=unit),
        }

    def read(self, source: Source) -> None:
        """Reads `source` and adds its rows to the events and the report.

        Raises:
            InputError: It cannot be read, has no rows or, unless they are skipped, has bad ones.
        """
        table = open_table(source.content, self._format)
        adjacency = self._format.adjacency
        places = (
            {"line": 0}
            if adjacency
            else find_columns(table.header, table.names, self._options, source.behavior)
        )
        rows = 0
        for batch in table.batches(places):
            columns = self._decode_lines(batch) if adjacency else self._decode_rows(batch, table, places)
            good = self._good_rows(table, columns, batch.num_rows, rows)
            (self._add_lines if adjacency else self._add_rows)(source, columns, good)
            rows += batch.num_rows
            self._progress(batch.num_rows)
        if table.invalid_rows:
            if self._options.on_bad_rows == "error":
                raise _bad_row(*table.locate(None))
            self.report.bad_rows[f"expected {len(table.names)} fields"] += table.invalid_rows
        if not rows + table.invalid_rows:
            raise InputError(f"{table.name}: no rows")
        self.report.rows_read += rows + table.invalid_rows

    def _decode_lines(self, batch: pa.RecordBatch) -> dict[str, Column]:
        line, ids = decode_lines(batch["line"], self._format.id_type)
        return {"line": line, "id": ids}

    def _decode_rows(self, batch: pa.RecordBatch, table: Table, places: dict[str, int]) -> dict[str, Column]:
        return {
            role: Column.decode(table.names[place], batch[role], self._decoders[role])
            for role, place in places.items()
        }

    def _good_rows(self, table: Table, columns: dict[str, Column], rows: int, before: int) -> np.ndarray:
        """Returns which rows of a batch, bool [rows], are good; counts the others or raises for the first.

        Args:
            table: What the batch is of.
            columns: The decoded batch.
            rows: Of the batch.
            before: Rows of the batches before.
        """
        good = np.ones(rows, bool)
        failures: list[tuple[int, int, Column, str]] = []  # First row and cell, column, what is expected.
        for column in columns.values():
            for cells, expected in column.failed():
                bad = np.unique(column.rows[cells])
                if fresh := int(good[bad].sum()):
                    self.report.bad_rows[f"expected {expected}"] += fresh
                good[bad] = False
                failures.append((int(bad[0]), int(cells[0]), column, expected))
        if failures and self._options.on_bad_rows == "error":
            row, cell, column, expected = min(failures, key=lambda failure: failure[:2])
            line, fields = table.locate(before + row)
            if fields:
                raise _bad_row(line, fields)
            raise _bad_row(line + column.place(cell), f"expected {expected}, got {column.shown(cell)}")
        return good

    def _add_lines(self, source: Source, columns: dict[str, Column], good: np.ndarray) -> None:
        ids = columns["id"]
        first = np.diff(ids.rows, prepend=-1) > 0
        is_item = good[ids.rows] & ~first
        user_codes = ids.codes[first][np.cumsum(first) - 1]
        behavior = np.full(int(is_item.sum()), self._code(source.behavior), np.int8)
        users, items = (ids.values, user_codes[is_item]), (ids.values, ids.codes[is_item])
        self._gathered.add(users, items, behavior, None, source.heldout)

    def _add_rows(self, source: Source, columns: dict[str, Column], good: np.ndarray) -> None:
        users, items = columns["user"], columns["item"]
        behavior = np.full(len(good), self._code(source.behavior), np.int8)
        kept, times = good, None
        if "behavior" in columns:
            behavior = self._select(columns["behavior"].numbers(), kept)
            kept = kept & (behavior >= 0)
        if "timestamp" in columns:
            times = columns["timestamp"].numbers()
            kept = self._possible(times, kept)
            times = times[kept]
        self._gathered.add(
            (users.values, users.codes[kept]),
            (items.values, items.codes[kept]),
            behavior[kept],
            times,
            source.heldout,
        )

    def _select(self, label: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Returns the behaviors' codes, int8 [rows], -1 for those not selected, and counts these."""
        names = list(self._labels.values())
        behavior = np.array([self._code(name) for name in names], np.int8)[label]
        ignored = np.bincount(label[kept & (behavior < 0)], minlength=len(names))
        for name, count in zip(names, ignored.tolist(), strict=True):
            if count:
                self.report.ignored_rows[name] += count
        return behavior

    def _possible(self, times: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Returns `kept`, bool [rows], without the rows of impossible times, unless these are kept too."""
        if self._format.time_window is None:
            return kept
        start, end = self._format.time_window
        impossible = kept & ((times < start) | (times >= end))
        self.report.impossible_times += int(impossible.sum())
        return kept & ~impossible if self._options.impossible_times == "drop" else kept

    def _code(self, behavior: str | None) -> int:
        """Returns the position of `behavior`, -1 where it is not selected."""
        return self._behaviors.index(behavior) if behavior in self._behaviors else -1

    def finish(self) -> Events:
        """Returns the events; raises InputError where a part of them has no rows."""
        return self._gathered.finish(self.report.rows_read)


def _bad_row(place: str, problem: str) -> InputError:
    return InputError(f"{place}: {problem} (`on_bad_rows=skip` drops such rows)")
