"""The file in which Optuna keeps a search: a SQLite database, which is there whole or not at all."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import optuna
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.files import new_file
from nmtr_tf.options import option_text
from nmtr_tf.schema import checked, reading, reason
from nmtr_tf.tuning.locks import refusal
from nmtr_tf.tuning.trials import settings_of

MEND = "delete it: the search goes on from trials.csv and search.json"
"""What to do with a damaged file."""

WAIT_SECONDS = 300
"""That a process waits for another that writes."""


def open_study(
    path: Path,
    about: Mapping[str, str],
    pruner: optuna.pruners.BasePruner,
    trials: Sequence[optuna.trial.FrozenTrial] = (),
) -> optuna.Study:
    """The study in a file, which is made if there is none; nobody else may do so at the same time.

    Args:
        path: The file.
        about: What all trials share, as texts.
        pruner: What stops trials.
        trials: What a new study begins with.

    Raises:
        InputError: If the file is no study, or one of something else.
        OSError: If the disk is full; then there is no file if there was none.
    """
    if not path.exists():
        with new_file(path) as temporary, writing_to(path):
            made = _study(temporary, path, pruner)
            made.set_user_attr("about", dict(about))
            made.add_trials(trials)
    study = _study(path, path, pruner)
    with reading(path, MEND):
        known = study.user_attrs.get("about", {})
    check_about(path.parent, checked(path, known, {}, others=str), about)
    return study


def check_about(directory: Path, known: Mapping[str, str], about: Mapping[str, str]) -> None:
    """Refuses to go on with the search of something else.

    An option that one of the two does not know is at its default there: options come with versions.

    Args:
        directory: Of the search.
        known: What its trials share, as texts.
        about: What those that are asked for share.

    Raises:
        InputError: If the two differ.
    """
    defaults = {name: option_text(value) for name, value in settings_of(RunConfig()).items()}
    for name in sorted(set(known) | set(about)):
        ours, theirs = (texts.get(name, defaults.get(name)) for texts in (about, known))
        if ours != theirs:
            raise InputError(
                f"{directory} holds trials with {name} {theirs!r}; expected the same, or another "
                f"`workdir`. Received: {ours!r}."
            )


def _study(path: Path, shown: Path, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    # A connection for each use: nothing stays open, whatever becomes of the process.
    connect = {"creator": lambda: sqlite3.connect(path, WAIT_SECONDS), "poolclass": NullPool}
    try:
        with writing_to(shown):
            return optuna.create_study(
                storage=optuna.storages.RDBStorage("sqlite://", connect),
                study_name="search",
                direction="maximize",
                load_if_exists=True,
                pruner=pruner,
            )
    except OSError:
        raise
    except Exception as error:  # of SQLite, SQLAlchemy, Alembic or Optuna, as the damage is
        why = reason(error.__cause__ if isinstance(error.__cause__, Exception) else error)
        raise InputError(f"{shown} is no search that Optuna can read: {why}; {MEND}.") from None


@contextlib.contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Names the file where it cannot be written.

    Raises:
        OSError: With `path` as its file name.
    """
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        code = refusal(f"{error} {error.__cause__}")
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(path)) from error
