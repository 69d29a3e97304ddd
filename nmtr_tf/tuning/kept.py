"""A search in the files that one commits, from which it goes on where search.db is missing.

trials.csv has what became of every trial, search.json what makes it this search and what was drawn.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from nmtr_tf.errors import InputError
from nmtr_tf.files import read_csv, read_json, write_json
from nmtr_tf.schema import checked
from nmtr_tf.tuning.space import Space, option_of
from nmtr_tf.tuning.storage import check_about
from nmtr_tf.tuning.trials import MADE, STATES, Trial

_SCHEMA = 2


def keep_draws(directory: Path, about: Mapping[str, str], trials: Sequence[FrozenTrial]) -> None:
    """Writes search.json.

    Args:
        directory: Of the search.
        about: What makes it this search, as texts.
        trials: Those that have ended.
    """
    drawn = {str(trial.user_attrs["number"]): trial.params for trial in trials}
    write_json(directory / "search.json", {"schema": _SCHEMA, "about": dict(about), "drawn": drawn})


def kept_trials(directory: Path, space: Space, about: Mapping[str, str]) -> list[FrozenTrial]:
    """The trials of the two files as Optuna had them, by number; none where a search begins.

    Args:
        directory: Of the search.
        space: What is drawn.
        about: What makes it this search, as texts.

    Raises:
        InputError: If the files are of another search or of an earlier version, are damaged, or one is
            missing; if both are, and there is what a search would replace.
    """
    identity, table = directory / "search.json", directory / "trials.csv"
    if not identity.exists() and not table.exists():
        if taken := [name for name in MADE if (directory / name).exists()]:
            raise InputError(
                f"{directory} should be a new directory or that of a search. Found: {', '.join(taken)}, and "
                "no search.db or search.json; name another `workdir`."
            )
        return []
    entries = read_json(identity) if identity.exists() else None
    if not isinstance(entries, dict) or entries.get("schema") != _SCHEMA or not table.exists():
        has, lacks = (identity, table) if identity.exists() else (table, identity)
        fault = f"no {lacks.name}, nor a search.db" if not lacks.exists() else "no search.db"
        raise InputError(
            f"{directory} has a {has.name} and {fault}: a search of an earlier version, or a part of one, "
            "which cannot go on; name another `workdir`."
        )
    kinds = {"schema": int, "about": dict[str, str], "drawn": dict[str, dict[str, Any]]}
    entries = checked(identity, entries, kinds)
    check_about(directory, entries["about"], about)
    rows = read_csv(table, ("trial", "status", "value", "curve"), "take the file that the search wrote")
    trials = [
        _kept(row, f"{table}, line {line}", entries["drawn"], space) for line, row in enumerate(rows, 2)
    ]
    numbers = [trial.user_attrs["number"] for trial in trials]
    if repeated := {number for number in numbers if numbers.count(number) > 1}:
        raise InputError(f"{table}: expected a row a trial. Received: trial {min(repeated)} twice.")
    return sorted(trials, key=lambda one: one.user_attrs["number"])


def _kept(row: Mapping[str, str], where: str, drawn: Mapping[str, Any], space: Space) -> FrozenTrial:
    """The trial of a row; raises InputError where it is none."""
    try:
        trial = _trial_of(row, space)
        return _frozen(trial, drawn[str(trial.number)], space)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{where}: expected a trial that search.json knows, as the search wrote it. Received: {error!r}."
        ) from None


def _trial_of(row: Mapping[str, str], space: Space) -> Trial:
    """A trial from its row of trials.csv; only its seconds have lost digits."""
    value = float(row["value"]) if row["value"] else None
    alone = () if value is None else (value,)
    if row["status"] not in STATES:
        raise ValueError(row["status"])
    return Trial.from_json(
        {
            "number": int(row["trial"]),
            "options": {name: row[name] for name in dict.fromkeys(map(option_of, space))},
            "value": value,
            "status": row["status"],
            "seed": int(row["seed"]),
            "values": _floats(row["values"]) if "values" in row else list(alone),
            "curve": _floats(row["curve"]),
            "metrics": {name: float(text) for name, text in row.items() if "@" in name and text},
            "best_epoch": int(row["best_epoch"]),
            "epochs": int(row["epochs"]),
            "seconds": float(row["seconds"]),
        }
    )


def _floats(text: str) -> list[float]:
    return list(map(float, text.split()))


def _frozen(trial: Trial, drawn: Mapping[str, Any], space: Space) -> FrozenTrial:
    """The trial as Optuna stores one that has ended: with the best value so far after each evaluation."""
    best = list(itertools.accumulate(trial.curve, max))
    is_finished = trial.status == "finished"
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE if is_finished else TrialState.PRUNED,
        value=trial.value if is_finished else best[-1] if best else None,
        params=dict(drawn),
        distributions=dict(space),
        user_attrs={"number": trial.number, "trial": trial.to_json()},
        intermediate_values=dict(enumerate(best)),
    )
