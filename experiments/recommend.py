"""Recommend items to users of a trained run, beside what they did before.

Example:
    python -m experiments.recommend --workdir=out/demo --user_ids=user-0003 --k=5
"""

import sys

import numpy as np
from absl import flags

from experiments import cli
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.errors import InputError
from nmtr_tf.reporting.tables import format_table

FLAGS = cli.new_flags()
flags.DEFINE_string("workdir", None, "Run directory of experiments.train.", flag_values=FLAGS)
flags.DEFINE_string(
    "dataset_dir", "", "Where the run's data set is now; empty: as trained.", flag_values=FLAGS
)
flags.DEFINE_list("user_ids", [], "Users, by the ids of the log; empty: the first one.", flag_values=FLAGS)
flags.DEFINE_integer("k", 10, "Items for each user.", lower_bound=1, flag_values=FLAGS)


def main(argv=None) -> int:
    """Entry point."""
    return cli.run(_recommend, FLAGS, __doc__, argv)


def _recommend(values: flags.FlagValues) -> None:
    cli.require(values, "workdir")
    cli.import_tensorflow()
    from nmtr_tf.evaluation.ranking import ModelScorer, masked_items
    from nmtr_tf.serving.recommendation import recommend
    from nmtr_tf.training.run import Run

    run = Run(values.workdir)
    view = run.view(run.interactions(values.dataset_dir))
    users = _rows(view, values.user_ids)
    if values.k > view.num_items:
        raise InputError(f"--k={values.k} is more than the {view.num_items} items of the data set.")
    scorer = ModelScorer(run.load_model())
    found = recommend(scorer, users, values.k, masked_items(view, "test", "target"))
    for user, items, scores in zip(found.users, found.items, found.scores, strict=True):
        history = ", ".join(f"{matrix[[user]].nnz} {name}" for name, matrix in view.matrices.items())
        rows = [
            [rank, view.item_ids[item], float(1 / (1 + np.exp(-score))), _shown(view, user, item)]
            for rank, (item, score) in enumerate(zip(items, scores, strict=True), start=1)
            if np.isfinite(score)
        ]
        columns = ["rank", "item", f"probability of {view.target_behavior}", "shown before"]
        print(format_table(f"For {view.user_ids[user]}, who did {history}:", columns, rows) + "\n")


def _rows(view: Interactions, ids: list[str]) -> np.ndarray:
    if not ids:
        return np.zeros(1, np.int32)
    row_of = {str(raw): row for row, raw in enumerate(view.user_ids)}
    if unknown := [name for name in ids if name not in row_of]:
        raise InputError(
            f"--user_ids: {unknown[0]!r} is no user of the data set; expected ids such as "
            f"{view.user_ids[0]!r}."
        )
    return np.array([row_of[name] for name in ids], np.int32)


def _shown(view: Interactions, user: int, item: int) -> str:
    return ", ".join(name for name, matrix in view.matrices.items() if matrix[user, item]) or "-"


if __name__ == "__main__":
    sys.exit(main())
