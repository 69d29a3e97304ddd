"""Signature explain of an exported model, against the parts as the model itself gives them."""

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from conftest import BEHAVIORS, make_view

from nmtr_tf.config import RunConfig
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.serving.explanations import explain
from nmtr_tf.serving.served_histories import EXPLAINED
from serving.exports import Exported

USERS, ITEMS = 6, 9
RNG = np.random.default_rng(5)
DONE = {name: RNG.random((USERS, ITEMS)) < 0.4 for name in BEHAVIORS}
for _matrix in DONE.values():
    _matrix[2] = False  # a user without a history, of whom nothing is known
    _matrix[3] = np.arange(ITEMS) < 2  # and one with fewer items than are named
DAYS = {name: RNG.uniform(0, 60, (USERS, ITEMS)) for name in BEHAVIORS}
POOLED: dict[str, Any] = {"method": "nmtr_gmf", "objective": "whole_data", "embedding_dim": 4}
CASES: dict[str, dict[str, Any]] = {
    "linear": {"method": "nmtr_linear"},
    "gates": {"method": "nmtr_linear", "linear_gates": (0.2, 0.6, 1.5), "history_half_life": 20.0},
    "sum of both": {"method": "nmtr_linear_gmf", "embedding_dim": 4, "user_rows": "both"},
    "both": {**POOLED, "user_rows": "both"},
    "history": {**POOLED, "user_rows": "history", "history_items": "shared"},
    "in time": {
        **{**POOLED, "objective": "sampled"},
        "user_rows": "history",
        "history_half_life": 20.0,
        "time_bias": "window",
        "time_window": 15.0,
    },
    "cosine": {**POOLED, "user_rows": "both", "objective": "contrastive", "item_bias": False},
}


SLOW = [
    pytest.param(case, marks=pytest.mark.slow)
    for case in ("gates", "sum of both", "both", "history", "in time", "cosine")
]


@pytest.fixture(scope="module", params=["linear", *SLOW])
def explaining(request, tmp_path_factory):
    config, folder = RunConfig().with_options(**CASES[request.param]), tmp_path_factory.mktemp("explaining")
    return Exported(folder, config, make_view(DONE, days=DAYS), k=4)


KNOWN = [user for user in range(USERS) if user != 2]


def all_pairs(exported):
    """Every known user with every item, as inputs of the signature."""
    users, items = np.repeat(np.array(exported.users)[KNOWN], ITEMS), np.tile(exported.items, len(KNOWN))
    return {"user_id": users.tolist(), "item_id": items.tolist()}


@pytest.mark.slow
def test_a_tower_is_no_sum_and_has_no_reasons(tmp_path):
    config = RunConfig().with_options(method="nmtr_mlp", embedding_dim=4, user_rows="history")
    served = Exported(tmp_path, config, make_view(DONE), k=4)
    assert "recommend_for_history" in served.signatures
    assert "explain" not in served.signatures


def test_the_parts_add_up_to_the_score(explaining):
    found = explaining.ask("explain", **all_pairs(explaining))
    assert found["known"].all()
    assert found["history_parts"].shape == (len(KNOWN) * ITEMS, EXPLAINED)
    sums = sum(found[name] for name in ("rest_of_history", "item_bias", "user_vector"))
    np.testing.assert_allclose(
        found["history_parts"].sum(axis=1) + sums, found["score"], rtol=1e-4, atol=1e-5
    )
    scores = found["score"].reshape(len(KNOWN), ITEMS)
    np.testing.assert_allclose(scores, explaining.scores[KNOWN], rtol=1e-4, atol=1e-5)
    asked = explaining.ask("score", **all_pairs(explaining))
    np.testing.assert_allclose(1 / (1 + np.exp(-found["score"])), asked["buy"], rtol=1e-4, atol=1e-6)


