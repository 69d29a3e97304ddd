"""The texts of cells as Arrow has them: bytes as UTF-8, and whole numbers."""

import pyarrow as pa
import pyarrow.compute as pc


def latin_as_utf8(buffer: pa.Buffer) -> bytes:
    """Latin-1 as UTF-8; ASCII, which most logs are, is that already."""
    raw = bytes(buffer)
    return raw if raw.isascii() else raw.decode("latin-1").encode()


def whole_numbers(texts: pa.Array) -> pa.Array | None:
    """Texts as int64 if all are whole numbers from 0 to 2**63 - 1, as one writes them; else None.

    So "12", not "012" or "+12": of the numbers come the same texts.
    """
    if texts.null_count or not pc.all(pc.ascii_is_decimal(texts), min_count=0).as_py():
        return None
    begins_with_0 = pc.starts_with(texts, "0")
    if pc.any(begins_with_0).as_py() and not pc.all(pc.equal(texts.filter(begins_with_0), "0")).as_py():
        return None
    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid:  # It is larger.
        return None


def as_utf8(text: pa.Array) -> pa.Array:
    """Strings of which each character is a byte, decoded as UTF-8; ASCII is that already."""
    if pc.all(pc.string_is_ascii(text)).as_py():
        return text
    encoded = text.dictionary_encode()
    distinct = [_decoded(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(distinct, pa.string()).take(encoded.indices)


def _decoded(text: str) -> str | None:
    try:
        return text.encode("latin-1").decode()
    except UnicodeDecodeError:
        return None
