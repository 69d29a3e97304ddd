"""What an evaluation leaves behind: metrics_<split>.json and ranks_<split>.parquet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import Ranks
from nmtr_tf.files import new_file, write_json


def write_results(
    directory: str | Path,
    split: str,
    view: Interactions,
    ranks: Ranks,
    config: EvaluationConfig,
    about: Mapping[str, Any],
) -> dict[str, float]:
    """Writes the metrics (for people and programs) and the ranks (for comparisons) of an evaluation.

    The table of ranks has raw ids: user, item, rank (float64, 0-based), num_candidates (int32).

    Args:
        directory: Where to write.
        split: "validation" or "test".
        view: The training view that was ranked against.
        ranks: The ranks.
        config: Cut-offs and mask.
        about: Further entries of the metrics file (which run, which epoch, ...).

    Returns:
        The metrics: {"HR@50": ..., "NDCG@50": ..., ...}.
    """
    directory = Path(directory)
    metrics = mean_metrics(ranks.ranks, config.ks)
    header = {
        "split": split,
        "protocol": view.protocol,
        "mask": config.mask,
        "behaviors": list(view.behaviors),
        "dataset_fingerprint": view.fingerprint,
        "num_pairs": len(ranks.ranks),
        **about,
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
    write_json(directory / f"metrics_{split}.json", {**header, **metrics})
    return metrics
