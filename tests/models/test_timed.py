"""Item biases with a term of time, against NumPy."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmtr_tf.models.rows import ItemRows
from nmtr_tf.models.timed import BucketItems, WindowItems

ITEMS, COLUMNS, BEHAVIORS = 5, 4, 2
OPTIONS: dict[str, Any] = {"num_rows": ITEMS, "row_size": 3, "num_behaviors": BEHAVIORS, "shared": True}
IDS = tf.constant([[0, 4, 4], [2, 1, 0]])
BUCKETS = tf.constant([[1], [3]])


def made(kind, num_rows=ITEMS, seed=0):
    """A layer with random values in everything, and in the popularity what is behind it."""
    rows = kind(**{**OPTIONS, "num_rows": num_rows}, num_columns=COLUMNS, name="item_rows")
    rows.build()
    rng = np.random.default_rng(seed)
    for weight in rows.weights:
        weight.assign(rng.normal(size=weight.shape))
    if kind is WindowItems:
        rows.set_popularity(rng.random((BEHAVIORS, num_rows, COLUMNS)).astype(np.float32))
    return rows


def plain(rows, r, items, columns):
    """b_i + t_i(c), by the tables read as [num_rows, num_columns]."""
    table = (rows.bucket_biases if isinstance(rows, BucketItems) else rows.popularity)[r]
    weight = 1.0 if isinstance(rows, BucketItems) else float(rows.window_weights[r])
    cells = np.array(table).reshape(rows.num_rows, COLUMNS)
    return np.array(rows.biases[r])[items] + weight * cells[items, columns]


@pytest.fixture(scope="module", params=[BucketItems, WindowItems])
def rows(request):
    return made(request.param)


def test_without_a_time_it_is_now(rows):
    for r, bias in zip((1, 0), rows.bias_rows(IDS, (1, 0)), strict=True):
        np.testing.assert_allclose(bias, plain(rows, r, IDS.numpy(), COLUMNS - 1), rtol=1e-6)
    vectors, biases = rows(IDS)
    assert len(vectors) == len(biases) == BEHAVIORS
    np.testing.assert_array_equal(biases[1], rows.bias_rows(IDS, [1])[0])
    everything = np.arange(ITEMS)
    for r, bias in enumerate(rows.all_biases((0, 1))):
        np.testing.assert_allclose(bias, plain(rows, r, everything, COLUMNS - 1), rtol=1e-6)


def test_the_bias_of_a_bucket(rows):
    for r, bias in enumerate(rows.bias_rows(IDS, (0, 1), BUCKETS)):
        np.testing.assert_allclose(bias, plain(rows, r, IDS.numpy(), BUCKETS.numpy()), rtol=1e-6)


def test_it_starts_as_if_there_was_no_time():
    for kind in (BucketItems, WindowItems):
        rows = kind(**OPTIONS, num_columns=COLUMNS)
        rows.build()
        if kind is WindowItems:
            rows.set_popularity(np.ones((BEHAVIORS, ITEMS, COLUMNS), np.float32))
        rows.biases[0].assign(np.arange(ITEMS))
        np.testing.assert_array_equal(rows.bias_rows(IDS, [0], BUCKETS)[0], IDS.numpy())


def test_what_training_may_change(rows):
    shapes = [tuple(one.shape) for one in rows.bias_variables(1)]
    own = (ITEMS * COLUMNS,) if isinstance(rows, BucketItems) else ()
    assert shapes == [(ITEMS,), own]
    assert all(one.trainable for one in rows.bias_variables(0))
    trained = {id(one) for r in range(BEHAVIORS) for one in rows.bias_variables(r)}
    assert trained == {id(one) for one in rows.trainable_variables} - {id(rows.tables[0])}


def test_saved_and_loaded_it_is_the_same(rows, tmp_path):
    ids = keras.Input((), dtype="int32", name="ids")
    model = keras.Model(ids, rows(ids))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    layer = loaded.get_layer("item_rows")
    assert type(layer) is type(rows)
    for buckets in (None, BUCKETS):
        for one, other in zip(
            layer.bias_rows(IDS, (0, 1), buckets), rows.bias_rows(IDS, (0, 1), buckets), strict=True
        ):
            np.testing.assert_array_equal(one, other)


OLD_IDS, NEW_IDS = np.array([0, 2, 4]), np.array([3, 5, 1])


@pytest.mark.parametrize("source", [BucketItems, WindowItems, ItemRows])
@pytest.mark.parametrize("target", [BucketItems, WindowItems, ItemRows])
def test_a_new_model_goes_on_from_what_holds_now(source, target):
    """The buckets of new data are others: the bias now becomes b_i; the weight of windows stays."""
    if source is ItemRows:
        old = ItemRows(**OPTIONS)
        old.build()
        for bias in old.biases:
            bias.assign(np.random.default_rng(2).normal(size=ITEMS))
    else:
        old = made(source)
    new = target(**{**OPTIONS, "num_rows": 6}, **({} if target is ItemRows else {"num_columns": 3}))
    new.build()
    if target is WindowItems:
        new.set_popularity(np.ones((BEHAVIORS, 6, 3), np.float32))
    new.take_over(old, [(1, 0)], OLD_IDS, NEW_IDS)
    found = np.array(new.all_biases([0])[0])
    if source is target is WindowItems:
        weight = float(old.window_weights[1])
        expected = np.array(old.biases[1])[OLD_IDS] + weight  # of what was there once in the last window
        assert found[0] == pytest.approx(weight)  # a new item has it too
    else:
        expected = np.array(old.all_biases([1])[0])[OLD_IDS]
        assert found[0] == 0
    np.testing.assert_allclose(found[NEW_IDS], expected, rtol=1e-6)
    assert not np.any(new.all_biases([1])[0])  # a behavior that was not there
