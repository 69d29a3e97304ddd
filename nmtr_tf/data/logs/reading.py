"""Reads sources into a table of decoded rows; keeps the good ones, and counts or shows the others."""

import collections
import dataclasses
import reprlib
from collections.abc import Callable

import numpy as np

from nmtr_tf.data import sql
from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.adjacency import LINE_CHECKS, decode_lines
from nmtr_tf.data.logs.decoding import Check, choice, id_checks, id_value
from nmtr_tf.data.logs.gathering import check_complete, gather
from nmtr_tf.data.logs.sources import ReadOptions, Source, quoted
from nmtr_tf.data.logs.staged import Staged
from nmtr_tf.data.logs.staging import stage
from nmtr_tf.data.logs.times import TimeColumn
from nmtr_tf.errors import InputError

SHOWN_BAD_ROWS = 10
_MIN_FOR_SHARE = 100  # The share of fewer rows says little.
_SKIP = "(`on_bad_rows=skip` drops such rows)"


@dataclasses.dataclass
class ReadReport:
    """What was read and what was left out; a row counts under one heading only.

    Attributes:
        rows_read: Data rows of all files, bad ones too; for adjacency, lines.
        bad_rows: What was expected -> rows dropped.
        first_bad_rows: Where the first ten of them are, and what is wrong there.
        ignored_rows: Behavior that is not selected -> rows.
        impossible_times: Rows of selected behaviors outside the format's time window.
        times: From when to when, and in which unit, in words.
    """

    rows_read: int = 0
    bad_rows: dict[str, int] = dataclasses.field(default_factory=collections.Counter)
    first_bad_rows: list[str] = dataclasses.field(default_factory=list)
    ignored_rows: dict[str, int] = dataclasses.field(default_factory=collections.Counter)
    impossible_times: int = 0
    times: str = ""


