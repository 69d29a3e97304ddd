"""Runs whose biases and histories know of time: refitted, started from, served, and refused without times."""

import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS, make_dataset, refused

import nmtr_tf as nt
from nmtr_tf.cli import train
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.times import times_of
from nmtr_tf.models.network import network
from nmtr_tf.tuning.choice import check_space, chosen_space, of_method
from nmtr_tf.tuning.options import TuneConfig
from nmtr_tf.tuning.space import as_options, in_words
from runs.conftest import MEASURED, SMALL

WINDOW: dict[str, Any] = {"time_bias": "window", "time_window": 4.0}
BUCKETS: dict[str, Any] = {"time_bias": "buckets", "user_rows": "history", "history_half_life": 5.0}


@pytest.fixture(scope="module")
def timed() -> Dataset:
    """A shop of thirty days of which the last fifth is held out, and a fifth of the rest for validation."""
    return prepare(synthetic_shop(80, 40, seed=3), split="time", split_share=0.2)


def fit(dataset, **options):
    return nt.fit(dataset, **{**SMALL, **MEASURED, "method": "nmtr_gmf", **options})


@pytest.fixture(scope="module")
def windows(timed, tmp_path_factory):
    """A run with a directory; to be read only."""
    return fit(timed, workdir=tmp_path_factory.mktemp("windows") / "run", **WINDOW)


@pytest.fixture(scope="module")
def buckets(timed, tmp_path_factory):
    """Likewise."""
    run = fit(timed, workdir=tmp_path_factory.mktemp("buckets") / "run", **BUCKETS)
    run.evaluate("test")
    return run


def test_its_directory_opens_again(buckets):
    opened = nt.Run(buckets.workdir)
    assert opened.config.time.time_bias == "buckets"
    assert opened.config.history.history_half_life == 5
    for one, other in zip(buckets.model.get_weights(), opened.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.any(network(buckets.model).item_rows.bucket_biases[2])


def test_fitted_again_now_is_the_end_of_more_rows(timed, windows):
    """What was popular in the last window before the test cut, not before that of validation."""
    refit = nt.fit(timed, refit_of=windows)
    for run in (windows, refit):
        rows, (popularity, _) = network(run.model).item_rows, times_of(run.view, run.plan)
        assert popularity is not None
        for variable, expected in zip(rows.popularity, popularity, strict=True):
            np.testing.assert_array_equal(variable, expected.ravel())
    days = [max(ages.max() for ages in run.view.ages.values()) for run in (windows, refit)]
    assert days[1] > days[0] + 1
    columns = [network(run.model).item_rows.num_columns for run in (windows, refit)]
    assert columns == [int(own // 4) + 2 for own in days]
    assert refit.view.log is not None


@pytest.mark.slow
def test_fitted_on_everything_it_serves_what_holds_at_the_end(timed, buckets, tmp_path):
    """Recommended, exported and explained by the biases of the last bucket and the weights of histories."""
    final = nt.fit(timed, final_of=buckets)
    assert final.view.log is not None
    version = final.export(tmp_path, k=5)
    served = tf.saved_model.load(str(version)).signatures
    users = final.view.user_ids[:6].tolist()
    found = served["serving_default"](user_id=tf.constant(users))
    table = final.recommend(users, k=5)
    ids = [[item.decode() for item in row] for row in found["item_ids"].numpy()]
    assert ids == [table["item"][table["user"] == user].tolist() for user in users]
    item = ids[0][0]
    parts = final.explain(users[0], [item])
    known = served["explain"](user_id=tf.constant(users[:1]), item_id=tf.constant([item]))
    score = float(found["scores"][0, 0])
    assert float(parts["part"].sum()) == pytest.approx(score, rel=1e-4)
    assert float(known["score"][0]) == pytest.approx(score, rel=1e-4)
    assert float(known["user_vector"][0]) == pytest.approx(0, abs=1e-5)
    assert re.search(r"\| `time_bias` +\| buckets ", (version / "MODEL_CARD.md").read_text())
    rows = network(final.model).item_rows
    last = [np.array(own).reshape(-1, 10)[:, -1] for own in rows.bucket_biases]
    expected = np.sum([np.array(b) + own for b, own in zip(rows.biases, last, strict=True)], axis=0)
    bias = parts["part"][parts["because"] == "item bias"].item()
    assert bias == pytest.approx(expected[final.view.item_ids.tolist().index(item)], rel=1e-4)


def test_a_run_starts_from_what_held_at_the_end_of_another(timed, windows):
    """With a rate of next to nothing: the scores of the earlier run's time stay."""
    more = fit(timed, init_from=windows, learning_rate=1e-9, num_epochs=1, time_bias="buckets")
    old, new = (network(run.model).item_rows for run in (windows, more))
    for one, other in zip(old.all_biases(range(3)), new.all_biases(range(3)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
        assert np.any(one)


@pytest.mark.parametrize("flags", [["--time_bias=window"], ["--user_rows=both", "--history_half_life=3"]])
def test_ids_are_no_times(tmp_path, monkeypatch, capsys, flags):
    """Of data without times: one line, before TensorFlow is imported."""
    make_dataset({"view": np.ones((3, 4)), "buy": np.eye(3, 4)}, validation=[(0, 3)]).save(tmp_path / "data")
    monkeypatch.setattr(train, "import_tensorflow", lambda: pytest.fail("too late"))
    own = [f"--dataset_dir={tmp_path}/data", f"--workdir={tmp_path}/run", "--method=nmtr_gmf"]
    line = refused(capsys, train, *own, *flags)
    assert f"{flags[-1]} needs a log with times, and this data set has none" in line
    assert not (tmp_path / "run").exists()


def test_a_search_tries_them():
    """By their values; where users are rows of a table there are no histories to weigh."""
    values = "time_bias=none:buckets:window", "history_half_life=0:7:30"
    tuning = TuneConfig(search=("l2_item",), space=values)
    config = RunConfig().with_options(method="nmtr_gmf", user_rows="history")
    space = chosen_space(of_method(resolve(config, BEHAVIORS), tuning), tuning, ())
    assert set(space) == {"l2_item", "time_bias", "history_half_life"}
    assert in_words(space)["time_bias"] == "none | buckets | window"
    check_space(space, config, BEHAVIORS)
    drawn = as_options({"l2_item": 0.01, "time_bias": "window", "history_half_life": "7"}, space)
    assert drawn == {"l2_item": 0.01, "time_bias": "window", "history_half_life": 7.0}
    with pytest.raises(InputError, match="`history_half_life` goes with `user_rows=history` or `both`"):
        check_space({"history_half_life": space["history_half_life"]}, RunConfig(), BEHAVIORS)
