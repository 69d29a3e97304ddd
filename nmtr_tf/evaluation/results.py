"""What an evaluation leaves behind: metrics_<split>.json and ranks_<split>.parquet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.dataset import Interactions
from nmtr_tf.evaluation.groups import held_out_groups
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import Ranks
from nmtr_tf.files import new_file, write_json


def write_results(
    directory: str | Path,
    split: str,
    interactions: Interactions,
    view: Interactions,
    ranks: Ranks,
    config: EvaluationConfig,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes the metrics (for people and programs) and the ranks (for comparisons) of an evaluation.

    The table of ranks has raw ids: user, item, rank (float64, 0-based), num_candidates (int32).

    Args:
        directory: Where to write.
        split: "validation" or "test".
        interactions: The data set; what users had done before, for the groups, is read from it.
        view: Its training view that was ranked against.
        ranks: The ranks.
        config: Cut-offs, mask and groups.
        about: Further entries of the metrics file (which run, which epoch, ...).

    Returns:
        What the metrics file holds: facts, the metrics ("HR@50": ...) and, under "groups", the same for each
        group of `nmtr_tf.evaluation.groups`.
    """
    directory = Path(directory)
    before = interactions.training_view(view.behaviors, "released")
    members = held_out_groups(before, ranks.users, ranks.items, config.groups)
    metrics = {
        "split": split,
        "protocol": view.protocol,
        "mask": config.mask,
        "behaviors": list(view.behaviors),
        "dataset_fingerprint": view.fingerprint,
        "num_pairs": len(ranks.ranks),
        **about,
        **mean_metrics(ranks.ranks, config.ks),
        "groups": {
            name: {"num_pairs": int(chosen.sum()), **mean_metrics(ranks.ranks[chosen], config.ks)}
            for name, chosen in members.items()
        },
    }
    table = pa.table(
        {
            "user": pa.array(view.user_ids[ranks.users]),
            "item": pa.array(view.item_ids[ranks.items]),
            "rank": ranks.ranks,
            "num_candidates": ranks.num_candidates,
        }
    )
    with new_file(directory / f"ranks_{split}.parquet") as path:
        pq.write_table(table, path)
    write_json(directory / f"metrics_{split}.json", metrics)
    return metrics
