"""Where a data set may be written: where nothing stands, or a data set that may go and nothing else."""

from pathlib import Path

from nmtr_tf.errors import InputError
from nmtr_tf.files import check_directory, is_temporary
from nmtr_tf.folders import check_replaceable, finish

DROPPED = "dropped_users.parquet"

_TABLES = ("interactions.parquet", "users.parquet", "items.parquet", DROPPED)
FILES = ("dataset.json", *_TABLES, "audit.json", "audit.png")
"""Names in a data set directory, those among them that `audit` writes there."""


def check_destination(dataset_dir: str | Path, overwrite: bool) -> None:
    """Checks that a data set may be written to a directory.

    Raises:
        InputError: If it holds a data set (unless `overwrite`, and it can be replaced), or anything else.
        OSError: If nothing can be written there.
    """
    directory = Path(dataset_dir)
    finish(directory)
    is_dataset = (directory / "dataset.json").is_file() or _has_cuts_alone(directory)
    if directory.exists() and not is_dataset and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"`dataset_dir={directory}` exists and is no data set; name another directory.")
    if is_dataset and not overwrite:
        raise InputError(
            f"`dataset_dir={directory}` holds a data set; name another one, or replace it with `overwrite`."
        )
    if is_dataset and (others := _others(directory)):
        raise InputError(
            f"`dataset_dir={directory}` holds more than a data set: {others[0]}; move it, or name another "
            "directory."
        )
    if is_dataset:
        check_replaceable(directory)
    check_directory(directory)


def cut_directories(directory: str | Path) -> list[Path]:
    """The subdirectories cut_<time>, by time, of data sets or runs of several cuts; none of any other."""
    return sorted(path for path in Path(directory).glob("cut_*") if path.is_dir())


def _has_cuts_alone(directory: Path) -> bool:
    cuts = cut_directories(directory)
    whole = all((cut / "dataset.json").is_file() for cut in cuts)
    return bool(cuts) and whole and len(list(directory.iterdir())) == len(cuts)


def _others(directory: Path) -> list[Path]:
    """What is in a directory of data sets and is not of one."""
    found: list[Path] = []
    for path in sorted(directory.iterdir()):
        if path.name.startswith("cut_") and (path / "dataset.json").is_file():
            found += _others(path)
        elif not is_temporary(path) and not (path.name in FILES and path.is_file()):
            found.append(path)
    return found