class LogReader:
    """Reads sources into the table `log`: source, row, field, "user", item, behavior, time and heldout."""

    def __init__(
        self,
        connection: sql.Connection,
        options: ReadOptions,
        behaviors: tuple[str, ...],
        progress: Callable[[int], object],
    ):
        self.report = ReadReport()
        self._num_timed = self._num_ordered = self._num_sources = 0
        self._split, self._units, self._texts = False, set[str](), ""
        self._others: dict[str, None] = {}  # columns that were not read, of sources without times
        self._sql, self._options, self._progress = connection, options, progress
        self._behaviors, self._format = behaviors, options.format
        # Name in the files -> name in this project.
        self._labels = dict(self._format.behaviors or zip(behaviors, behaviors, strict=True))
        for name in (*self._format.ignored_behaviors, *options.ignore_behaviors):
            self._labels.setdefault(name, name)
        self._labels.pop("*", None)
        kind = "BIGINT" if self._format.id_type == "int" else "VARCHAR"
        connection.execute(
            f'CREATE TABLE log (source INTEGER, row BIGINT, field INTEGER, "user" {kind}, item {kind}, '
            "behavior TINYINT, time BIGINT, heldout BOOLEAN, bad TINYINT)"
        )

    def read(self, source: Source) -> None:
        """Reads `source` and adds its rows to the log and the report.

        Raises:
            InputError: It cannot be read, has no rows or, unless they are skipped, has bad ones.
        """
        staged = stage(self._sql, source, source.options, self._progress)
        if not staged.rows + staged.invalid_rows:
            raise InputError(f"{staged.name}: no rows")
        if self._format.adjacency:
            checks, decoded = list(LINE_CHECKS), "FROM decoded"
            decode_lines(self._sql)
        else:
            checks, decoded = self._decode(staged, source.options)
        self._sql.execute(f"""
            INSERT INTO log
            SELECT {self._num_sources}, row, field, "user", item,
                coalesce(code, {self._code(source.behavior)}), time, {source.heldout}, bad
            FROM ({decoded}) WHERE coalesce(code, 0) >= 0""")
        self._count_bad(staged, checks)
        for table in ("raw", "decoded", "fields", "wrong"):
            self._sql.execute(f"DROP TABLE IF EXISTS {table}")
        self._num_sources += 1
        self._split = self._split or source.heldout
        if "timestamp" in staged.columns:
            self._num_timed += 1
            self._num_ordered += source.options.time_unit == "order"
        self.report.rows_read += staged.rows + staged.invalid_rows

    def _decode(self, staged: Staged, options: ReadOptions) -> tuple[list[Check], str]:
        """The checks of `raw`; and a query of its values, with the number of the first check that fails."""
        roles, kind, readable = staged.columns, self._format.id_type, staged.expected
        of_ids = (id_checks(role, kind, readable, role in staged.whole) for role in ("user", "item"))
        checks = [check for some in of_ids for check in some]
        code, time = "NULL::TINYINT", "NULL::BIGINT"
        if "behavior" in roles:
            codes = {label: self._code(name) for label, name in self._labels.items()}
            code = choice("behavior", codes, -1 if "*" in options.ignore_behaviors else None)
            hint = ", or one in `ignore_behaviors`" if self._format.behaviors is None else ""
            known = f"one of {quoted(self._labels)}{hint}"
            checks += [Check("behavior", "behavior IS NOT NULL", staged.expected)]
            checks += [Check("behavior", "code IS NOT NULL", known)]
        if "count" in roles:
            checks.append(Check("count", "try_cast(count AS DOUBLE) > 0", "a count"))
        if "timestamp" in roles:
            times = TimeColumn(self._sql, staged, options)
            self._units.add(times.shown)
            time = times.value
            checks += [Check("timestamp", "timestamp IS NOT NULL", staged.expected)]
            checks += [Check("timestamp", "time IS NOT NULL", times.expected)]
        else:
            self._others.update(dict.fromkeys(staged.other_columns))
        failed = " ".join(f"WHEN NOT coalesce({c.passes}, false) THEN {n}" for n, c in enumerate(checks))
        self._texts = f"(SELECT *, {code} AS code, {time} AS time FROM raw AS texts) AS texts"
        decoded = f"""
            SELECT row, {id_value("user", kind)} AS "user", {id_value("item", kind)} AS item, code, time,
                CASE WHEN code = -1 THEN NULL {failed} END AS bad, 0 AS field
            FROM {self._texts}"""
        if "behavior" in roles:
            ignored = "SELECT behavior, count(*) FROM raw WHERE {} = -1 GROUP BY 1 ORDER BY 2 DESC, 1"
            for name, count in sql.rows(self._sql, ignored.format(code)):
                self.report.ignored_rows[self._labels.get(name, name)] += count
        return checks, decoded

    def _code(self, behavior: str | None) -> int:
        """The position of `behavior`, -1 where it is not selected."""
        return self._behaviors.index(behavior) if behavior in self._behaviors else -1

    def _count_bad(self, staged: Staged, checks: list[Check]) -> None:
        """Counts the bad rows of the log and takes them out, or raises for the first."""
        bad = "FROM log WHERE bad IS NOT NULL"
        counts = sql.rows(self._sql, f"SELECT bad, count(DISTINCT row) {bad} GROUP BY bad ORDER BY bad")
        if not counts and not staged.invalid_rows:
            return
        query = f"SELECT row, field, bad {bad} ORDER BY row, field, bad LIMIT "
        first = sql.rows(self._sql, f"{query}{SHOWN_BAD_ROWS if self._options.on_bad_rows == 'skip' else 1}")
        if self._options.on_bad_rows == "error":
            raise InputError(" ".join(self._bad_row(staged, checks, *(first or [(None, 0, 0)])[0])))
        report = self.report
        for number, count in counts:
            report.bad_rows[f"expected {checks[number].expected}"] += count
        if staged.invalid_rows:
            report.bad_rows[f"expected {staged.num_fields} fields"] += staged.invalid_rows
        for row, field, number in first[: SHOWN_BAD_ROWS - len(report.first_bad_rows)]:
            report.first_bad_rows.append(self._bad_row(staged, checks, row, field, number)[0])
        self._sql.execute(f"DELETE {bad}")

    def _bad_row(
        self, staged: Staged, checks: list[Check], row: int | None, field: int, number: int
    ) -> tuple[str, str]:
        """Where a bad row is, what was expected and what came; and the cure."""
        line, fields = staged.locate(row)
        if fields or row is None:
            return f"{line}: {fields}", _SKIP
        check = checks[number]
        place = f", column {staged.columns.get(check.role, check.role)!r}"
        if self._format.adjacency:
            place = f", field {field}" if number else ""
        shown = self._shown(staged, check, row, field)
        is_unknown = check.passes == "code IS NOT NULL"
        return (
            f"{line}{place}: expected {check.expected}, got {shown}",
            self._unknown() if is_unknown else _SKIP,
        )

    def _shown(self, staged: Staged, check: Check, row: int, field: int) -> str:
        if self._format.adjacency:
            texts = sql.rows(
                self._sql, f"SELECT text FROM decoded WHERE row = {row} AND field = {field} AND bad >= 0"
            )
        else:
            fails = f"row = {row} AND coalesce(code, 0) >= 0 AND NOT coalesce({check.passes}, false)"
            role = sql.name(check.role)
            texts = sql.rows(self._sql, f"SELECT {role}::VARCHAR FROM {self._texts} WHERE {fails}")
        text = texts[0][0]
        if text is None:
            text = staged.raw_cell(row, check.role)
        shown = text.decode(errors="surrogateescape") if isinstance(text, bytes) else text
        return reprlib.repr(shown if shown.isascii() or shown.isprintable() else text)

    def _unknown(self) -> str:
        """All unknown behaviors with their counts, and the cure."""
        unknown = (
            "SELECT behavior, count(*) FROM raw WHERE behavior NOT IN ({}) GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        counts = sql.rows(self._sql, unknown.format(", ".join(map(sql.literal, self._labels))))
        listed = ", ".join(f"{name!r} {count:,}" for name, count in counts[:20])
        more = f" and {len(counts) - 20} more" if len(counts) > 20 else ""
        return f"(unknown, with their rows: {listed}{more}; `ignore_behaviors=*` passes them over)"

    def finish(self) -> Events:
        """The events.

        Raises:
            InputError: Too many rows were bad, a part is without rows, or some files are without times.
        """
        self._check_share()
        if window := self._format.time_window:
            start, end = (milliseconds * 10**6 for milliseconds in window)
            impossible = f"time < {start} OR time >= {end}"
            self.report.impossible_times = sql.value(
                self._sql, f"SELECT count(*) FROM log WHERE {impossible}"
            )
            if self._options.impossible_times == "drop":
                self._sql.execute(f"DELETE FROM log WHERE {impossible}")
        check_complete(self._sql, self._behaviors, self._split, self.report.rows_read)
        if 0 < self._num_timed < self._num_sources:
            raise InputError("only some of the files have times")
        if 0 < self._num_ordered < self._num_timed:
            raise InputError(
                "`time_unit=order` should be that of all files, as times only order within one unit"
            )
        unit = "order" if self._num_ordered else ""
        events = gather(self._sql, self._behaviors, self._split, self._num_timed > 0, unit)
        self.report.times = self._times(unit)
        return events

    def _times(self, unit: str) -> str:
        """What is known of times, in words."""
        if not self._num_timed:
            others = f" (columns: {', '.join(self._others)}; name one with `columns`)" if self._others else ""
            return f"no times: held-out rows are a random choice{others}"
        first, last = sql.rows(self._sql, "SELECT min(time), max(time) FROM log")[0]
        if unit:
            return f"times that only order, from {first} to {last}"
        first, last = (np.datetime64(time, "ns").astype("datetime64[D]") for time in (first, last))
        return f"times from {first} to {last} ({', '.join(sorted(self._units))})"

    def _check_share(self) -> None:
        """Raises InputError where more rows were bad than may be."""
        bad, share = sum(self.report.bad_rows.values()), self._options.max_bad_share
        if bad > share * self.report.rows_read and self.report.rows_read >= _MIN_FOR_SHARE:
            reasons = ", ".join(f"{count:,} {why}" for why, count in self.report.bad_rows.items())
            raise InputError(
                f"{bad:,} of {self.report.rows_read:,} rows are bad ({reasons}), more than "
                f"`max_bad_share={share}` lets go. The first: {self.report.first_bad_rows[0]}"
            )
