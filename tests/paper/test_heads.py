"""Rankings by the heads of the auxiliary behaviors."""

import dataclasses

import numpy as np
import pytest
from conftest import make_dataset

from nmtr_tf.config import EvaluationConfig, ModelConfig, RunConfig
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.paper.heads import head_metrics
from paper.made_up import metrics_of

CONFIG = EvaluationConfig(ks=(1, 2, 3), mask="target")
MATRICES = {
    "view": [[1, 1, 1, 0, 1, 0], [1, 0, 1, 0, 0, 1], [0, 1, 0, 1, 1, 0]],
    "cart": [[1, 0, 1, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0]],
    "buy": [[1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]],
}
# User 0 had viewed and carted item 2, user 1 viewed item 5, user 2 shown nothing on item 0.
DATASET = make_dataset(MATRICES, test=[(0, 2), (1, 5), (2, 0)], validation=[(0, 4)])
VIEW = DATASET.training_view((), "strict")


def model_of(method: str):
    config = RunConfig(model=ModelConfig(method, embedding_dim=4, embedding_stddev=1.0))
    model = build_model(resolve(config, VIEW.behaviors), 3, 6, seed=4)
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=w.shape).astype(np.float32) for w in model.get_weights()])
    return model


def test_pairs_are_those_that_had_the_behavior():
    assert VIEW.head("view").held_out["test"].tolist() == [[0, 2], [1, 5]]
    assert VIEW.head("cart").held_out["test"].tolist() == [[0, 2]]
    assert VIEW.head("view").held_out["validation"].tolist() == [[0, 4]]
    assert VIEW.head("cart").held_out["validation"].tolist() == []
    assert VIEW.head("cart").behaviors == ("cart",)


@pytest.mark.parametrize("method", ["nmtr_gmf", "nmtr_neumf", "cmf"])
def test_ranks_by_the_behaviors_own_logit_without_what_it_had_in_training(method):
    model = model_of(method)
    heads = head_metrics(model, VIEW, CONFIG)
    users, items = (ids.ravel().astype(np.int32) for ids in np.mgrid[:3, :6])
    logits = {
        name: np.array(x).reshape(3, 6) for name, x in model({"user_ids": users, "item_ids": items}).items()
    }
    # Left out: training rows of the behavior without the held-out pairs, and the validation item.
    candidates = {"view": {0: [2, 3, 5], 1: [1, 3, 4, 5]}, "cart": {0: [1, 2, 3, 4, 5]}}
    wanted = {0: 2, 1: 5}
    assert list(heads) == ["view", "cart"]
    for name, rows in candidates.items():
        ranks = [
            (logits[name][user][items] > logits[name][user, wanted[user]]).sum()
            for user, items in rows.items()
        ]
        expected = metrics_of(np.array(ranks, float), CONFIG.ks)
        assert heads[name] == {
            "num_pairs": len(ranks),
            "num_users": len(ranks),
            **{key: pytest.approx(x) for key, x in expected.items()},
        }


def test_none_under_released_and_none_for_a_method_that_predicts_the_target_alone():
    released = DATASET.training_view((), "released")
    assert head_metrics(model_of("nmtr_gmf"), released, CONFIG) == {}
    assert head_metrics(model_of("gmf"), VIEW, CONFIG) == {}


def test_a_behavior_without_a_pair_is_left_out():
    view = dataclasses.replace(VIEW, held_out={**VIEW.held_out, "test": np.array([[1, 5]], np.int32)})
    heads = head_metrics(model_of("nmtr_gmf"), view, CONFIG)
    assert {name: row["num_pairs"] for name, row in heads.items()} == {"view": 1}
