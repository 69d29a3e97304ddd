"""The results of the cells of tables and figures: one small JSON file each.

<results_dir>/<data set>/<protocol>/<cell>.json: what was run (method, config, behaviors, keep, seed), on
what (data set, fingerprint, hardware, versions), its history, its test metrics at the best epoch and at
the peak, by groups of users and by the heads of other behaviors, and the ranks, so that tables with their
tests of significance need nothing else.
"""

import base64
import dataclasses
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.variants import Variant
from nmtr_tf.files import new_file, read_json

# They say where and in what portions a run computes, not what.
_WITHOUT_EFFECT = {"data": ("dataset_dir",), "training": ("device",), "evaluation": ("eval_memory_mb",)}
Sections = Mapping[str, Mapping[str, Any]]
"""A config as `RunConfig.to_json` has it, or some sections of it."""

_NEEDED = ("name", "method", "dataset", "dataset_fingerprint", "dataset_behaviors", "protocol")
_NEEDED_TOO = ("config", "test", "history", "ranks")


def write_result(path: str | Path, result: Mapping[str, Any]) -> None:
    """Writes a result; a line for each entry, so that it is small and differences can be read.

    Args:
        path: The file.
        result: "history" a list with a record for each epoch, "ranks" float64 [num_users]; the rest plain.
    """
    ks = result["config"]["evaluation"]["ks"]
    packed = {**result, "history": pack_history(result["history"])}
    packed["ranks"] = encode_ranks(result["ranks"], max(ks))
    entries = [f"{json.dumps(key)}: {_compact(value)}" for key, value in packed.items()]
    with new_file(path) as temporary:
        temporary.write_text("{\n" + ",\n".join(entries) + "\n}\n", encoding="utf-8")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def read_result(path: str | Path) -> dict[str, Any]:
    """The inverse of `write_result`; ranks from the largest K on come back as that K.

    Raises:
        InputError: If the file is missing, or is not the result of a cell.
    """
    result = read_json(path)
    missing = [
        name for name in (*_NEEDED, *_NEEDED_TOO) if not isinstance(result, dict) or name not in result
    ]
    if missing:
        raise InputError(f"{path}: expected the result of a cell, with the entry {missing[0]!r}.")
    return {
        **result,
        "history": unpack_history(result["history"]),
        "ranks": decode_ranks(result["ranks"]),
    }


def read_results(directory: str | Path) -> dict[str, dict[str, Any]]:
    """All results of a data set and protocol, by name.

    Raises:
        InputError: As `read_result` does.
    """
    return {path.stem: read_result(path) for path in sorted(Path(directory).glob("*.json"))}


def read_finished(directory: str | Path) -> "Finished":
    """All results of a data set and protocol: those in <results_dir>/<data set>/<protocol>.

    Raises:
        InputError: If there is none, if a file is none, or if they are of different data sets.
    """
    results = read_results(directory)
    if not results:
        raise InputError(f"{directory}: expected results of cells, *.json. Found none.")
    first = next(iter(results.values()))
    for name, result in results.items():
        if result["dataset_fingerprint"] != first["dataset_fingerprint"]:
            raise InputError(f"{directory}: {name}.json is of another data set than {first['name']}.json.")
    behaviors = tuple(first["dataset_behaviors"])
    return Finished(first["dataset"], first["protocol"], behaviors, results)


@dataclasses.dataclass(frozen=True)
class Finished:
    """The finished cells of a data set under a protocol.

    Attributes:
        dataset: Its name.
        protocol: "released" or "strict".
        behaviors: All behaviors of the data set, weakest first.
        results: Name -> what `read_result` gave.
    """

    dataset: str
    protocol: str
    behaviors: tuple[str, ...]
    results: Mapping[str, Mapping[str, Any]]

    def find(self, variant: Variant) -> Mapping[str, Any] | None:
        """The result of a variant; None: not finished."""
        return self.results.get(variant.name(self.behaviors))

    @property
    def metrics(self) -> list[str]:
        """The metrics that all of them have: "HR@50", "NDCG@50", ..."""
        return list(next(iter(self.results.values()))["test"])


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


def pack_history(history: Sequence[Mapping[str, float]]) -> dict[str, list[float | None]]:
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


def peak_metrics(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The highest value of every test metric over the epochs: {"HR@50": ...}.

    The paper reports this ("peak performance evaluated per iteration"): it selects on test.
    """
    names = dict.fromkeys(name for record in history for name in record if name.startswith("test/"))
    return {
        name.removeprefix("test/"): max(record[name] for record in history if name in record)
        for name in names
    }


def config_differences(stored: Sections, wanted: Sections) -> list[str]:
    """What a stored config has otherwise, a text each; what has no effect on the numbers is passed over.

    Args:
        stored: Sections of a config, as they were written; options that it does not know have their default.
        wanted: Sections that are asked for.
    """
    defaults, stored, wanted = (_plain(config) for config in (RunConfig().to_json(), stored, wanted))
    differences = []
    for section, options in wanted.items():
        theirs = {**defaults[section], **stored.get(section, {})}
        differences += [
            f"--{name} is {theirs[name]!r} there and {value!r} here"
            for name, value in options.items()
            if name not in _WITHOUT_EFFECT.get(section, ()) and theirs[name] != value
        ]
    return differences


def _plain(config: Sections) -> dict[str, dict[str, Any]]:
    return json.loads(json.dumps(config))
