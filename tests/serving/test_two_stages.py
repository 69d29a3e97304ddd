"""Lists in two stages: by hand, against ranking everything, and what the first stage misses."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS, call, make_view, refused

from nmtr_tf.cli import export, recommend, train
from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.serving.two_stages import TwoStages, fit_two_stages
from serving.exports import Exported, random_model

USERS, ITEMS, K = 30, 40, 5
RNG = np.random.default_rng(7)
DONE = {name: RNG.random((USERS, ITEMS)) < 0.2 for name in BEHAVIORS}
NEUMF: dict[str, Any] = {"method": "nmtr_neumf", "embedding_dim": 8, "num_layers": 2, "embedding_stddev": 0.5}


@pytest.fixture(scope="module")
def view():
    return make_view(DONE)


@pytest.fixture(scope="module")
def scorer(view):
    return ModelScorer(random_model(RunConfig().with_options(**NEUMF), view))


class Linear:
    """Scores that are products of vectors with three dimensions, which have a bias."""

    pair_floats = 1
    network = SimpleNamespace(
        behaviors=("buy",),
        cascade=SimpleNamespace(units=[SimpleNamespace(adds_up=False)], terms=lambda r: (0,)),
    )

    def __init__(self):
        rng = np.random.default_rng(0)
        self.users, self.items = rng.normal(size=(USERS, 3)), rng.normal(size=(3, ITEMS))
        self.bias = rng.normal(size=ITEMS)
        self.all = (self.users @ self.items + self.bias).astype(np.float32)

    def item_side(self):
        return ()

    def scores(self, users, side):
        return tf.constant(self.all[users.numpy()])


def test_scores_of_few_dimensions_are_found_by_the_first_stage_as_they_are(view, monkeypatch):
    monkeypatch.setattr("nmtr_tf.serving.two_stages.NUM_ANCHORS", 6)
    monkeypatch.setattr("nmtr_tf.serving.two_stages._RIDGE", 1e-9)
    linear: Any = Linear()
    stages, found = fit_two_stages(linear, view, candidates=8, k=K)
    of_anchors = linear.all[:, stages.anchors.numpy()]
    np.testing.assert_allclose(stages.first(tf.constant(of_anchors)), linear.all, atol=2e-3)
    assert (found.recall, found.users, found.held_out, found.anchors) == (1.0, USERS, False, 6)


def test_the_regression_is_ridge_and_what_it_misses_is_counted(view, scorer, monkeypatch):
    monkeypatch.setattr("nmtr_tf.serving.two_stages.NUM_ANCHORS", 4)
    stages, found = fit_two_stages(scorer, view, candidates=9, k=K, seed=3, most_users=18)
    everything = scorer.scores(tf.range(USERS), scorer.item_side()).numpy().astype(float)
    rng = np.random.default_rng(3)
    users = rng.permutation(USERS)
    anchors = np.sort(rng.permutation(ITEMS)[:4])
    np.testing.assert_array_equal(stages.anchors, anchors)
    own = np.c_[everything[users[:18]][:, anchors], np.ones(18)]
    gram = own.T @ own
    weights = np.linalg.inv(gram + 1e-4 * np.trace(gram) / 5 * np.eye(5)) @ own.T @ everything[users[:18]]
    np.testing.assert_allclose(stages.weights, weights, rtol=2e-3, atol=2e-4)
    shares = []
    for user in users[18:]:
        first = np.append(everything[user, anchors], 1) @ weights
        candidates, best = np.argsort(-first)[:9], np.argsort(-everything[user])[:K]
        shares.append(np.isin(best, candidates).mean())
    assert 0.1 < found.recall < 1
    assert found.recall == pytest.approx(np.mean(shares))
    assert (found.users, found.held_out) == (12, True)


def test_the_best_of_the_candidates_by_hand():
    stages = TwoStages(np.array([0], np.int32), np.zeros((2, 6), np.float32), candidates=4)
    first = tf.constant([[9, 8, -np.inf, 7, 6, 5], [-np.inf, 1, -np.inf, -np.inf, 2, -np.inf]], tf.float32)
    exact = np.array([[0, 3, 9, 3, 1, 9], [5, 4, 5, 5, 6, 5]], np.float32)
    values, items = stages.best(first, lambda found: tf.gather(tf.constant(exact), found, batch_dims=1), 3)
    assert values.numpy().tolist() == [[3, 3, 1], [6, 4, -np.inf]]  # equal ones by item; 5 was no candidate
    assert items.numpy()[0].tolist() == [1, 3, 4]
    assert items.numpy()[1, :2].tolist() == [4, 1]


@pytest.fixture(scope="module")
def both(tmp_path_factory, view):
    """The same model, exported to rank all and, from nearly all, in two stages."""
    config = RunConfig().with_options(**NEUMF)
    folders = tmp_path_factory.mktemp("all"), tmp_path_factory.mktemp("two")
    return [
        Exported(folder, config, view, k=K, candidates=candidates)
        for folder, candidates in zip(folders, (0, ITEMS - 1), strict=True)
    ]


@pytest.mark.slow
def test_an_export_in_two_stages_gives_the_lists_of_one_that_ranks_all(both):
    everything, two = both
    asked = {"user_id": [*two.users, "nobody"]}
    excluded = {**asked, "exclude_item_ids": [two.items[:3]] * (USERS + 1)}
    for signature, inputs in {"serving_default": asked, "recommend_excluding": excluded}.items():
        one, other = everything.ask(signature, **inputs), two.ask(signature, **inputs)
        for name, values in one.items():
            if name == "scores":
                np.testing.assert_allclose(other[name], values, rtol=1e-5, atol=1e-6)
            else:
                np.testing.assert_array_equal(other[name], values)


@pytest.mark.slow
def test_the_commands(shop_dir, tmp_path, capsys):
    run, flags = f"--workdir={tmp_path}/run", [f"--dataset_dir={shop_dir}", "--num_epochs=1", "--quiet"]
    assert call(train, *flags, run, "--method=nmtr_mlp", "--embedding_dim=8", "--ks=5") == 0
    assert call(export, run, f"--export_dir={tmp_path}/models", "--k=5", "--candidates=20") == 0
    card = json.loads((tmp_path / "models" / "1" / "model.json").read_text())["two_stages"]
    share = f"Of the 5 best items by the model alone {100 * card['recall']:.2f} %"
    assert (card["candidates"], card["k"], card["recall"] > 0.5) == (20, 5, True)
    assert share in " ".join((tmp_path / "models" / "1" / "MODEL_CARD.md").read_text().split())
    assert f"of the 5 best items {100 * card['recall']:.2f} %" in capsys.readouterr().out
    lists = [tmp_path / f"{name}.csv" for name in ("all", "two")]
    for path, more in zip(lists, ([], ["--candidates=27"]), strict=True):
        assert call(recommend, run, "--all_users", "--k=5", f"--output={path}", *more, "--quiet") == 0
    assert lists[0].read_text() == lists[1].read_text()
    line = refused(capsys, recommend, run, "--user_ids=user-0001", "--k=5", "--candidates=3")
    assert "--candidates should be at least --k=5" in line


@pytest.mark.parametrize(
    ("candidates", "k", "message"),
    [(4, 5, "`candidates` should be at least `k=5`"), (ITEMS, 5, "less than the 40 items of the data set")],
)
def test_candidates_that_make_no_sense_are_refused(view, scorer, candidates, k, message):
    with pytest.raises(InputError, match=message):
        fit_two_stages(scorer, view, candidates, k)


def test_models_of_products_are_refused(view):
    model = random_model(RunConfig().with_options(method="nmtr_gmf", embedding_dim=4), view)
    with pytest.raises(InputError, match=r"`candidates=9` goes with units that have towers"):
        fit_two_stages(ModelScorer(model), view, 9, 5)
