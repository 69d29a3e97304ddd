"""Other packages on the same purchases: RecBole's NeuMF and implicit's BPR beside `neumf` and `bpr`."""

import importlib.util
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.bare_step import bare_seconds
from experiments.benchmarks.data import BenchmarkData
from experiments.benchmarks.processes import ask
from experiments.benchmarks.ranking import clock_ranking, num_ranked
from experiments.benchmarks.rows import Rows, measured, medians, skipped
from experiments.benchmarks.setting import Setting
from experiments.benchmarks.step_clock import make_clock
from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.scorers import ModelScorer

# Package -> its model, our method, negatives a positive.
_MODELS = {"recbole": ("NeuMF", "neumf", 4), "implicit": ("BPR", "bpr", 1)}


def measure(setting: Setting) -> Rows:
    """Positives a second in training and users a second in full ranking, on the first data set."""
    data = setting.data[0]
    for package in setting.packages:
        what = f"{_MODELS[package][1]}, purchases of {data.name}"
        if importlib.util.find_spec(package) is None:
            yield skipped(f"{what}, beside {package}", "it is not installed: pip install '.[peers]'")
            continue
        try:
            theirs = _ask(package, data.view)
        except RuntimeError as error:
            yield skipped(f"{what}, beside {package}", f"it does not run: {str(error).splitlines()[-1]}")
            continue
        yield from _rows(setting, data, what, package, theirs)


def _ask(package: str, view: TrainingView) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        write_purchases(view, Path(folder))
        return ask("package_processes", package, folder)


def write_purchases(view: TrainingView, folder: Path) -> None:
    """Writes purchases.npz: the target's CSR rows (indptr, indices), num_items, test pairs int32 [n, 2]."""
    target = view.target
    np.savez(
        folder / "purchases.npz",
        indptr=target.indptr,
        indices=target.indices,
        num_items=target.shape[1],
        test=view.held_out["test"],
    )


def _rows(setting: Setting, data: BenchmarkData, what: str, package: str, theirs: Mapping[str, Any]) -> Rows:
    model, method, num_negatives = _MODELS[package]
    ours = make_clock(data.view, method, TrainingConfig(num_negatives=num_negatives))
    scorer = ModelScorer(ours.model)
    calls = {"train": ours.measurement(setting.block), "rank": clock_ranking(scorer, data.view)}
    seconds = medians(calls, setting.repeats)
    per_step = ours.sampler.num_pairs / ours.sampler.steps_per_epoch
    name = f"{package} {theirs['version']}, {model}"
    positives = setting.block * per_step / seconds["train"]
    yield measured(f"train {what}", positives, "positives/s", (name, theirs["positives"]))
    if scorer.network.has_one_product:
        bare = per_step / sum(bare_seconds(ours, setting.block, setting.repeats).values())
        text = f"train {what}: the bare operations of a step"
        yield measured(text, bare, "positives/s", (name, theirs["positives"]))
    users = num_ranked(scorer, data.view) / seconds["rank"]
    yield measured(f"rank {what}", users, "users/s", (name, theirs["users"]))
