"""Recommend items to users of a trained run: on the terminal, or into a file for programs.

Examples:
    python -m experiments.recommend --workdir=out/demo --user_ids=user-0003 --k=5
    python -m experiments.recommend --workdir=out/demo --all_users --k=20 --output=out/recs.parquet
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from absl import flags

from nmtr_tf.cli import common as cli
from nmtr_tf.data.dataset import Interactions
from nmtr_tf.errors import InputError
from nmtr_tf.reporting.tables import format_table
from nmtr_tf.serving.table_files import check_table_path, write_table

FLAGS = cli.new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_string("workdir", None, "Run directory of experiments.train.", **_at)
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


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_recommend, FLAGS, __doc__, argv)


def _recommend(values: flags.FlagValues) -> None:
    cli.require(values, "workdir")
    given = [name for name in ("user_ids", "users_file", "all_users") if values[name].value]
    if len(given) > 1:
        raise InputError(f"--{given[0]} and --{given[1]} exclude each other; give one of them.")
    if values.output:
        check_table_path(values.output)
    elif values.all_users:
        raise InputError("--all_users goes into a file; name it with --output, .csv, .parquet or .jsonl.")
    cli.import_tensorflow()
    from nmtr_tf.evaluation.ranking import ModelScorer
    from nmtr_tf.runs.directory import Run
    from nmtr_tf.serving.recommendation import Recommender, excluded_items

    run = Run(values.workdir)
    interactions = run.interactions(values.dataset_dir)
    view = run.view(interactions)
    users = _users(values, view)
    if values.k > view.num_items:
        raise InputError(f"--k={values.k} is more than the {view.num_items} items of the data set.")
    recommender = Recommender(ModelScorer(run.load_model()))
    left_out = excluded_items(interactions, view, values.exclude)
    probabilities = values.probabilities or not values.output
    chunks = recommender.recommend(users, values.k, left_out, values.memory_mb, probabilities)
    if values.output:
        _write(values, view, len(users), chunks)
    else:
        _show(values, view, chunks)


def _users(values: flags.FlagValues, view: Interactions) -> np.ndarray:
    """Rows of the users that the flags name, int32 [n], each once."""
    if values.all_users:
        return np.arange(view.num_users, dtype=np.int32)
    if not values.users_file and not values.user_ids:
        return np.zeros(1, np.int32)
    if values.users_file:
        names, lines = _read_users(Path(values.users_file))
    else:
        names, lines = pa.array(values.user_ids), None
    rows = pc.index_in(names, pa.array(view.user_ids).cast(pa.string()))
    if rows.null_count:
        first = int(np.argmax(rows.is_null().to_numpy(zero_copy_only=False)))
        where = "--user_ids" if lines is None else f"{values.users_file}, line {lines[first]}"
        raise InputError(
            f"{where}: {names[first].as_py()!r} is no user of the data set; expected ids such as "
            f"{view.user_ids[0]!r}."
        )
    return pd.unique(rows.to_numpy())


def _read_users(path: Path) -> tuple[pa.Array, np.ndarray]:
    """The lines that are not blank, as text, and their numbers from 1."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: expected UTF-8.") from None
    lines = pa.array(text.replace("\r\n", "\n").split("\n"))
    filled = pc.not_equal(pc.utf8_trim_whitespace(lines), "")
    if not pc.any(filled).as_py():
        raise InputError(f"{path}: expected user ids, one a line, but it is empty.")
    return lines.filter(filled), np.flatnonzero(filled) + 1


def _write(values: flags.FlagValues, view: Interactions, num_users: int, chunks: Iterator) -> None:
    """Writes the chunks as they come."""
    user_ids, item_ids = pa.array(view.user_ids), pa.array(view.item_ids)
    with cli.progress_bar(values, num_users, " users", desc="recommending") as bar:

        def tables() -> Iterator[pa.Table]:
            for found in chunks:
                yield found.table(user_ids, item_ids)
                bar.update(len(found.users))

        num_rows = write_table(values.output, tables())
    cli.say(values, f"{num_rows:,} rows for {num_users:,} users written to {values.output}")


def _show(values: flags.FlagValues, view: Interactions, chunks: Iterator) -> None:
    """Prints a table for each user."""
    for found in chunks:
        behaviors = list(found.probabilities) if values.probabilities else [view.target_behavior]
        columns = ["rank", "item", *(f"probability of {name}" for name in behaviors), "shown before"]
        for i, user in enumerate(found.users):
            history = ", ".join(f"{matrix[[user]].nnz} {name}" for name, matrix in view.matrices.items())
            rows = [
                [
                    place + 1,
                    view.item_ids[item],
                    *(float(found.probabilities[name][i, place]) for name in behaviors),
                    _shown(view, user, item),
                ]
                for place, item in enumerate(found.items[i])
                if np.isfinite(found.scores[i, place])
            ]
            print(format_table(f"For {view.user_ids[user]}, who did {history}:", columns, rows) + "\n")


def _shown(view: Interactions, user: int, item: int) -> str:
    return ", ".join(name for name, matrix in view.matrices.items() if matrix[user, item]) or "-"


if __name__ == "__main__":
    sys.exit(main())
