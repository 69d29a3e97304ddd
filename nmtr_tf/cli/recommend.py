"""Recommend items to users of a trained run: on the terminal, or into a file for programs.

Examples:
    nmtr recommend --workdir=out/demo --user_ids=user-0003 --k=5
    nmtr recommend --workdir=out/demo --all_users --k=20 --output=out/recs.parquet
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from absl import flags

from nmtr_tf.cli.console import import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import new_flags, require, run
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.reporting.tables import format_table
from nmtr_tf.serving.table_files import check_table_path
from nmtr_tf.serving.users import rows_of_user_file, rows_of_users

if TYPE_CHECKING:  # it imports TensorFlow, which comes after the flags are checked
    from nmtr_tf.runs import Run

FLAGS = new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_string("workdir", None, "Run directory that train wrote.", **_at)
flags.DEFINE_string("dataset_dir", "", "Where the run's data set is now; empty: as trained.", **_at)
flags.DEFINE_list("user_ids", [], "Users, by the ids of the log; empty: the first one.", **_at)
flags.DEFINE_string(
    "users_file", "", "File of users, an id a line, UTF-8; an id that comes again counts once.", **_at
)
flags.DEFINE_bool("all_users", False, "Recommend to all users of the data set; needs --output.", **_at)
flags.DEFINE_integer("k", 10, "Items for each user.", lower_bound=1, **_at)
flags.DEFINE_string(
    "output",
    "",
    "File to write, .csv, .parquet or .jsonl: a row for each user and rank, with the raw ids and the score, "
    "which is the logit of the target; empty: tables on the terminal.",
    **_at,
)
flags.DEFINE_bool("probabilities", False, "Add the probability of every predicted behavior.", **_at)
flags.DEFINE_enum(
    "exclude",
    "target",
    ["none", "target", "all"],
    "Items not to recommend: 'target' those bought in training or validation, 'all' those that the user "
    "touched in the data set by any behavior.",
    **_at,
)
flags.DEFINE_integer(
    "memory_mb", 256, "Memory for the scores of one chunk of users, in MiB.", lower_bound=1, **_at
)
flags.DEFINE_enum("device", "auto", ["auto", "cpu", "gpu"], "Where to run.", **_at)


def main(argv=None) -> int:
    """Entry point."""
    return run(_recommend, FLAGS, __doc__, argv)


def _recommend(values: flags.FlagValues) -> None:
    require(values, "workdir")
    given = [name for name in ("user_ids", "users_file", "all_users") if values[name].value]
    if len(given) > 1:
        raise InputError(f"--{given[0]} and --{given[1]} exclude each other; give one of them.")
    if values.output:
        check_table_path(values.output)
    elif values.all_users:
        raise InputError("--all_users goes into a file; name it with --output, .csv, .parquet or .jsonl.")
    import_tensorflow()
    from nmtr_tf.runs import Run
    from nmtr_tf.training.device import set_device

    trained = Run(values.workdir)
    set_device(values.device)
    if values.dataset_dir:
        trained.use_dataset(values.dataset_dir)
    user_ids = trained.view.user_ids[_users(values, trained.view)]
    if values.output:
        _write(values, trained, user_ids)
    else:
        _show(values, trained, user_ids)


def _users(values: flags.FlagValues, view: TrainingView) -> np.ndarray:
    """Rows of the users that the flags name, int32 [n], each once."""
    if values.all_users:
        return rows_of_users(view)
    if values.users_file:
        return rows_of_user_file(view, values.users_file)
    return rows_of_users(view, values.user_ids or view.user_ids[:1])


def _write(values: flags.FlagValues, trained: "Run", user_ids: np.ndarray) -> None:
    from nmtr_tf.serving.recommendation import write_recommendations

    with progress_bar(values, len(user_ids), " users", desc="recommending") as bar:
        num_rows = write_recommendations(
            values.output,
            trained.model,
            trained.dataset,
            trained.view,
            user_ids,
            values.k,
            values.exclude,
            values.probabilities,
            values.memory_mb,
            bar.update,
        )
    say(values, f"{num_rows:,} rows for {len(user_ids):,} users written to {values.output}")


def _show(values: flags.FlagValues, trained: "Run", user_ids: np.ndarray) -> None:
    """Prints a table for each user."""
    view = trained.view
    table = trained.recommend(user_ids, values.k, values.exclude, True, values.memory_mb)
    behaviors = trained.plan.predicted if values.probabilities else [view.target_behavior]
    columns = ["rank", "item", *(f"probability of {name}" for name in behaviors), "shown before"]
    item_rows = pd.Index(view.item_ids)
    for user_id, user in zip(user_ids, rows_of_users(view, user_ids), strict=True):
        history = ", ".join(f"{matrix[[user]].nnz} {name}" for name, matrix in view.matrices.items())
        own = table[table["user"] == user_id]
        rows = [
            [
                line["rank"],
                str(line["item"]),
                *(line[f"probability_{name}"] for name in behaviors),
                _shown(view, user, item_rows.get_loc(line["item"])),
            ]
            for line in own.to_dict("records")
        ]
        print(format_table(f"For {user_id}, who did {history}:", columns, rows) + "\n")


def _shown(view: TrainingView, user: int, item: int) -> str:
    return ", ".join(name for name, matrix in view.matrices.items() if matrix[user, item]) or "-"
