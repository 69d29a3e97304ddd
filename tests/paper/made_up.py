"""Results that nobody measured, and a training that only pretends."""

import dataclasses
import zlib
from typing import Any

import numpy as np

from nmtr_tf.config import EvaluationConfig, RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.places import Places
from nmtr_tf.evaluation.ranks import Ranks
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.documents import Entry, Table
from nmtr_tf.paper.finished_cells import FinishedCells
from nmtr_tf.paper.question import Question
from nmtr_tf.paper.variants import Variant
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.info import RunInfo, now

KS = (50, 100)
METHODS_SHOWN = [Variant(name) for name in PAPER_METHODS]


def metrics_of(ranks: np.ndarray, ks=KS) -> dict[str, float]:
    """HR and NDCG of ranks."""
    return metrics_of_places(places_of(ranks), ks)


def metrics_of_places(places: Places, ks=KS) -> dict[str, float]:
    """HR and NDCG of places."""
    nobody = np.zeros(len(places.users), np.int32)
    ranks = Ranks(places.users, nobody, places.ranks, places.tied, nobody, 1000)
    return mean_metrics(ranks, EvaluationConfig(ks=ks))


def places_of(ranks: np.ndarray) -> Places:
    """Of one item a user, none level with another."""
    return Places(np.arange(len(ranks)), np.asarray(ranks, np.int64), np.ones(len(ranks), np.int64))


def result_of(name: str, center: float = 150.0, seed: int = 0, users: int = 400, **changes) -> CellResult:
    """A result with random ranks, the lower the center the better; its peak is twice its test metrics."""
    ranks = np.random.default_rng(seed).normal(center, 60, users).round().clip(0, 500)
    test = metrics_of(ranks)
    values: dict[str, Any] = {
        "name": name,
        "method": name.split("-")[0],
        "dataset": "beibei",
        "dataset_fingerprint": "abc",
        "dataset_behaviors": ("cart", "buy"),
        "protocol": "strict",
        "behaviors": ("cart", "buy"),
        "num_test_users": users,
        "curve_users": users,
        "num_parameters": 1000,
        "seed": 0,
        "given": (),
        "config": RunConfig(evaluation=EvaluationConfig(ks=KS)),
        "seconds": 90.0,
        "best_epoch": 1,
        "peak_memory_mib": 100,
        "device": "cpu",
        "hardware": "a CPU, 2 cores",
        "versions": {"tensorflow": "2.21.0"},
        "test": test,
        "groups": {},
        "peak": {metric: 2 * value for metric, value in test.items()},
        "heads": {"cart": {"num_pairs": 7, "HR@100": 0.5, "NDCG@100": 0.25}},
        "history": [{"epoch": 1, "train/loss": 0.6}, {"epoch": 2, "train/loss": 0.3}],
        "places": places_of(ranks),
    }
    return CellResult(**{**values, **changes})


def finished_of(*results: CellResult, **about) -> FinishedCells:
    """Results side by side."""
    shared = {"dataset": "beibei", "question": Question("strict"), "behaviors": ("cart", "buy"), **about}
    return FinishedCells(results={result.name: result for result in results}, **shared)


def entries_of(table: Table, label: str) -> dict[str, Entry]:
    """The entries of a row, by column."""
    (entries,) = (entries for name, entries in table.rows if name == label)
    return dict(zip(table.columns[1:], entries, strict=True))


def made_up_evaluation(dataset: Dataset, config: RunConfig, name: str) -> Evaluation:
    """An evaluation on test with random ranks, equal for equal names and seeds."""
    view = dataset.view(config)
    users, items = view.held_out["test"].T
    generator = np.random.default_rng([config.training.seed, zlib.crc32(name.encode())])
    ranks = generator.integers(0, view.num_items - 1, len(users))
    tied = np.ones(len(users), np.int64)
    candidates = np.full(len(users), view.num_items, np.int32)
    measured = Ranks(users, items, ranks, tied, candidates, view.num_items)
    return Evaluation.of(dataset, view, "test", measured, config.evaluation, {"method": name})


class PretendedRun:
    """What tables and figures ask of a run."""

    def __init__(self, dataset: Dataset, config: RunConfig):
        method, seed = config.model.method, config.training.seed
        self.config, self.dataset, self.view, self.model = config, dataset, dataset.view(config), None
        self.plan = resolve(config, config.data.behaviors)
        self._evaluation = made_up_evaluation(dataset, config, method)
        self.info = RunInfo(
            method=method,
            behaviors=config.data.behaviors,
            protocol=config.data.protocol,
            dataset_fingerprint=dataset.fingerprint,
            num_users=dataset.num_users,
            num_items=dataset.num_items,
            seed=seed,
            versions={"tensorflow": "2.21.0"},
            started=now(),
            status="finished",
            num_parameters=1000,
            best_epoch=1,
            best_value=0.5,
            seconds=3.0,
            num_evaluated={"validation": 10, "test": 10},
        )
        self.history = [self._epoch(number) for number in range(1, self.plan.num_epochs + 1)]

    def _epoch(self, number: int) -> dict[str, float]:
        metrics = {f"test/{name}": value / number for name, value in self._evaluation.metrics.items()}
        return {"epoch": number, "train/loss": 1 / number, **metrics, "seconds": 1.5}

    def evaluate(self, split, *, progress=None):
        assert split == "test"
        if progress:
            progress(len(self._evaluation.ranks))

    def evaluation(self, split):
        assert split == "test"
        return self._evaluation


@dataclasses.dataclass
class Pretence:
    """A `fit` that only pretends, and what it was called for."""

    trained: list[str] = dataclasses.field(default_factory=list)

    def fit(self, dataset, config, *, workdir, callbacks=(), overwrite=False):
        """Leaves a run directory with a config, run.json and a history, and no weights."""
        directory = RunDirectory(workdir)
        directory.check_free(overwrite)
        run = PretendedRun(dataset, config)
        directory.clear()
        directory.create(config, run.view, run.info)
        directory.write_info(run.info)
        self.trained.append(directory.path.name)
        return run

    def evaluate_baseline(self, dataset, name, split, config, *, progress=None, **options):
        """Random ranks."""
        return made_up_evaluation(dataset, config, name)


def install(patch: Any) -> Pretence:
    """Puts a pretence in the place of training and ranking, until the patch is undone."""
    pretence = Pretence()
    patch.setattr("nmtr_tf.runs.fit", pretence.fit)
    patch.setattr("nmtr_tf.evaluation.baselines.evaluate_baseline", pretence.evaluate_baseline)
    heads = {"cart": {"num_pairs": 7, "HR@10": 0.5, "NDCG@10": 0.25}}
    patch.setattr("nmtr_tf.paper.heads.head_metrics", lambda *_: heads)
    patch.setattr("keras.backend.clear_session", lambda: None)  # half a second, for no model
    return pretence
