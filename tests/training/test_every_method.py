"""Every method end to end: it learns, is saved and loaded, ranks, recommends and serves."""

import dataclasses
import functools
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import LEAST_SQUARES, make_view

from nmtr_tf.config import EvaluationConfig, RunConfig
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import Plan, resolve
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.methods.times import times_of
from nmtr_tf.models.network import network
from nmtr_tf.serving.export import save_model
from nmtr_tf.serving.recommender import Recommender
from nmtr_tf.training.trainer import train

USERS, ITEMS = 12, 16
BUCKETS, WINDOW = "nmtr_gmf, time buckets", "nmtr_neumf, time windows"
SEQUENTIAL, WHOLE_DATA, ALS = "nmtr_gmf, sequential", "nmtr_gmf, whole data", "nmtr_gmf, least squares"
OPTIONS: dict[str, dict[str, Any]] = {
    SEQUENTIAL: {"train_mode": "sequential"},
    BUCKETS: {"time_bias": "buckets", "user_rows": "both", "history_half_life": 20.0},
    WINDOW: {"time_bias": "window"},
    WHOLE_DATA: {"objective": "whole_data", "batch_size": 5, "dropout": 0.1},
    ALS: {"objective": "whole_data", **LEAST_SQUARES, "l2_unit": 0.1},
}
# Each group, loss and objective once; the rest is slow.
QUICK = ("bpr", "cmf", "mc_gmf", "nmtr_gmf", "nmtr_neumf", WHOLE_DATA)


def cases(names: Iterable[str]) -> list:
    """The slow ones of them marked as such."""
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


ALL = [*PAPER_METHODS, *OPTIONS]
CASES = cases(ALL)
# The others are served by the same graphs: what differs is how they were trained.
MORE_SERVED = ["bpr", "mlp", "neumf", "cmf", "mc_neumf", "nmtr_gmf", BUCKETS, WINDOW, WHOLE_DATA]
SERVED = cases(["nmtr_neumf", *MORE_SERVED])
CHECKPOINTS = ["nmtr_gmf", "nmtr_neumf", "mc_neumf", SEQUENTIAL]


