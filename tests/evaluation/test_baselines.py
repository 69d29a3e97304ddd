"""References and linear peers, against scores and ranks worked by hand."""

import dataclasses
import json
import sys

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import call, make_interactions, refused

from nmtr_tf.cli import evaluate
from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.events import Events
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import linear as peers
from nmtr_tf.evaluation.baselines import rules as references
from nmtr_tf.evaluation.baselines.rules import REFERENCES, available_references, build_reference
from nmtr_tf.evaluation.ranking import rank_held_out

VIEW = make_interactions(
    {
        "view": [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0]],
        "cart": [[0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0]],
        "buy": [[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1]],
    },
    test=[(0, 2), (1, 4), (2, 3)],
)
EVENTS = Events(
    users=VIEW.user_ids,
    items=VIEW.item_ids,
    behaviors=VIEW.behaviors,
    # The purchases in order of time, then held-out ones and a cart, later than all.
    user=np.array([0, 2, 2, 1, 0, 1, 2, 1], np.int32),
    item=np.array([0, 4, 5, 5, 2, 4, 3, 4], np.int32),
    behavior=np.array([2, 2, 2, 2, 2, 2, 2, 1], np.int8),
    timestamp=np.array([10, 20, 30, 40, 90, 90, 90, 99]),
)


def scores(scorer, num_users=3):
    return np.asarray(scorer.scores(tf.range(num_users), scorer.item_side()))


def ranks(scorer, view=VIEW, **config):
    return rank_held_out(scorer, view, "test", EvaluationConfig(**config)).ranks


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("popularity", [1, 0, 0, 0, 1, 2]),  # purchases 1 0 0 0 1 2
        ("popularity_all", [1, 1, 0, 0, 2, 2]),  # rows 2 2 1 1 3 3
        ("recency", [0, 0, 0, 0, 1, 2]),  # 1 x 0^4, 0, 0, 0, 1 x (4/6)^4, 2 x (5/6)^4
        ("recency_time", [1, 0, 0, 0, 2, 3]),  # (1/4)^4, 0, 0, 0, (2/4)^4, (3/4)^4 + (4/4)^4
    ],
)
def test_orders(name, order):
    np.testing.assert_array_equal(scores(build_reference(name, VIEW, EVENTS)), [order] * 3)


def test_weaker_first_by_hand():
    expected = [
        [1, 6 + 0, 3 + 0, 0, 1, 2],  # carted 1, viewed 2, bought 0; three values of popularity
        [1, 0, 0, 3 + 0, 6 + 1, 2],  # viewed and carted 4, viewed 3, carted and bought 5
        [1, 0, 0, 0, 1, 2],
    ]
    np.testing.assert_array_equal(scores(build_reference("weaker_first", VIEW)), expected)


@pytest.mark.parametrize(
    ("name", "mask", "expected"),
    [
        # User 0: 4 and 5 above item 2, 1 and 3 level. User 1: 0 level. User 2: 0 above, 1 and 2 level.
        ("popularity", "target", [3.0, 0.5, 2.0]),
        ("popularity", "none", [4.0, 1.5, 4.0]),
        ("weaker_first", "target", [1.0, 0.0, 2.0]),
        ("weaker_first", "none", [1.0, 0.0, 4.0]),
    ],
)
def test_masks_and_ties_are_those_of_the_ranking(name, mask, expected):
    np.testing.assert_array_equal(ranks(build_reference(name, VIEW), mask=mask), expected)


def test_validation_purchases_are_masked_at_test():
    view = dataclasses.replace(VIEW, held_out={**VIEW.held_out, "validation": np.array([[0, 5]], np.int32)})
    np.testing.assert_array_equal(ranks(build_reference("popularity", view), view), [2.0, 0.5, 2.0])


def test_chunks_pick_their_own_users():
    scorer = build_reference("weaker_first", VIEW)
    chosen = scorer.scores(tf.constant([1, 0, 1]), scorer.item_side())
    np.testing.assert_array_equal(chosen, scores(scorer)[[1, 0, 1]])


def test_one_behavior_has_nothing_weaker():
    view = VIEW.training_view(["buy"])
    np.testing.assert_array_equal(
        scores(build_reference("weaker_first", view)), scores(build_reference("popularity", view))
    )


def test_random_depends_on_seed_and_user_alone():
    scorer = build_reference("random", VIEW, seed=5)
    first = scores(scorer)
    np.testing.assert_array_equal(scores(build_reference("random", VIEW, seed=5)), first)
    np.testing.assert_array_equal(scorer.scores(tf.constant([2]), scorer.item_side()), first[2:])
    assert len(np.unique(first)) == first.size
    assert (scores(build_reference("random", VIEW, seed=6)) != first).all()


def test_random_ranks_are_uniform():
    view = make_interactions({"buy": np.zeros((2000, 20))}, test=[(user, 7) for user in range(2000)])
    found = ranks(build_reference("random", view), view)
    assert found.mean() == pytest.approx(9.5, abs=0.5)  # 4 standard errors
    assert np.bincount(found.astype(int), minlength=20).min() > 60


def test_close_values_stay_apart_and_ties_stay_ties():
    values = np.array([1e9, 1e9 + 1, 1e9, 1e-30, 2e-30, 0])
    np.testing.assert_array_equal(references.dense_ranks(values), [3, 4, 3, 1, 2, 0])
    assert references.dense_ranks(values).dtype == np.float32


def test_a_reference_must_be_known_and_have_its_times():
    with pytest.raises(InputError, match=r"one of random, popularity, .* Received: 'fame'"):
        build_reference("fame", VIEW)
    timeless = dataclasses.replace(EVENTS, timestamp=None)
    for events in (None, timeless):
        with pytest.raises(InputError, match="recency_time needs times"):
            build_reference("recency_time", VIEW, events)
    assert available_references(EVENTS) == list(REFERENCES)
    assert available_references(timeless) == [name for name in REFERENCES if name != "recency_time"]


