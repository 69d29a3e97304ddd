"""Which files of a directory are a run's own: nothing else there is ever replaced or removed."""

import os
import shutil
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nmtr_tf.data.destination import FILES
from nmtr_tf.data.events import SPLITS
from nmtr_tf.evaluation.result_files import metrics_path, ranks_path
from nmtr_tf.files import is_temporary, read_json

STATUSES = ("running", "finished", "failed", "interrupted")
"""What run.json says of a run; of one that was killed it says "running"."""

RESULTS = tuple(of_split("", split).name for split in SPLITS[1:] for of_split in (metrics_path, ranks_path))
"""Names of the files of evaluations."""

_DIRECTORIES = {
    "events": ("events.out.tfevents.*",),
    "checkpoints": ("best.keras", "last.keras", "training"),
    "checkpoints/training": ("*.npz",),
    "evaluated": RESULTS,
    "baselines": ("*/",),  # what evaluate leaves there for each of them
    "baselines/*": RESULTS,
    "dataset": FILES,
}
_FILES = ("config.json", "users.parquet", "items.parquet", "metrics.jsonl", "curves.png", "report.html")
OWN = (*_FILES, *RESULTS, *(name for name in _DIRECTORIES if "/" not in name), "run.json")
"""Names of all that a run directory has. By run.json it is known as one: that goes last and comes first."""

_SHOWN = 5


def run_entries(directory: Path) -> dict[str, Any] | None:
    """What run.json says, of another version too; None: there is no run.

    Raises:
        InputError: If the file is damaged.
    """
    path = directory / "run.json"
    entries = read_json(path) if path.is_file() else None
    is_run = isinstance(entries, dict) and "method" in entries and entries.get("status") in STATUSES
    return entries if is_run else None


def foreign(directory: Path) -> list[str]:
    """The paths below a directory of what no run wrote, in order; without a run that is all there is.

    Raises:
        InputError: As `run_entries` does.
    """
    known = {".": OWN, **_DIRECTORIES} if run_entries(directory) else {}
    found: list[str] = []
    for folder, folders, files in os.walk(directory):
        here = Path(folder).relative_to(directory)
        own = _own_in(here, known) or ()
        found += (
            (here / name).as_posix()
            for name, sign in (*((name, "/") for name in folders), *((name, "") for name in files))
            if not is_temporary(Path(name))
            and not any(fnmatchcase(one, pattern) for one in (name, name + sign) for pattern in own)
        )
        folders[:] = [name for name in folders if _own_in(here / name, known) is not None]
    return sorted(found)


def _own_in(folder: Path, known: dict[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """Patterns of what is a run's own in a folder; None: nothing is."""
    places = folder.as_posix(), (folder.parent / "*").as_posix()
    return next((known[place] for place in places if place in known), None)


def take_along(directory: Path, target: Path) -> None:
    """Has what no run wrote stand in another directory as well."""
    for name in foreign(directory):
        own, other = directory / name, target / name
        other.parent.mkdir(parents=True, exist_ok=True)
        if own.is_dir():
            shutil.copytree(own, other, copy_function=link)
        else:
            link(own, other)


def link(source: str | Path, target: str | Path) -> None:
    """A file under another name, which stays when the first one goes; a copy where that is impossible."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def in_words(paths: list[str]) -> str:
    """The first few of some paths, and how many there are besides."""
    more = len(paths) - _SHOWN
    return ", ".join(paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
