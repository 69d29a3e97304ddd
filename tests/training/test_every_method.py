"""Every method end to end: it learns, is saved and loaded, ranks, recommends and serves."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_view

from nmtr_tf.config import RunConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.methods import METHODS
from nmtr_tf.models.model import build_model, network
from nmtr_tf.models.plan import Plan, resolve
from nmtr_tf.serving.export import save_model
from nmtr_tf.serving.recommender import Recommender
from nmtr_tf.training.trainer import train

USERS, ITEMS = 12, 16
SEQUENTIAL = "nmtr_gmf, sequential"
CASES = [*METHODS, SEQUENTIAL]


@pytest.fixture(scope="module")
def checkerboard():
    """Even users like even items: the right answer is known, and one square of each user is held out."""
    squares = np.indices((USERS, ITEMS)).sum(axis=0) % 2 == 0
    test = [(user, user % 2 + 2 * (user // 2)) for user in range(USERS)]
    validation = [(user, (user % 2 + 2 * (user // 2) + 2) % ITEMS) for user in range(USERS)]
    buy = squares.copy()
    buy[tuple(zip(*test + validation, strict=True))] = False
    # What was viewed and not bought: negatives of the multi-channel methods.
    view = squares | (np.indices((USERS, ITEMS)).sum(axis=0) % 8 == 1)
    return make_view({"view": view, "buy": buy}, validation=validation, test=test)


@dataclasses.dataclass
class Case:
    """A trained method."""

    plan: Plan
    view: TrainingView
    config: RunConfig
    model: keras.Model
    initial: list[np.ndarray]
    logs: dict[str, float]
    path: Path
    checkpoint: Path


@pytest.fixture(scope="module")
def trained(checkerboard, tmp_path_factory):
    """Case -> the trained method, trained and saved once; Keras' own ModelCheckpoint was there too."""
    directory, cases = tmp_path_factory.mktemp("models"), {}

    def of(case):
        if case not in cases:
            method, _, mode = case.partition(", ")
            config = RunConfig().with_options(
                **{"method": method, "train_mode": mode or "multitask", "optimizer": "adagrad"},
                **{"embedding_dim": 8, "num_layers": 2, "embedding_stddev": 0.3},
                **{"num_epochs": 30, "batch_size": 32, "learning_rate": 0.1, "loss_reduction": "mean"},
                **{"monitor": "HR@1", "ks": (1,), "eval_every": 30, "patience": 0},
            )
            plan = resolve(config, checkerboard.behaviors)
            model = build_model(plan, USERS, ITEMS, seed=0)
            initial = model.get_weights()
            path, checkpoint = directory / f"{case}.keras", directory / f"{case} checkpoint.keras"
            saving = keras.callbacks.ModelCheckpoint(checkpoint, "train/loss", save_freq="epoch")
            logs = train(model, plan, checkerboard, config, [saving]).history[-1]
            model.save(path)
            cases[case] = Case(plan, checkerboard, config, model, initial, logs, path, checkpoint)
        return cases[case]

    return of


@pytest.mark.parametrize("case", CASES)
class TestMethod:
    def test_it_changes_every_weight_and_logs_every_loss(self, trained, case):
        done = trained(case)
        for old, weight in zip(done.initial, done.model.weights, strict=True):
            assert weight.trainable == np.any(old != np.array(weight)), weight.path
        last = done.plan.stages[-1].behaviors
        assert {f"train/loss_{name}" for name in last} <= set(done.logs)

    def test_it_knows_the_held_out_squares(self, trained, case):
        done = trained(case)
        ranks = rank_held_out(ModelScorer(done.model), done.view, "test", done.config.evaluation)
        assert ranks.ranks.max() < 2  # one more square of the color is held out
        assert done.logs["validation/HR@1"] > 0.2

    def test_loaded_it_ranks_as_before(self, trained, case):
        done = trained(case)
        loaded = keras.models.load_model(done.path)
        ranks, again = (
            rank_held_out(ModelScorer(model), done.view, "test", done.config.evaluation).ranks
            for model in (done.model, loaded)
        )
        np.testing.assert_array_equal(ranks, again)

    def test_what_it_recommends_is_what_it_serves(self, trained, case, tmp_path):
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

assert not any(name.startswith("nmtr_tf.training") for name in sys.modules)
for path in json.loads(sys.argv[1]):
    model = keras.models.load_model(path)
    made = type(model.optimizer)
    values = [*model.weights, *model.optimizer.variables]
    keras.src.saving  # the loaded parts are this project's
    print(json.dumps([made.__module__, made.__name__, [keras.ops.convert_to_numpy(x).tolist() for x in values]]))
"""


def test_a_fresh_process_loads_weights_and_optimizers_of_all_methods(trained):
    """After `import nmtr_tf.models`, with files of `save` and of Keras' own ModelCheckpoint."""
    cases = [trained(case) for case in CASES]
    files = [str(path) for case in cases for path in (case.path, case.checkpoint)]
    run = subprocess.run(
        [sys.executable, "-c", LOADER, json.dumps(files)], check=True, capture_output=True, text=True
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lines) == len(files)
    for case, (saved, checkpoint) in zip(cases, zip(lines[::2], lines[1::2], strict=True), strict=True):
        optimizer = case.model.optimizer
        expected = [np.array(value) for value in (*case.model.weights, *optimizer.variables)]
        for module, name, values in (saved, checkpoint):
            assert (module, name) == ("nmtr_tf.models.optimizers", "Adagrad")
            for one, value in zip(expected, values, strict=True):
                np.testing.assert_array_equal(np.array(value, one.dtype), one)
        assert int(optimizer.iterations) > 0