def test_items_and_behaviors_are_the_strongest_of_the_history(explaining):
    found, bits = explaining.ask("explain", **all_pairs(explaining)), histories_of(explaining.view)
    for place, user in enumerate(KNOWN):
        expected = explain(explaining.model, bits[[user]], range(ITEMS), user)
        for item in range(ITEMS):
            row, best = place * ITEMS + item, expected.strongest(item)
            names = [", ".join(expected.behaviors_of(entry, BEHAVIORS)) for entry in best[:EXPLAINED]]
            ids = [explaining.items[expected.history_items[entry]] for entry in best[:EXPLAINED]]
            empty = EXPLAINED - len(ids)
            assert found["num_items"][row] == len(ids)
            assert found["history_item_ids"][row].astype(str).tolist() == ids + [""] * empty
            assert found["history_behaviors"][row].astype(str).tolist() == names + [""] * empty
            parts = expected.history[best, item]
            shown = [*parts[:EXPLAINED], *[0] * empty]
            np.testing.assert_allclose(found["history_parts"][row], shown, rtol=1e-4, atol=1e-5)
            assert found["rest_of_history"][row] == pytest.approx(parts[EXPLAINED:].sum(), rel=1e-4, abs=1e-5)
            assert found["item_bias"][row] == pytest.approx(expected.bias[item], rel=1e-4)
            assert found["user_vector"][row] == pytest.approx(expected.own[item], rel=1e-4, abs=1e-5)


def test_what_is_unknown_has_no_reasons(explaining):
    user, item = explaining.users[0], explaining.items[0]
    users, items = ["nobody", explaining.users[2], user, user], [item, item, "nothing", item]
    found = explaining.ask("explain", user_id=users, item_id=items)
    assert found["known"].tolist() == [False, False, False, True]
    for name, values in found.items():
        if name != "known":
            assert not values[:3].astype(bool).any(), name
    assert found["num_items"][3] > 0
    nothing = explaining.ask("explain", user_id=[], item_id=[])
    assert nothing["history_item_ids"].shape == (0, EXPLAINED)


@pytest.mark.slow
def test_another_program_is_told_the_same(explaining):
    """With TensorFlow, without this package."""
    program = """
import json, sys
import tensorflow as tf
asked = json.load(sys.stdin)
explain = tf.saved_model.load(sys.argv[1]).signatures["explain"]
found = explain(**{name: tf.constant(ids) for name, ids in asked.items()})
assert not any(name.startswith("nmtr_tf") for name in sys.modules)
print(json.dumps({name: values.numpy().astype(str).tolist() for name, values in found.items()}))
"""
    asked = {"user_id": [explaining.users[0]] * 2, "item_id": explaining.items[:2]}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(explaining.directory)],
        input=json.dumps(asked), capture_output=True, text=True, check=True,
        cwd=explaining.directory, env=environment,
    )  # fmt: skip
    told, own = json.loads(done.stdout), explaining.ask("explain", **asked)
    assert told.keys() == own.keys()
    for name, values in own.items():
        if values.dtype == np.float32:
            np.testing.assert_allclose(np.array(told[name], float), values, rtol=1e-5, atol=1e-6)
        else:
            assert np.array(told[name]).tolist() == values.astype(str).tolist()


def test_a_model_with_a_vector_for_each_user_has_no_signature_explain(gmf):
    assert "explain" not in gmf.signatures


def test_lists_of_a_cascade_of_inner_products_are_one_product(tmp_path):
    """Beside the sum over the gates; not one for each behavior, which reads all item vectors as often."""
    served = Exported(tmp_path, RunConfig().with_options(**CASES["history"]), make_view(DONE), k=4)
    for name in ("serving_default", "recommend_for_history"):
        graphs = served.signatures[name].graph.as_graph_def()
        nodes = [*graphs.node, *(node for function in graphs.library.function for node in function.node_def)]
        assert sum(node.op in ("MatMul", "BatchMatMulV2") for node in nodes) == 2, name
