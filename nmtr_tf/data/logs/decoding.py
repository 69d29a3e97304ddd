"""Texts to values as expressions of SQL: ids, behaviors and times, and what is expected where they fail."""

import dataclasses
from collections.abc import Mapping

from nmtr_tf.data import sql

NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1, "excel": 86400 * 10**9}
"""Nanoseconds per unit of time."""
_FIRST, _LATE = 631152000, 4102444800  # 1990 and 2100, in seconds
_EXCEL_DAYS = 25569  # from Excel's day 0 to 1970-01-01
_NUMBER = r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
DAY = "%Y%m%d"
"""Of days such as 20240131, as of strptime."""
_DATE = "(199[0-9]|20[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])"
_ISO = r"\d{4}[-/]\d\d?[-/]\d\d?([T ]\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?( ?UTC| ?Z| ?[+-]\d\d(:?\d\d)?)?)?"
_DOTTED = r"\d\d?\.\d\d?\.\d{4}( \d\d?:\d\d(:\d\d)?)?"
_EXPECTED_TIME = {
    "mmdd": "a day of 2014 as mmdd",
    "utc": "a time such as 2019-10-01 00:00:00 UTC",
    "any": "a time in {unit} since 1970 or as ISO-8601 text",
}


@dataclasses.dataclass(frozen=True)
class Check:
    """An expression of SQL that is true where a role's text is good, and what is expected there."""

    role: str
    passes: str
    expected: str


def id_value(role: str, id_type: str) -> str:
    """The value of an id: of whole numbers a number, else the text."""
    return f"try_cast(texts.{role} AS {'BIGINT' if id_type == 'int' else 'VARCHAR'})"


def id_checks(role: str, id_type: str, readable: str, whole: bool = False) -> list[Check]:
    """What an id has to be: first of all `readable`; then see `Format.id_type`.

    Args:
        role: "user", "item", or what else the column of texts is called.
        id_type: See `Format.id_type`.
        readable: What a null is not.
        whole: The column has whole numbers, which pass all checks.
    """
    if whole:
        return [dataclasses.replace(check, passes="true") for check in id_checks(role, id_type, readable)]
    text = f"texts.{role}" if role == "user" else role
    checks = [Check(role, f"{text} IS NOT NULL", readable)]
    if id_type == "int":
        expected = "a non-negative integer"
        checks.append(Check(role, f"regexp_full_match({text}, '[0-9]+')", expected))
        return [*checks, Check(role, f"try_cast({text} AS BIGINT) IS NOT NULL", f"{expected} below 2**63")]
    one_line = f"NOT contains({text}, chr(10)) AND NOT contains({text}, chr(13))"
    return [
        *checks,
        Check(role, f"{text} <> ''", "an id"),
        Check(role, one_line, "an id without line breaks"),
    ]


def choice(text: str, codes: Mapping[str, int], other: int | None) -> str:
    """The code of a text; `other` where it has none."""
    cases = " ".join(f"WHEN {sql.literal(label)} THEN {code}" for label, code in codes.items())
    rest = "" if other is None else f"ELSE {other}"
    return f"(CASE WHEN {text} IS NOT NULL THEN CASE {text} {cases} {rest} END END)::TINYINT"


def unit_query(text: str, table: str, whole: bool = False) -> str:
    """A query of how many times are numbers, and how many of them lie from 1990 to 2100 in each unit.

    Args:
        text: An expression.
        table: Of which.
        whole: It is a whole number, not a text.
    """
    number = text if whole else f"CASE WHEN regexp_full_match({text}, '{_NUMBER}') THEN {text} END"
    number = f"try_cast({number} AS DOUBLE)"
    shares = ", ".join(
        f"count(*) FILTER (number >= {low!r} AND number < {high!r})"
        for low, high in map(_bounds, NANOSECONDS)
    )
    return f"SELECT count(number), {shares} FROM (SELECT {number} AS number FROM {table})"


def date_query(text: str, table: str) -> str:
    """A query of how many times are given, and how many of them are days of 1990 to 2099 such as 20240131."""
    time = f"nullif({text}::VARCHAR, '')"
    is_date = f"regexp_full_match(time, '{_DATE}')"
    return f"SELECT count(time), count(*) FILTER ({is_date}) FROM (SELECT {time} AS time FROM {table})"


def _bounds(unit: str) -> tuple[float, float]:
    shift = _EXCEL_DAYS if unit == "excel" else 0
    per_second = 10**9 / NANOSECONDS[unit]
    return _FIRST * per_second + shift, _LATE * per_second + shift


