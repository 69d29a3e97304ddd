"""The times at which a log is cut: what comes before the first is trained on, after the second tested on."""

import dataclasses

import numpy as np

from nmtr_tf.data import sql
from nmtr_tf.data.events import Events
from nmtr_tf.data.logs.decoding import DAY, NANOSECONDS, date_query, time_value, unit_query
from nmtr_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Cuts:
    """Two times, in the unit of the log; each begins what comes after it.

    Attributes:
        validation: Rows from here on are held out for validation.
        test: Rows from here on are held out for testing.
        unit: Of both: "ms", "us" or "ns" since 1970-01-01 UTC.
    """

    validation: int
    test: int
    unit: str

    def split_of(self, timestamp: np.ndarray) -> np.ndarray:
        """int8 [num_events], positions in `nmtr_tf.data.events.SPLITS`."""
        return np.searchsorted([self.validation, self.test], timestamp, side="right").astype(np.int8)

    def to_json(self) -> dict[str, str]:
        """Both in ISO 8601, as dataset.json has them."""
        return {
            "validation_from": shown(self.validation, self.unit),
            "test_from": shown(self.test, self.unit),
        }


def shown(time: int, unit: str) -> str:
    """A time in ISO 8601, UTC, to the second where it is a whole one."""
    exact = np.array(time, f"datetime64[{unit}]")
    seconds = exact.astype("datetime64[s]")
    return str(seconds if seconds == exact else exact)


def cuts_of(events: Events, split_time: str, split_share: float | None) -> Cuts:
    """Where a log is cut for testing, and at the same share of what comes before for validation.

    Where that would be the first time of all, as in a log of few days, validation begins with the next one.

    Args:
        events: The log.
        split_time: The test cut: a date or time, UTC where it has no zone, or a number since 1970, whose
            unit is told by its size; "": `split_share` says.
        split_share: Share of the rows that come after it, the last ones; rows of one time stay together.

    Raises:
        InputError: If the log has no times, the cut is outside of it, holds out more than it leaves, or
            leaves nothing to train on.
    """
    times = _times(events)
    given = f"split_share={split_share}"
    if split_time:
        test, given = time_of(split_time, events.time_unit), f"split_time={split_time}"
        if not times.min() < test <= times.max():
            first, last = (shown(time, events.time_unit) for time in (times.min(), times.max()))
            raise InputError(
                f"`{given}`, {shown(test, events.time_unit)}, should be inside the log, which goes from "
                f"{first} to {last}."
            )
    else:
        assert split_share is not None  # one of the two is given
        test = _last(times, split_share)
    before = times[times < test]
    if (held_out := len(times) - len(before)) > len(before):
        raise InputError(
            f"`{given}` holds {held_out:,} rows out and leaves {len(before):,} to train on; expected no more "
            "held-out rows than training rows."
        )
    validation = _validation(before, held_out / len(times), given, events.time_unit)
    return Cuts(validation, test, events.time_unit)


def _validation(before: np.ndarray, share: float, given: str, unit: str) -> int:
    """The cut for validation of the times before the other one."""
    validation, first = _last(before, share), before.min()
    if validation > first:
        return validation
    later = before[before > first]  # rows of one time stay together, and those of the first are to train on
    if not len(later):
        raise InputError(
            f"`{given}` has but one time before it, {shown(first, unit)}; expected two or more, as the rows "
            "of the last are for validation; cut later."
        )
    return int(later.min())


def _times(events: Events) -> np.ndarray:
    if events.timestamp is None:
        raise InputError("`split=time` needs a log with times.")
    if events.time_unit == "order":
        raise InputError("`split=time` needs times, and `time_unit=order` says that these only order.")
    if events.heldout is not None:
        raise InputError("`split=time` is for logs that do not come split; this one names its held-out rows.")
    if not len(events):
        raise InputError("The log has no rows.")
    return events.timestamp


def _last(times: np.ndarray, share: float) -> int:
    """The time from which on the last share of the times comes."""
    place = min(int(len(times) * (1 - share)), len(times) - 1)
    return int(np.partition(times, place)[place])


def time_of(text: str, unit: str) -> int:
    """A time that a user writes, in a unit, rounded up; as in a log, 20240131 is a day.

    Raises:
        InputError: If it is none.
    """
    with sql.session() as connection:
        connection.register("asked", {"time": np.array([text], object)})
        _, *fits = sql.rows(connection, unit_query("time", "asked"))[0]
        told = next((name for name, fit in zip(NANOSECONDS, fits, strict=True) if fit), "s")
        _, is_day = sql.rows(connection, date_query("time", "asked"))[0]
        value = time_value("time", "any", told, DAY if is_day else "")
        nanoseconds = sql.value(connection, f"SELECT {value} FROM asked")
    if nanoseconds is None:
        raise InputError(
            f"`split_time` should be a time such as 2015-08-15 or 2015-08-15T12:00. Received: {text!r}."
        )
    return -(-nanoseconds // NANOSECONDS[unit])
