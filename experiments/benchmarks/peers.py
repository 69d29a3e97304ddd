"""Other packages on the same purchases: RecBole's NeuMF and implicit's BPR beside `neumf` and `bpr`."""

import importlib.util
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.data import Dataset
from experiments.benchmarks.ours import make_training
from experiments.benchmarks.processes import ask
from experiments.benchmarks.ranking import clock_ranking, num_ranked
from experiments.benchmarks.rows import Rows, measured, medians, skipped
from experiments.benchmarks.setting import Setting
from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.evaluation.ranking import ModelScorer

# Peer -> its model, our method, negatives a positive.
_MODELS = {"recbole": ("NeuMF", "neumf", 4), "implicit": ("BPR", "bpr", 1)}


def measure(setting: Setting) -> Rows:
    """Positives a second in training and users a second in full ranking, on the first data set."""
    dataset = setting.datasets[0]
    for peer in setting.peers:
        what = f"{_MODELS[peer][1]}, purchases of {dataset.name}"
        if importlib.util.find_spec(peer) is None:
            yield skipped(f"{what}, beside {peer}", "it is not installed: pip install '.[peers]'")
            continue
        try:
            theirs = _ask_peer(peer, dataset.view)
        except RuntimeError as error:
            yield skipped(f"{what}, beside {peer}", f"it does not run: {str(error).splitlines()[-1]}")
            continue
        yield from _rows(setting, dataset, what, peer, theirs)


def _ask_peer(peer: str, view: Interactions) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        write_purchases(view, Path(folder))
        return ask("peer_processes", peer, folder)


def write_purchases(view: Interactions, folder: Path) -> None:
    """Writes purchases.npz: the target's CSR rows (indptr, indices), num_items, test pairs int32 [n, 2]."""
    target = view.target
    np.savez(
        folder / "purchases.npz",
        indptr=target.indptr,
        indices=target.indices,
        num_items=target.shape[1],
        test=view.held_out["test"],
    )


def _rows(setting: Setting, dataset: Dataset, what: str, peer: str, theirs: Mapping[str, Any]) -> Rows:
    model, method, num_negatives = _MODELS[peer]
    training = make_training(dataset.view, method, TrainingConfig(num_negatives=num_negatives))
    scorer = ModelScorer(training.model)
    calls = {"train": training.clock(setting.block), "rank": clock_ranking(scorer, dataset.view)}
    seconds = medians(calls, setting.repeats)
    per_step = training.sampler.num_pairs / training.sampler.steps_per_epoch
    name = f"{peer} {theirs['version']}, {model}"
    positives = setting.block * per_step / seconds["train"]
    yield measured(f"train {what}", positives, "positives/s", (name, theirs["positives"]))
    users = num_ranked(scorer, dataset.view) / seconds["rank"]
    yield measured(f"rank {what}", users, "users/s", (name, theirs["users"]))
