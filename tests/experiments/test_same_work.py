"""That what the benchmark compares with does the same work."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments.benchmarks.bare_step import Tables, backward, bare_rows, forward, ids_of
from experiments.benchmarks.data import BenchmarkData
from experiments.benchmarks.equality import measure_equality
from experiments.benchmarks.pairwise import pairwise_ranks
from experiments.benchmarks.step_clock import make_clock, make_model
from experiments.benchmarks.stock_keras import compile_stock, flat_instances, stock_instances
from nmtr_tf.config import EvaluationConfig, TrainingConfig
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import network
from nmtr_tf.training.sampling import BehaviorBatch


@pytest.fixture(scope="module")
def view(shop):
    """The shop with its test pairs alone held out."""
    return shop.training_view(validation="none")


@pytest.mark.slow
def test_the_loss_of_stock_keras_is_ours(view):
    config = TrainingConfig(batch_size=64, loss_weights=(0.2, 0.3, 0.5))
    ours = make_clock(view, "nmtr_gmf", config)
    batch = next(iter(ours.sampler.batches()))
    x, y, sample_weight = flat_instances(batch, view.behaviors, ours.stage.weights)
    stock = compile_stock(ours.model, config, "auto")
    num_instances = len(x["user_ids"])
    assert num_instances == 5 * sum(len(part.user_ids) for part in batch)
    before = stock.evaluate(
        x, y, sample_weight=sample_weight, batch_size=num_instances, verbose=0, return_dict=True
    )
    totals = ours.learner.train_steps(iter(ours.sampler.batches()), tf.constant(1)).numpy()
    assert before["loss"] == pytest.approx(totals[0], rel=1e-5)


def test_stock_keras_sees_every_instance_of_the_sampler(view):
    ours = make_clock(view, "nmtr_gmf", TrainingConfig(batch_size=64))
    batches = stock_instances(ours.sampler, view.behaviors, ours.stage.weights, 50).take(4)
    x = [{name: ids.numpy() for name, ids in batch[0].items()} for batch in batches]
    assert [len(part["user_ids"]) for part in x] == [50] * 4
    steps = [
        flat_instances(step, view.behaviors, ours.stage.weights)[0] for step in ours.sampler.batches().take(2)
    ]
    for name in ("user_ids", "item_ids"):
        drawn = np.concatenate([step[name] for step in steps])[:200]
        np.testing.assert_array_equal(np.concatenate([part[name] for part in x]), drawn)


def test_flattened_instances():
    batch = BehaviorBatch(
        np.array([1, 2]),
        np.array([3, 4]),
        np.array([[5, 6], [7, 8]]),
        np.ones(2, np.float32),
        np.array([1.0, 0.0], np.float32),
    )
    x, y, sample_weight = flat_instances([batch, batch], ("cart", "buy"), (0.25, 0.75))
    np.testing.assert_array_equal(x["user_ids"], 2 * [1, 2, 1, 1, 2, 2])
    np.testing.assert_array_equal(x["item_ids"], 2 * [3, 4, 5, 6, 7, 8])
    np.testing.assert_array_equal(y["buy"][:, 0], 2 * [1, 1, 0, 0, 0, 0])
    weights = np.array([1, 1, 1, 1, 0, 0])  # user 2 has nothing left to sample
    np.testing.assert_array_equal(sample_weight["cart"], [*0.25 * weights, *0 * weights])
    np.testing.assert_array_equal(sample_weight["buy"], [*0 * weights, *0.75 * weights])


@pytest.mark.slow
def test_training_equals_the_plain_formulation(view):
    rows = list(measure_equality(BenchmarkData("shop", view), "nmtr_gmf", seeds=(0, 1)))
    assert [row.met for row in rows] == [True] * 3
    assert all("median of 2 seeds, " in row.work for row in rows)
    assert all(str(row.baseline).startswith("plain, summed in reverse order: ") for row in rows)


def test_pairwise_ranks_are_the_rankings(view):
    model = make_model(view, "nmtr_gmf")
    # Items 0 to 9 are one item to the model, so there are ties.
    table = network(model).item_rows.tables[0]
    table.assign(keras.ops.concatenate([keras.ops.repeat(table[:1], 10, axis=0), table[10:]]))
    ranks = rank_held_out(ModelScorer(model), view, "test", EvaluationConfig(mask="target"))
    assert (ranks.tied > 1).any()
    by_pairs = pairwise_ranks(model, view, view.held_out["test"])
    np.testing.assert_array_equal(by_pairs, [ranks.ranks, ranks.tied])


def test_the_bare_operations_are_those_of_inner_products(view):
    ours = make_clock(view, "bpr", TrainingConfig(batch_size=64, num_negatives=3))
    users, items = ids_of(ours)
    (batch,) = next(iter(ours.sampler.batches()))
    np.testing.assert_array_equal(users, batch.user_ids)
    np.testing.assert_array_equal(items, np.column_stack([batch.positives, batch.negatives]))
    rng = np.random.default_rng(0)
    p, q = (rng.normal(size=(count, 4)).astype(np.float32) for count in (view.num_users, view.num_items))
    c = rng.normal(size=items.shape).astype(np.float32)
    tables = Tables(tf.constant(p), tf.constant(q))
    found, gradients = np.zeros(c.shape), (np.zeros(p.shape), np.zeros(q.shape))
    for n, u in enumerate(users.numpy()):
        for k, i in enumerate(items.numpy()[n]):
            found[n, k] = p[u] @ q[i]
            gradients[0][u] += c[n, k] * q[i]
            gradients[1][i] += c[n, k] * p[u]
    np.testing.assert_allclose(forward(tables, users, items), found, rtol=1e-4, atol=1e-5)
    for one, expected in zip(backward(tables, users, items, tf.constant(c)), gradients, strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-4)


def test_the_rows_of_the_bare_operations_add_up(view):
    ours = make_clock(view, "bpr", TrainingConfig(batch_size=64))
    before = [variable.numpy() for variable in ours.model.trainable_variables]
    first, *parts = bare_rows("train bpr", ours, 0.5, block=2, repeats=1)
    assert first.value == 500
    times = [row.value for row in parts if row.value]
    assert first.ratio == pytest.approx(500 / sum(times))
    assert len(parts) == 3
    for one, other in zip(before, ours.model.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)  # it trains tables of its own
