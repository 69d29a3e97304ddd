"""Ranks and histories in little room, for files that are kept with the source."""

import base64
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

History = Sequence[Mapping[str, float]]
"""A record for each epoch: {"epoch": 1, "train/loss": 0.5, ...}"""


def encode_ranks(ranks: np.ndarray, limit: int) -> str:
    """Ranks as text: clipped at `limit`, doubled (ties give halves), int32, zlib, base64.

    Args:
        ranks: float64 [n], 0-based.
        limit: The largest K that is asked of them; a rank of `limit` is a hit nowhere.
    """
    doubled = np.rint(2 * np.minimum(ranks, limit)).astype("<i4")
    return base64.b64encode(zlib.compress(doubled.tobytes(), 9)).decode("ascii")


def decode_ranks(text: str) -> np.ndarray:
    """The inverse of `encode_ranks`, float64 [n]."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i4") / 2


def pack_history(history: History) -> dict[str, list[float | None]]:
    """Records of epochs -> a list for each scalar, at 5 significant digits; None where it is missing."""
    names = dict.fromkeys(name for record in history for name in record)
    return {name: [_rounded(record.get(name)) for record in history] for name in names}


def unpack_history(columns: Mapping[str, Sequence[float | None]]) -> list[dict[str, float]]:
    """The inverse of `pack_history`."""
    return [
        {name: value for name, value in zip(columns, values, strict=True) if value is not None}
        for values in zip(*columns.values(), strict=True)
    ]


def _rounded(value: float | None) -> float | None:
    return value if value is None or isinstance(value, int) else float(f"{value:.5g}")
