"""Behaviors in a partial order: prepared, trained, ranked, explained, exported and served."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import LEAST_SQUARES, call, refused

import nmtr_tf as nt
from nmtr_tf.cli import evaluate, export, prepare, recommend, train
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import network

FOUR = ("view", "share", "cart", "buy")
AFTER = ("share:view", "cart:view", "buy:share+cart")
SMALL: dict[str, Any] = {"embedding_dim": 4, "num_epochs": 2, "ks": (5,), "batch_size": 256}


def log() -> pd.DataFrame:
    """Users who view much, share and put into carts some of it, and buy what they did either of."""
    rng = np.random.default_rng(3)
    rows = []
    for user in range(40):
        viewed = rng.permutation(30)[:12]
        done = {"view": viewed, "share": viewed[2:7], "cart": viewed[5:10], "buy": viewed[4:8]}
        rows += [(f"u{user}", f"i{item}", name) for name, items in done.items() for item in items]
    return pd.DataFrame(rows, columns=["user", "item", "behavior"])


@pytest.fixture(scope="module")
def ordered() -> Dataset:
    return nt.prepare(log(), behaviors=FOUR, after=AFTER)


@pytest.fixture(scope="module")
def run(ordered, tmp_path_factory):
    """A run with a directory; to be read only."""
    workdir = tmp_path_factory.mktemp("order") / "run"
    return nt.fit(ordered, method="nmtr_gmf", workdir=workdir, item_bias=True, **SMALL)


@pytest.mark.slow
def test_a_run_takes_the_order_of_its_data_set(ordered, run, tmp_path):
    assert ordered.save(tmp_path / "data").header["after"] == list(AFTER)
    assert Dataset.load(tmp_path / "data").about["after"] == list(AFTER)
    assert run.config.data.after == AFTER
    assert nt.Run(run.workdir).plan.parents == run.plan.parents == ((), (0,), (0,), (1, 2))


@pytest.mark.slow
def test_the_targets_scores_count_every_ancestor_once(run):
    """(h_view + h_share + h_cart + h_buy) . (p * q) and the four biases, by NumPy."""
    net = network(run.model)
    (p, *_), (q, *_) = net.user_rows.all_rows(range(4)), net.item_rows.all_rows(range(4))
    h = sum(unit.h.numpy() for unit in net.cascade.units)
    biases = sum(bias.numpy() for bias in net.item_rows.all_biases(range(4)))
    scorer = ModelScorer(run.model)
    scores = scorer.scores(np.arange(3, dtype=np.int32), scorer.item_side())
    np.testing.assert_allclose(scores, (p.numpy()[:3] * h) @ q.numpy().T + biases, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_its_export_serves_the_same(run, tmp_path):
    path = run.export(tmp_path / "model", k=5).parent
    served = tf.saved_model.load(str(path / "1")).signatures["serving_default"]
    answer = served(user_id=tf.constant(["u3", "u7"]))
    table = run.recommend(["u3", "u7"], k=5)
    assert [one.decode() for one in answer["item_ids"].numpy().ravel()] == table["item"].tolist()
    np.testing.assert_allclose(answer["scores"].numpy().ravel(), table["score"], rtol=1e-5)
    assert json.loads((path / "1" / "model.json").read_text())["config"]["data"]["after"] == list(AFTER)
    card = (path / "1" / "MODEL_CARD.md").read_text()
    assert "share after view, cart after view, buy after share and cart" in card


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"objective": "whole_data"}], ids=["sampled", "whole data"])
def test_a_chain_that_is_spelled_out_is_the_chain(ordered, options):
    spelled = ("share:view", "cart:share", "buy:cart")
    plain = nt.prepare(log(), behaviors=FOUR)
    one, other = (
        nt.fit(data, method="nmtr_gmf", after=after, **options, **SMALL)
        for data, after in ((plain, ()), (ordered, spelled))
    )
    assert one.config.data.after == ()
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_of_some_behaviors(ordered):
    config = nt.RunConfig().with_options(behaviors=("view", "cart", "buy"))
    assert ordered.resolved(config).data.after == ("cart:view", "buy:view+cart")


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"train_mode": "sequential"},
        {"objective": "whole_data", **LEAST_SQUARES},
        {"method": "nmtr_neumf", "num_layers": 2},
        {"objective": "whole_data", "user_rows": "history"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_whatever_learns(ordered, options):
    run = nt.fit(ordered, **{"method": "nmtr_gmf", **SMALL, **options})
    losses = [logs["train/loss"] for logs in run.history]
    assert len(losses) >= 2
    assert np.isfinite(losses).all()
    assert run.plan.parents == ((), (0,), (0,), (1, 2))
    run.evaluate("test")
    assert len(run.ranks("test")) == 40


@pytest.mark.slow
def test_the_commands(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log().to_csv("events.csv", index=False)
    source = ["--source=log", "--input=events.csv", f"--behaviors={','.join(FOUR)}"]
    assert call(prepare, *source, f"--after={','.join(AFTER)}", "--dataset_dir=data") == 0
    small = ["--method=nmtr_gmf", "--embedding_dim=4", "--num_epochs=1", "--ks=5"]
    assert call(train, "--dataset_dir=data", "--workdir=run", *small) == 0
    assert call(evaluate, "--workdir=run") == 0
    assert call(recommend, "--workdir=run", "--user_ids=u3", "--k=3") == 0
    assert call(export, "--workdir=run", "--export_dir=model", "--k=3") == 0
    capsys.readouterr()
    line = refused(capsys, prepare, *source, "--after=cart:view,buy:cart", "--dataset_dir=other")
    assert "'share' has no way to the target 'buy'" in line
    line = refused(capsys, train, "--dataset_dir=data", "--workdir=w", "--after=view:buy,buy:view", *small)
    assert "has a circle: view after buy after view" in line
    assert not (tmp_path / "other").exists()
    assert not (tmp_path / "w").exists()


def test_refused(ordered):
    with pytest.raises(InputError, match="'share' has no way to the target"):
        nt.prepare(log(), behaviors=FOUR, after=("cart:view", "buy:cart"))
    with pytest.raises(InputError, match="expected behaviors of view, share, cart, buy"):
        nt.fit(ordered, method="nmtr_gmf", after=("buy:basket",))
