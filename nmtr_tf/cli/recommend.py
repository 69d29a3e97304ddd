"""Recommend items to users of a trained run: on the terminal, or into a file for programs.

Examples:
    nmtr recommend --workdir=out/demo --user_ids=user-0003 --k=5
    nmtr recommend --workdir=out/history --history=events.csv --explain
    nmtr recommend --workdir=out/demo --all_users --k=20 --output=out/recs.parquet
"""

from typing import TYPE_CHECKING, Any

import pandas as pd
from absl import flags

from nmtr_tf.cli.console import import_tensorflow, progress_bar, say, show
from nmtr_tf.cli.flags import new_flags, require, run
from nmtr_tf.cli.left_out import define_items, define_left_out, items_of_flag
from nmtr_tf.cli.opened import define_unfinished, open_run
from nmtr_tf.cli.recommended import for_known, for_new, for_unknown, passed_over
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.errors import InputError
from nmtr_tf.serving.table_files import check_table_path
from nmtr_tf.serving.users import AskedUsers, asked_users, count_reasons, users_of_file
from nmtr_tf.texts import counted, printable

if TYPE_CHECKING:  # it imports TensorFlow, which comes after the flags are checked
    from nmtr_tf.runs import Run
    from nmtr_tf.serving.new_histories import NewHistories

FLAGS = new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_string("workdir", None, "Run directory that train wrote.", **_at)
flags.DEFINE_string("dataset_dir", "", "Where the run's data set is now; empty: as trained.", **_at)
flags.DEFINE_list(
    "user_ids",
    [],
    "Users, by the ids of the log; spaces around an id are left out, which --users_file keeps. Empty: the "
    "first one.",
    **_at,
)
flags.DEFINE_string(
    "users_file", "", "File of users, an id a line, UTF-8; an id that comes again counts once.", **_at
)
flags.DEFINE_string(
    "history",
    "",
    "CSV file with the columns user, item and behavior: events of users who were in no training, who are "
    "recommended items by them; for runs with --user_rows=history or both, and for nmtr_linear.",
    **_at,
)
flags.DEFINE_bool("all_users", False, "Recommend to all users of the data set; needs --output.", **_at)
flags.DEFINE_integer(
    "k", None, "Items for each user; empty: 10, or all of a smaller catalogue.", lower_bound=1, **_at
)
flags.DEFINE_string(
    "output",
    "",
    "File to write, .csv, .parquet or .jsonl: a row for each user and rank, with the raw ids and the score, "
    "which is the logit of the target; empty: tables on the terminal.",
    **_at,
)
flags.DEFINE_bool(
    "csv_safe",
    False,
    "In a .csv, put ' before ids and titles that begin with = + - @ or a tab, which a spreadsheet would take "
    "for a formula; other files, and a .csv without this, have them as the log does.",
    **_at,
)
flags.DEFINE_bool(
    "explain",
    False,
    "Name the items of the history that add most to each score, and what they add; for runs with "
    "--user_rows=history or both, and for nmtr_linear.",
    **_at,
)
flags.DEFINE_bool(
    "probabilities",
    False,
    "Add the probability of every predicted behavior; what was not trained by log loss has none, and these "
    "are the sigmoids of its scores.",
    **_at,
)
define_left_out(FLAGS)
define_items(FLAGS, "titles are added to tables and files")
flags.DEFINE_string(
    "among",
    "",
    "File of the only items that are recommended (those in stock, say), an id a line, UTF-8; ids that the "
    "data set does not have are passed over.",
    **_at,
)
flags.DEFINE_integer(
    "candidates",
    0,
    "Of models with towers: so many items are found first by one product, and they alone are ranked by the "
    "model; see export. 0: the model ranks all.",
    lower_bound=0,
    **_at,
)
flags.DEFINE_integer(
    "memory_mb", 256, "Memory for the scores of one chunk of users, in MiB.", lower_bound=1, **_at
)
define_unfinished(FLAGS)
flags.DEFINE_enum("device", "auto", ["auto", "cpu", "gpu"], "Where to run.", **_at)


def main(argv=None) -> int:
    """Entry point."""
    return run(_recommend, FLAGS, __doc__, argv)


