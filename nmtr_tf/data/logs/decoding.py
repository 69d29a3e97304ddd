"""Text of columns to values: ids, behaviors and times.

Decoders take the distinct texts of one batch, so their cost hardly grows with the number of rows.
"""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from nmtr_tf.data.logs.formats import TIME_UNITS

# Later times come from a wrong unit. Below it, doubles hold milliseconds exactly.
_YEAR_10000 = 253402300800000
_NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_ZONE = r"(Z|[+-]\d\d:?\d\d)$"
_ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z|[+-]\d\d:?\d\d)?)?$"
_EXPECTED_TIME = {
    "mmdd": "a day of 2014 as mmdd",
    "utc": "a time such as 2019-10-01 00:00:00 UTC",
    "any": "a time in {unit} since 1970 or as ISO-8601 text",
}

# Values (null where bad), and per check the mask of the texts that pass it and what it expects.
Decoded = tuple[pa.Array, list[tuple[pa.Array, str]]]
Decoder = Callable[[pa.Array], Decoded]


def cast_or_null(array: pa.Array, to: pa.DataType) -> pa.Array:
    """Casts `array`, with null for the values that do not cast.

    Halves the array around bad values, as Arrow only says that there are some.
    """
    try:
        return array.cast(to)
    except pa.ArrowInvalid:
        if len(array) == 1:
            return pa.nulls(1, to)
    half = len(array) // 2
    return pa.concat_arrays([cast_or_null(array[:half], to), cast_or_null(array[half:], to)])


def decode_text_ids(text: pa.Array) -> Decoded:
    """Decodes ids of any kind.

    Args:
        text: String [n], null where it was not UTF-8.

    Returns:
        `text` itself, and the checks.
    """
    one_line = pc.invert(pc.match_substring_regex(text, "[\r\n]"))
    checks = [(pc.not_equal(text, ""), "an id"), (one_line, "an id without line breaks")]
    return text, [(passed.fill_null(False), expected) for passed, expected in checks]


def decode_integer_ids(text: pa.Array) -> Decoded:
    """Decodes ids that are non-negative integers.

    Args:
        text: String [n], null where it was not UTF-8.

    Returns:
        int64 [n], and the checks.
    """
    digits = pc.ascii_is_decimal(text).fill_null(False)
    values = cast_or_null(_where(digits, text), pa.int64())
    expected = "a non-negative integer"
    return values, [(digits, expected), (values.is_valid(), f"{expected} below 2**63")]


def id_decoder(id_type: str) -> Decoder:
    """Decoder of the ids of a format; see `Format.id_type`."""
    return decode_integer_ids if id_type == "int" else decode_text_ids


def decode_choices(text: pa.Array, choices: Sequence[str], expected: str) -> Decoded:
    """Decodes text that is one of a few names.

    Args:
        text: String [n], null where it was not UTF-8.
        choices: The names.
        expected: The names, for a message.

    Returns:
        int32 [n], positions in `choices`, and the check.
    """
    values = pc.index_in(text, value_set=pa.array(choices, pa.string()))
    return values, [(values.is_valid(), expected)]


def decode_times(text: pa.Array, encoding: str, unit: str) -> Decoded:
    """Decodes times.

    Args:
        text: String [n], null where it was not UTF-8.
        encoding: See `Format.time`.
        unit: Key of `TIME_UNITS`, the unit of numbers for the encodings "unit" and "any".

    Returns:
        int64 [n], milliseconds since 1970-01-01 UTC, and the check.
    """
    unit = encoding if encoding in TIME_UNITS else unit
    if encoding == "mmdd":
        values = _days_of_2014(text)
    elif encoding == "utc":
        values = _iso_times(text)
    else:
        values = _number_times(text, TIME_UNITS[unit])
        if encoding == "any":
            values = pc.coalesce(values, _iso_times(text))
    expected = _EXPECTED_TIME.get(encoding, "a time in {unit} since 1970").format(unit=unit)
    return values, [(values.is_valid(), expected)]


def _where(mask: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(mask, values, pa.scalar(None, values.type))


def _days_of_2014(text: pa.Array) -> pa.Array:
    mmdd = pc.utf8_lpad(_where(pc.match_substring_regex(text, r"^\d{3,4}$"), text), 4, "0")
    return _iso_times(pc.replace_substring_regex(mmdd, r"^(\d\d)(\d\d)$", r"2014-\1-\2"))


def _number_times(text: pa.Array, milliseconds: float) -> pa.Array:
    numbers = cast_or_null(_where(pc.match_substring_regex(text, _NUMBER), text), pa.float64())
    values = pc.round(pc.multiply(numbers, milliseconds))
    return _where(pc.less(pc.abs(values), _YEAR_10000), values).cast(pa.int64())


def _iso_times(text: pa.Array) -> pa.Array:
    text = _where(pc.match_substring_regex(text, _ISO), text)
    text = pc.replace_substring_regex(text, r"(\.\d{3})\d+", r"\1")
    text = pc.replace_substring_regex(text, " ?UTC$", "Z")
    zoned = pc.match_substring_regex(text, _ZONE)
    with_zone = cast_or_null(_where(zoned, text), pa.timestamp("ms", "UTC"))
    without = cast_or_null(_where(pc.invert(zoned), text), pa.timestamp("ms"))
    return pc.coalesce(with_zone.cast(pa.int64()), without.cast(pa.int64()))
