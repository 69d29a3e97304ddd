"""The parts of a score add up to it."""

from typing import Any

import numpy as np
import pytest
from conftest import BEHAVIORS, make_view

from nmtr_tf.config import RunConfig
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.times import times_of
from nmtr_tf.models.network import network
from nmtr_tf.serving.explanations import explain
from nmtr_tf.serving.new_histories import HistoryScorer

USERS, ITEMS, ALPHA = 5, 6, 0.7
RNG = np.random.default_rng(5)
DONE = {name: RNG.random((USERS, ITEMS)) < 0.5 for name in BEHAVIORS}
for _matrix in DONE.values():
    _matrix[2] = False  # a user without a history
VIEW = make_view(DONE, days={name: RNG.uniform(0, 60, (USERS, ITEMS)) for name in DONE})
BITS = histories_of(VIEW)
GMF: dict[str, Any] = {"objective": "whole_data", "embedding_dim": 4, "history_alpha": ALPHA}
CASES: dict[str, dict[str, Any]] = {
    "history": {**GMF, "user_rows": "history"},
    "shared": {**GMF, "user_rows": "history", "history_items": "shared"},
    "both": {**GMF, "user_rows": "both", "units": ("mf", "gmf", "gmf")},
    "two parents": {**GMF, "user_rows": "history", "after": ("buy:view+cart",)},
    "by age": {**GMF, "user_rows": "history", "history_half_life": 20.0},
    "in time": {"user_rows": "both", "embedding_dim": 4, "time_bias": "buckets", "history_half_life": 20.0},
    "cosine": {**GMF, "user_rows": "both", "objective": "contrastive"},
    "linear": {"method": "nmtr_linear"},
    "rank": {"method": "nmtr_linear", "linear_rank": 3, "linear_gates": (0.2, 0.6, 1.5)},
    "sum of rank": {"method": "nmtr_linear_gmf", "embedding_dim": 4, "linear_rank": 2},
    "linear by age": {"method": "nmtr_linear", "history_half_life": 20.0},
    "sum by age": {"method": "nmtr_linear_gmf", "embedding_dim": 4, "history_half_life": 20.0},
    "gates": {"method": "nmtr_linear", "linear_gates": (0.2, 0.6, 1.5)},
    "gated sum": {"method": "nmtr_linear_gmf", "embedding_dim": 4, "linear_gates": (0.2, 0.6, 1.5)},
    "sum": {"method": "nmtr_linear_gmf", "embedding_dim": 4},
    "sum of both": {"method": "nmtr_linear_gmf", "embedding_dim": 4, "user_rows": "both"},
}


def model_of(**options):
    config = RunConfig().with_options(**{"method": "nmtr_gmf", **options})
    plan = resolve(config, BEHAVIORS)
    model = build_model(plan, USERS, ITEMS, 0, BITS, times_of(VIEW, plan))
    rng, net = np.random.default_rng(1), network(model)
    linear = getattr(net.user_rows, "item_weights", [])  # no gradient changes it
    for weight in [*model.trainable_variables, *linear]:
        weight.assign(rng.normal(size=weight.shape))
    return model


@pytest.fixture(scope="module", params=CASES)
def model(request):
    return model_of(**CASES[request.param])


@pytest.mark.parametrize("user", range(USERS))
def test_the_parts_add_up_to_the_score(model, user):
    """Of users that the model stores, and of the same histories passed in."""
    items = [4, 0, 5]
    stored, new = ModelScorer(model), HistoryScorer(model, BITS)
    for scorer, known in ((stored, user), (new, None)):
        found = explain(model, BITS[[user]], items, known)
        scores = scorer.scores(np.array([user], np.int32), scorer.item_side()).numpy()[0, items]
        np.testing.assert_allclose(
            found.history.sum(axis=0) + found.bias + found.own, scores, rtol=1e-4, atol=1e-5
        )
        assert found.history.shape == (BITS[[user]].nnz, 3)
        np.testing.assert_array_equal(found.history_items, BITS[[user]].indices)


@pytest.mark.parametrize("case", ["history", "both"])
def test_a_part_is_the_formula(case):
    """|N(u)|^-alpha (sum of the gates of what was done) z_j . (H q_i), H the sum of all h."""
    model, user, item = model_of(**CASES[case]), 0, 3
    net = network(model)
    z, q = np.array(net.user_rows.item_tables[0]), np.array(net.item_rows.tables[0])
    gates = np.array(net.user_rows.gates[0])
    h = sum(np.array(unit.h) if hasattr(unit, "h") else np.ones(4) for unit in net.cascade.units)
    number = sum(matrix[user].sum() for matrix in DONE.values())
    found = explain(model, BITS[[user]], [item], user)
    for j, part in zip(found.history_items, found.history[:, 0], strict=True):
        gate = sum(gates[s] for s, name in enumerate(BEHAVIORS) if DONE[name][user, j])
        assert part == pytest.approx(number**-ALPHA * gate * (z[j] @ (h * q[item])), rel=1e-3, abs=1e-5)
    assert found.bias[0] == pytest.approx(sum(float(bias[item]) for bias in net.item_rows.biases), rel=1e-4)
    if case == "history":
        np.testing.assert_allclose(found.own, 0, atol=1e-5)
    else:
        own = np.array(net.user_rows.tables[0])[user] @ (h * q[item])
        assert found.own[0] == pytest.approx(own, rel=1e-3, abs=1e-4)


def test_a_part_of_the_linear_method_is_a_weight():
    model = model_of(method="nmtr_linear")
    found, weights = explain(model, BITS[[1]], [2, 4], 1), np.array(network(model).user_rows.tables[0])
    np.testing.assert_array_equal(found.history, weights[BITS[[1]].indices][:, [2, 4]])


def test_the_table_has_the_strongest_first():
    model = model_of(**CASES["both"])
    found = explain(model, BITS[[0]], [3, 1], 0)
    table = found.table(["three", "one"], VIEW.item_ids, BEHAVIORS)
    assert table["item"].tolist() == ["three"] * (BITS[[0]].nnz + 2) + ["one"] * (BITS[[0]].nnz + 2)
    first = table[(table["item"] == "three") & (table["because"] == "history")]
    assert first["part"].tolist() == sorted(found.history[:, 0].tolist(), reverse=True)
    for row in first.itertuples():
        shown = [name for name in BEHAVIORS if DONE[name][0, int(row.history_item)]]
        assert row.behaviors == ", ".join(shown)
    assert table["part"][table["item"] == "one"].sum() == pytest.approx(
        found.history[:, 1].sum() + found.bias[1] + found.own[1], rel=1e-4
    )


def test_a_tower_has_no_reasons():
    model = model_of(method="nmtr_mlp", embedding_dim=4, user_rows="history")
    with pytest.raises(InputError, match=r"^`explain` needs units mf or gmf: the logit of a tower is no sum"):
        explain(model, BITS[[0]], [1])


def test_a_model_with_a_vector_for_each_user_has_no_reasons():
    with pytest.raises(InputError, match=r"^`explain`: an explanation needs a run whose users are read from"):
        explain(model_of(embedding_dim=4), BITS[[0]], [1])