def checkerboard(num=50):
    """Users want the items of their own parity; the one on the diagonal is held out."""
    rows, columns = np.indices((num, num))
    wanted = (rows + columns) % 2 == 0
    np.fill_diagonal(wanted, False)
    return make_interactions({"view": np.eye(num), "buy": wanted}, test=[(user, user) for user in range(num)])


def test_ease_is_its_closed_form():
    rng = np.random.default_rng(0)
    dense = (rng.random((40, 12)) < 0.3).astype(float)
    view = make_interactions({"buy": dense})
    inverse = np.linalg.inv(dense.T @ dense + 3 * np.eye(12))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    scorer = peers.fit_ease(view.target, 3.0)
    np.testing.assert_allclose(scores(scorer, 40), dense @ weights, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", peers.PEERS)
def test_peers_fill_in_the_checkerboard(name):
    if name.startswith("ials"):
        pytest.importorskip("implicit")
    view = checkerboard().training_view((), "strict")
    peer = peers.PEERS[name]
    setting = 10.0
    np.testing.assert_array_equal(ranks(peer.scorer(view, setting), view), np.zeros(50))


def test_all_as_one_is_the_union():
    union = np.max([matrix.toarray() for matrix in VIEW.matrices.values()], axis=0)
    np.testing.assert_array_equal(peers.all_as_one(VIEW).toarray(), union)
    np.testing.assert_array_equal(peers.target_only(VIEW).toarray(), VIEW.target.toarray())


def test_ials_repeats_and_alpha_matters():
    pytest.importorskip("implicit")
    view = checkerboard()
    first = scores(peers.fit_ials(view.target, 10.0), 50)
    np.testing.assert_array_equal(scores(peers.fit_ials(view.target, 10.0), 50), first)
    assert (scores(peers.fit_ials(view.target, 1.0), 50) != first).any()


def test_ials_without_implicit_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(InputError, match="pip install implicit"):
        peers.fit_ials(VIEW.target)


def test_evaluate_looks_for_implicit_before_it_ranks(shop_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    flags = [f"--dataset_dir={shop_dir}", f"--output_dir={tmp_path}/x"]
    assert "pip install implicit" in refused(capsys, evaluate, "--reference=popularity,ials_all", *flags)
    assert not list(tmp_path.iterdir())


def test_ease_refuses_what_it_cannot_hold_or_invert(monkeypatch):
    with pytest.raises(InputError, match="--ease_lambda should be positive"):
        peers.fit_ease(VIEW.target, 0.0)
    monkeypatch.setattr(peers, "MAX_EASE_ITEMS", 5)
    with pytest.raises(InputError, match=r"takes 5 items at most\. Received: 6"):
        peers.fit_ease(VIEW.target)


def test_evaluate_writes_a_directory_for_each_reference_and_one_table(shop_dir, tmp_path, capsys):
    flags = [f"--dataset_dir={shop_dir}", f"--output_dir={tmp_path}", "--ks=5,10"]
    assert call(evaluate, "--reference=all,ease", *flags) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith("test, protocol strict, mask target")
    assert [line.split()[0] for line in out.splitlines()[3:]] == [*REFERENCES, "ease"]
    assert {path.name for path in tmp_path.iterdir()} == {*REFERENCES, "ease"}
    for name in REFERENCES:
        metrics = json.loads((tmp_path / name / "metrics_test.json").read_text())
        found = pd.read_parquet(tmp_path / name / "ranks_test.parquet")["rank"]
        assert (metrics["method"], metrics["validation"], metrics["protocol"]) == (name, "none", "strict")
        assert metrics["HR@5"] == pytest.approx((found < 5).mean())
    assert json.loads((tmp_path / "ease" / "metrics_test.json").read_text())["ease_lambda"] == 500.0


def test_evaluate_ranks_references_on_validation(shop_dir, tmp_path):
    flags = [f"--dataset_dir={shop_dir}", f"--output_dir={tmp_path}", "--quiet"]
    assert call(evaluate, "--reference=popularity", "--split=validation", *flags) == 0
    assert json.loads((tmp_path / "popularity/metrics_validation.json").read_text())["validation"] == "random"


def test_all_leaves_recency_time_out_where_there_are_no_times(leaky_dir, tmp_path, capsys):
    flags = [f"--dataset_dir={leaky_dir}", f"--output_dir={tmp_path}"]
    assert call(evaluate, "--reference=all", *flags) == 0
    assert "recency_time is left out: the data set has no times." in capsys.readouterr().out
    assert not (tmp_path / "recency_time").exists()
    assert "recency_time needs times" in refused(capsys, evaluate, "--reference=recency_time", *flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--reference=fame"], "--reference should name some of all, peers, random, popularity"),
        (["--reference=all", "--workdir=run"], "exclude each other"),
        (["--reference=all", "--output_dir="], "--output_dir is needed"),
        (["--reference=all", "--dataset_dir="], "--dataset_dir is needed"),
        (["--reference=all", "--dataset_dir=nowhere"], "no data set here"),
        (["--reference=all", "--split=validation", "--validation=none"], "no validation pairs"),
        (["--reference=ease", "--ease_lambda=0"], "--ease_lambda should be positive"),
        (["--reference=ials", "--ials_alpha=-1"], "ials_alpha"),
        (["--reference=", "--workdir=run"], "--output_dir goes with --reference"),
    ],
)
def test_evaluate_refuses_references(shop_dir, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, evaluate, f"--dataset_dir={shop_dir}", "--output_dir=x", *flags)
    assert not list(tmp_path.iterdir())