@pytest.fixture(scope="module")
def checkerboard() -> TrainingView:
    """Even users like even items: the right answer is known. One square of each user is held out.

    What was done has random times of sixty days.
    """
    squares = np.indices((USERS, ITEMS)).sum(axis=0) % 2 == 0
    test = [(user, user % 2 + 2 * (user // 2)) for user in range(USERS)]
    squares[tuple(zip(*test, strict=True))] = False
    days = np.random.default_rng(0).uniform(0, 60, squares.shape)
    return make_view({"view": squares, "buy": squares}, days={"view": days, "buy": days}, test=test)


class LastEpoch(keras.callbacks.ModelCheckpoint):
    """Saves once."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.params["epochs"]:
            super().on_epoch_end(epoch, logs)


@dataclasses.dataclass
class Trained:
    """A trained method."""

    plan: Plan
    view: TrainingView
    evaluation: EvaluationConfig
    model: keras.Model
    initial: list[np.ndarray]
    history: list[dict[str, float]]
    path: Path
    checkpoint: Path


def train_case(case: str, view: TrainingView, directory: Path) -> Trained:
    """Trains and saves it; Keras' own ModelCheckpoint saves it too."""
    options: dict[str, Any] = {"method": case.partition(",")[0], "embedding_dim": 8, "num_layers": 2}
    options |= {"num_epochs": 40, "batch_size": 32, "learning_rate": 0.05, "loss_reduction": "mean"}
    options |= {"embedding_stddev": 0.1, "monitor": "HR@1", "ks": (1,)}
    config = RunConfig().with_options(**(options | OPTIONS.get(case, {})))
    plan = resolve(config, view.behaviors)
    model = build_model(plan, USERS, ITEMS, 0, histories_of(view), times_of(view, plan))
    initial = model.get_weights()
    path, checkpoint = directory / f"{case}.keras", directory / f"checkpoint of {case}.keras"
    history = train(model, plan, view, config, [LastEpoch(checkpoint, "train/loss")]).history
    model.save(path)
    return Trained(plan, view, config.evaluation, model, initial, history, path, checkpoint)


@pytest.fixture(scope="module")
def trained(checkerboard, tmp_path_factory):
    """Case -> the trained method, once for all tests."""
    directory = tmp_path_factory.mktemp("models")
    return functools.cache(lambda case: train_case(case, checkerboard, directory))


@pytest.mark.parametrize("case", CASES)
class TestEveryMethod:
    """On the checkerboard."""

    def test_it_changes_every_weight_and_every_loss_falls(self, trained, case):
        done = trained(case)
        for old, weight in zip(done.initial, done.model.weights, strict=True):
            assert weight.trainable == np.any(old != np.array(weight)), weight.path
        logged = {
            name.removeprefix("train/loss_") for logs in done.history for name in logs if "/loss_" in name
        }
        assert logged == set(done.plan.predicted)
        num_epochs = done.plan.stages[-1].num_epochs
        losses = [logs["train/loss"] for logs in done.history[-num_epochs:]]
        assert losses[-1] < 0.95 * losses[0]

    def test_it_knows_the_held_out_squares(self, trained, case):
        done = trained(case)
        ranks = rank_held_out(ModelScorer(done.model), done.view, "test", done.evaluation)
        assert np.mean(ranks.ranks == 0) > 0.9
        assert set(ranks.num_candidates) == {ITEMS // 2 + 1}


@pytest.mark.parametrize("case", SERVED)
def test_loaded_it_ranks_as_before(trained, case):
    done = trained(case)
    loaded = keras.models.load_model(done.path)
    ranks, again = (
        rank_held_out(ModelScorer(model), done.view, "test", done.evaluation).ranks
        for model in (done.model, loaded)
    )
    np.testing.assert_array_equal(ranks, again)


@pytest.mark.parametrize(
    "case", ["nmtr_neumf", *(pytest.param(one, marks=pytest.mark.slow) for one in MORE_SERVED)]
)
def test_what_it_recommends_is_what_it_serves(trained, case, tmp_path):
    done = trained(case)
    model, view, users = done.model, done.view, np.arange(5, dtype=np.int32)
    (found,) = Recommender(ModelScorer(model)).recommend(users, 3, probabilities=True)
    assert set(found.probabilities) == set(done.plan.predicted)
    signatures = save_model(tmp_path / "served", model, view, 3, view.target)
    is_inner_product = network(model).is_inner_product
    assert ("user_embeddings" in signatures) == is_inner_product
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    ids = [
        [str(one) for one in view.user_ids[users]],
        [str(one) for one in view.item_ids[found.items[:, 0]]],
    ]
    scored = served["score"](user_id=tf.constant(ids[0]), item_id=tf.constant(ids[1]))
    for name, probabilities in found.probabilities.items():
        np.testing.assert_allclose(scored[name], probabilities[:, 0], rtol=1e-4, atol=1e-6)
    if is_inner_product:
        parts = [
            served[f"{kind}_embeddings"](**{f"{kind}_id": tf.constant(some)})["embedding"].numpy()
            for kind, some in zip(("user", "item"), ids, strict=True)
        ]
        np.testing.assert_allclose(np.sum(parts[0] * parts[1], axis=1), found.scores[:, 0], rtol=1e-4)


LOADER = """
import json, sys
import nmtr_tf.models
import keras

print(json.dumps([name for name in keras.saving.get_custom_objects() if name.startswith("nmtr_tf>")]))
for path in json.loads(sys.argv[1]):
    model = keras.models.load_model(path)
    kind = type(model.optimizer)
    values = [keras.ops.convert_to_numpy(x).tolist() for x in (*model.weights, *model.optimizer.variables)]
    print(json.dumps([kind.__module__, kind.__name__, values]))
assert not any(name.startswith("nmtr_tf.training") for name in sys.modules)
"""


@pytest.mark.slow
def test_a_fresh_process_loads_weights_and_optimizers_of_all_methods(trained):
    """After `import nmtr_tf.models` alone; files of `save` and of Keras' own ModelCheckpoint."""
    files = {trained(case).path: trained(case).model for case in ALL}
    files |= {trained(case).checkpoint: trained(case).model for case in CHECKPOINTS}
    command = [sys.executable, "-c", LOADER, json.dumps([*map(str, files)])]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    registered, *lines = printed.splitlines()
    classes = "Adagrad Adam BucketItems Cascade GMF HistoryRows ItemRows Linear MF MLP NeuMF "
    classes += "NormalizedItems PlaceRows PlusLinear PooledRows SummedItems SummedRows TableRows WindowItems"
    assert sorted(json.loads(registered)) == [f"nmtr_tf>{name}" for name in classes.split()]
    by_gradient = {id(trained(case).model) for case in ALL if case != ALS}
    for model, line in zip(files.values(), lines, strict=True):
        module, name, values = json.loads(line)
        assert (module, name) == ("nmtr_tf.models.optimizers", "Adagrad")
        expected = [np.array(value) for value in (*model.weights, *model.optimizer.variables)]
        assert (int(model.optimizer.iterations) > 0) == (id(model) in by_gradient)
        for one, value in zip(expected, values, strict=True):
            np.testing.assert_array_equal(np.array(value, one.dtype), one)
