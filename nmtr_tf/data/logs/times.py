"""What a column of times is in."""

from nmtr_tf.data import sql
from nmtr_tf.data.logs.decoding import DAY, NANOSECONDS, date_query, expected_time, time_value, unit_query
from nmtr_tf.data.logs.sources import ReadOptions
from nmtr_tf.data.logs.staged import Staged
from nmtr_tf.errors import InputError

_WORDS = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "excel": "days of a spreadsheet",
    "order": "an order",
}


class TimeColumn:
    """The times of the table `raw`.

    Attributes:
        value: Expression of SQL: nanoseconds since 1970-01-01 UTC.
        expected: What a time has to be, for messages.
        shown: What they are in, in words.
    """

    def __init__(self, connection: sql.Connection, staged: Staged, options: ReadOptions):
        """Finds out the unit, of numbers by their size.

        Raises:
            InputError: The unit that was named puts the times before 1990 or after 2100, and another not.
        """
        encoding = options.format.time or "unit"
        unit = encoding if encoding in NANOSECONDS else options.time_unit
        self.shown, time_format = "dates", options.time_format
        is_open = encoding in ("unit", "any") and unit == "auto" and not time_format and not staged.time_unit
        if is_open and self._are_dates(connection):
            time_format = DAY
        if staged.time_unit:
            encoding, told = "unit", staged.time_unit
        elif encoding in ("unit", "any") and time_format == options.time_format:
            told = unit = self._unit(connection, staged, unit)
        else:
            told = unit
        whole = "timestamp" in staged.whole
        self.value = time_value("timestamp", encoding, told, time_format, whole)
        unit = "s" if unit == "auto" else unit
        self.expected = expected_time(options.format.time or "unit", unit, time_format)

    @staticmethod
    def _are_dates(connection: sql.Connection) -> bool:
        """Whether all times are days such as 20240131, which as seconds would be of August 1970."""
        times, dates = sql.rows(connection, date_query("timestamp", "raw"))[0]
        return 0 < times == dates

    def _unit(self, connection: sql.Connection, staged: Staged, unit: str) -> str:
        numbers, *counts = sql.rows(connection, unit_query("timestamp", "raw", "timestamp" in staged.whole))[
            0
        ]
        fitting = dict(zip(NANOSECONDS, counts, strict=True))
        best = max(fitting, key=fitting.__getitem__)
        if unit == "auto":
            unit = best if 2 * fitting[best] > numbers else "s"
        elif numbers and unit != "order" and fitting[unit] < numbers == fitting[best]:
            column = staged.columns["timestamp"]
            raise InputError(
                f"{staged.name}, column {column!r}: `time_unit={unit}` puts times before 1990 or after 2100; "
                f"`time_unit={best}` would fit"
            )
        if numbers:
            self.shown = _WORDS[unit]
            if unit == "s" and not fitting["s"]:
                self.shown = (
                    "seconds, as no unit puts them between 1990 and 2100 (`time_unit=order`: an order)"
                )
        return unit
