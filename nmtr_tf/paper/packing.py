"""Places and histories in little room, for files that are kept with the source."""

import base64
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from nmtr_tf.evaluation.places import Places

History = Sequence[Mapping[str, float]]
"""A record for each epoch: {"epoch": 1, "train/loss": 0.5, ...}"""


def pack_places(places: Places, limit: int) -> dict[str, str]:
    """Places as texts; what is the same for every item is left out.

    Args:
        places: The places; the users are packed as the number of their items.
        limit: The largest K that is asked of them; a rank of `limit` is a hit nowhere.

    Returns:
        "ranks", clipped at `limit`, "tied", where some are, and "counts", where users have several items.
    """
    hit = places.ranks < limit
    columns = {"ranks": np.where(hit, places.ranks, limit), "tied": np.where(hit, places.tied, 1)}
    columns["counts"] = places.counts
    return {name: _packed(own) for name, own in columns.items() if name == "ranks" or (own != 1).any()}


def unpack_places(texts: Mapping[str, str]) -> Places:
    """The inverse of `pack_places`, an error where it is none; users are numbers from 0."""
    ranks = _unpacked(texts["ranks"])
    tied = _unpacked(texts["tied"]) if "tied" in texts else np.ones_like(ranks)
    counts = _unpacked(texts["counts"]) if "counts" in texts else np.ones_like(ranks)
    if not (len(ranks) == len(tied) == counts.sum() and (ranks >= 0).all() and (tied >= 1).all()):
        raise ValueError("places that are none")
    return Places(np.repeat(np.arange(len(counts)), counts), ranks, tied)


def unpack_mean_ranks(text: str) -> Places:
    """Places from the files of schema 2: doubled means over ties; a half is read as a tie of two."""
    doubled = _unpacked(text)
    return Places(np.arange(len(doubled)), doubled // 2, 1 + doubled % 2)


def _packed(numbers: np.ndarray) -> str:
    """Integers as text: int32, zlib, base64."""
    return base64.b64encode(zlib.compress(numbers.astype("<i4").tobytes(), 9)).decode("ascii")


def _unpacked(text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i4").astype(np.int64)


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