def expected_time(encoding: str, unit: str, time_format: str = "") -> str:
    """What a time has to be, for messages."""
    if time_format:
        return f"a time as {time_format}"
    return _EXPECTED_TIME.get(encoding, "a time in {unit} since 1970").format(unit=unit)


def time_value(text: str, encoding: str, unit: str, time_format: str = "", whole: bool = False) -> str:
    """Nanoseconds since 1970-01-01 UTC of a text; null where it is no such time.

    Args:
        text: An expression.
        encoding: See `Format.time`.
        unit: Key of `NANOSECONDS`, or "order": the unit of numbers.
        time_format: As of strptime, for texts; "": ISO-8601, or days.months.years.
        whole: It is a whole number, not a text.
    """
    if whole and not time_format and encoding not in ("mmdd", "utc"):
        return _number(text, unit, whole)
    text = f"{text}::VARCHAR" if whole else text
    if time_format:
        return f"try_cast(epoch_us(try_strptime({text}, {sql.literal(time_format)})) AS BIGINT) * 1000"
    if encoding == "mmdd":
        day = f"regexp_replace(lpad({text}, 4, '0'), '^(..)(..)$', '2014-\\1-\\2')"
        time = f"epoch_ns(try_cast({day} AS TIMESTAMP_NS))"
        return f"CASE WHEN regexp_full_match({text}, '[0-9]{{3,4}}') THEN {time} END"
    if encoding == "utc":
        return _iso(text)
    number = _number(text, unit)
    return f"coalesce({number}, {_iso(text)}, {_dotted(text)})" if encoding == "any" else number


def _number(text: str, unit: str, whole: bool = False) -> str:
    """Whole numbers stay exact; others have nine places."""
    factor = 1 if unit == "order" else NANOSECONDS[unit]
    shifted = f" - {_EXCEL_DAYS}" if unit == "excel" else ""
    is_small = f"abs(try_cast({text} AS DOUBLE){shifted}) < {9.2e18 / factor!r}"
    whole_value = f"({text}::BIGINT{shifted}) * {factor}::BIGINT"
    if whole:
        return f"CASE WHEN {is_small} THEN {whole_value} END"
    is_number = f"regexp_full_match({text}, '{_NUMBER}') AND {is_small}"
    is_whole = f"regexp_full_match({text}, '-?[0-9]{{1,19}}')"
    places = f"round(({text}::DECIMAL(28, 9){shifted})::DECIMAL(28, 9) * {factor}::DECIMAL(10, 0))"
    if unit == "excel":  # Of a day, nine places are a tenth of a millisecond.
        places = f"round(({text}::DOUBLE{shifted}) * 86400) * 1000000000"
    return (
        f"CASE WHEN {is_number} THEN CASE WHEN {is_whole} THEN {whole_value} ELSE ({places})::BIGINT END END"
    )


def _iso(text: str) -> str:
    """ISO-8601 from days to nanoseconds, and the same with slashes; a time without a zone is UTC."""
    # A zone is only behind an hour: the end of a day of the form -05-01 is none.
    zoned = f"regexp_replace({text}, '([T ].*?) ?(UTC|Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$', '\\1')"
    day = f"translate({zoned}, 'T/,', ' -.')"
    clock = f"regexp_replace({day}, '^([^ ]+ [0-9]{{2}}):?([0-9]{{2}}):?([0-9]{{2}}.*)$', '\\1:\\2:\\3')"
    full = f"regexp_replace({clock}, '^([^ ]+ [0-9]{{2}})$', '\\1:00')"
    zone = "'[T ].*([+-])([0-9]{2}):?([0-9]{2})?$'"
    hours = f"coalesce(try_cast(regexp_extract({text}, {zone}, 2) AS BIGINT), 0)"
    minutes = f"coalesce(try_cast(regexp_extract({text}, {zone}, 3) AS BIGINT), 0)"
    sign = f"CASE regexp_extract({text}, {zone}, 1) WHEN '-' THEN -1 ELSE 1 END"
    offset = f"({sign}) * ({hours} * 60 + {minutes}) * 60000000000"
    return (
        f"CASE WHEN regexp_full_match({text}, '{_ISO}') "
        f"THEN epoch_ns(try_cast({full} AS TIMESTAMP_NS)) - {offset} END"
    )


def _dotted(text: str) -> str:
    """Days, months and years between dots, as spreadsheets write them."""
    parsed = f"try_strptime({text}, ['%d.%m.%Y %H:%M:%S', '%d.%m.%Y %H:%M', '%d.%m.%Y'])"
    return f"CASE WHEN regexp_full_match({text}, '{_DOTTED}') THEN epoch_us({parsed}) * 1000 END"