def _recommend(values: flags.FlagValues) -> None:
    require(values, "workdir")
    given = [name for name in ("user_ids", "users_file", "all_users", "history") if values[name].value]
    if len(given) > 1:
        raise InputError(f"--{given[0]} and --{given[1]} exclude each other; give one of them.")
    if values.output and values.explain:
        raise InputError("--explain is for tables on the terminal; `Run.explain` gives the parts in Python.")
    if values.output:
        check_table_path(values.output)
    elif values.all_users:
        raise InputError("--all_users goes into a file; name it with --output, .csv, .parquet or .jsonl.")
    import_tensorflow()
    from nmtr_tf.training.device import set_device

    trained = open_run(values, values.workdir)
    set_device(values.device)
    if values.dataset_dir:
        trained.use_dataset(values.dataset_dir)
    history = trained.histories(values.history) if values.history else None
    users = history.users if history else _users(values, trained.dataset)
    if values.output:
        _write(values, trained, users, history)
    else:
        _show(values, trained, users, history)


def _users(values: flags.FlagValues, dataset: Dataset) -> AskedUsers:
    """The users that the flags name."""
    if values.all_users:
        return asked_users(dataset)
    if values.users_file:
        return users_of_file(dataset, values.users_file)
    return asked_users(dataset, values.user_ids or dataset.user_ids[:1])


def _write(
    values: flags.FlagValues, trained: "Run", users: AskedUsers, history: "NewHistories | None"
) -> None:
    from nmtr_tf.serving.recommendation import write_recommendations
    from nmtr_tf.serving.request import Request

    request = Request(
        mask=trained.config.evaluation.mask, probabilities=values.probabilities, **_asked(values, trained)
    )
    with progress_bar(values, len(users), " users", desc="recommending") as bar:
        written = write_recommendations(
            values.output,
            trained.model,
            trained.dataset,
            trained.view,
            users,
            request,
            bar.update,
            history,
            values.csv_safe,
        )
    text = f"{counted(written.num_rows, 'row')} for {counted(written.num_users, 'user')} "
    text += f"written to {values.output}"
    if history:
        text += passed_over(history, trained)
    elif unknown := users.why_unknown(trained.dataset, trained.learned):
        text += f"\n{len(unknown):,} of them get what is popular: {count_reasons(unknown.values())}"
    if written.num_empty:
        text += f"\n{written.num_empty:,} of them have no row: nothing is left to recommend to them"
    say(values, text)


def _asked(values: flags.FlagValues, trained: "Run") -> dict[str, Any]:
    """What the flags ask for, as `Run.recommend` and `Request` take it."""
    return {
        "k": values.k,
        "exclude": values.exclude,
        "exclude_items": items_of_flag(values, "exclude_items", trained.dataset) or (),
        "among": items_of_flag(values, "among", trained.dataset),
        "items": values.items or None,
        "memory_mb": values.memory_mb,
        "candidates": values.candidates,
    }


def _show(
    values: flags.FlagValues, trained: "Run", users: AskedUsers, history: "NewHistories | None"
) -> None:
    """Prints a table for each user."""
    from nmtr_tf.serving.explanations import explain
    from nmtr_tf.training.objectives import gives_probabilities

    given: dict[str, Any] = {"history": values.history} if history else {"user_ids": users}
    table = trained.recommend(**given, probabilities=True, **_asked(values, trained))
    learned = trained.learned.of_histories(history.matrix) if history else trained.learned
    known, unknown = learned.knows(users.rows), users.why_unknown(trained.dataset, learned)
    item_rows = pd.Index(trained.view.item_ids)
    shown = [trained.view.target_behavior] if gives_probabilities(trained.plan) else []
    behaviors = trained.plan.predicted if values.probabilities else shown
    matrix = history.matrix if history else histories_of(trained.view)
    for user_id, row, is_known in zip(users.ids.to_pylist(), users.rows.tolist(), known, strict=True):
        own = table[table["user"] == user_id]
        own = own.assign(row=item_rows.get_indexer(own["item"])).to_dict("records")
        reasons: list[str] = []
        if values.explain and is_known and own:
            items, stored = [line["row"] for line in own], None if history else row
            found = explain(trained.model, matrix[[row]], items, stored)
            reasons = found.reasons(trained.view.item_ids, trained.view.behaviors)
        name = printable(user_id)
        if not is_known:
            why = "no event that the run has learned of" if history else f"known: no, {unknown[user_id]}"
            text = for_unknown(f"For {name} ({why})", trained, own)
        elif history:
            text = for_new(name, matrix[[row]].nnz, own, behaviors, reasons)
        else:
            text = for_known(trained, name, row, own, behaviors, reasons)
        show(text + "\n")
    if history and (text := passed_over(history, trained)):
        say(values, text.strip())
