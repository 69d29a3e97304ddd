"""A run that was killed goes on when the same call is made again, and ends the same."""

import os
import shutil
import signal
from typing import Any

import keras
import numpy as np
import pytest
from conftest import LEAST_SQUARES

import nmtr_tf as nt
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.errors import InputError, Interrupted
from nmtr_tf.runs.directory import RunDirectory
from runs.cut_runs import OPTIONS, Moments, outcome, ranks_of


@pytest.fixture(scope="module")
def data(shop, tmp_path_factory):
    """The shop, stored."""
    return shop.save(tmp_path_factory.mktemp("data") / "shop")


def fit(data, workdir, **options):
    return nt.fit(data, workdir=workdir, checkpoint_every="2", **{**OPTIONS, **options})


@pytest.fixture(scope="module")
def moments(data, tmp_path_factory):
    """A run that nothing cut, and what it leaves at each moment; to be read only."""
    folder = tmp_path_factory.mktemp("cut")
    with pytest.MonkeyPatch.context() as patch:
        moments = Moments(patch, folder / "run", folder / "copies")
        fit(data, folder / "run")
    return moments


@pytest.fixture(scope="module")
def whole(moments):
    """What the run that nothing cut ended with."""
    return outcome(moments.workdir)


@pytest.fixture
def cut(moments, tmp_path):
    """A run that was killed in the last epoch; to be written to."""
    return shutil.copytree(moments.last("in a line"), tmp_path / "run")


def test_it_is_watched_at_every_rename_and_line(moments, whole):
    names = [path.name[4:] for path in moments]
    assert names.count("after a line") == 3 == len(whole["history"])
    assert names.count("cut .npz") > 9  # within epochs and at their ends
    assert {"cut .keras", "before best.keras", "after last.keras", "before run.json"} <= set(names)


@pytest.mark.parametrize("moment", ["cut .npz", "in an event"])
def test_killed_at_a_moment_it_ends_the_same(data, moments, whole, tmp_path, moment):
    path = shutil.copytree(moments.last(moment), tmp_path / "run")
    run = fit(data, path, resume="must")
    assert outcome(path) == whole
    assert len(run.info.resumed) == 1
    assert [record["seconds"] > 0 for record in run.history] == [True] * 3
    assert run.info.seconds is not None


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_the_same(data, moments, whole, tmp_path):
    ranks = ranks_of(moments.workdir)
    for moment in moments:
        if moment.name.endswith("after run.json") and RunDirectory(moment).is_finished:
            continue
        path = shutil.copytree(moment, tmp_path / moment.name)
        fit(data, path)
        assert outcome(path) == whole, moment.name
        np.testing.assert_array_equal(ranks_of(path), ranks)


METHODS: dict[str, dict[str, Any]] = {
    "all behaviors": {"method": "nmtr_neumf", "dropout": 0.2, "num_layers": 2, "curve_split": "test"},
    "sequential": {
        "method": "nmtr_gmf",
        "train_mode": "sequential",
        "stage_epochs": (1, 2, 2),
        "patience": 1,
    },
    "als": {"method": "gmf", "objective": "whole_data", **LEAST_SQUARES},
    "sum": {"method": "nmtr_linear_gmf"},
    "histories": {"method": "nmtr_gmf", "objective": "whole_data", "user_rows": "both"},
    "in time": {
        "method": "nmtr_gmf",
        "time_bias": "buckets",
        "user_rows": "both",
        "history_half_life": 5.0,
    },
    "closed form": {"method": "nmtr_linear"},
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_runs_of_all_kinds_end_the_same(data, tmp_path, method):
    given = {"ks": (5, 10), "monitor": "NDCG@10"} if method == "closed form" else OPTIONS
    options = {**given, "checkpoint_every": "2", **METHODS[method]}
    with pytest.MonkeyPatch.context() as patch:
        moments = Moments(patch, tmp_path / "run", tmp_path / "copies")
        nt.fit(data, workdir=tmp_path / "run", **options)
    expected, left = outcome(tmp_path / "run"), list(moments)[:-1]
    for path in left[:: max(1, len(left) // 5)]:
        nt.fit(data, workdir=path, **options)
        assert outcome(path) == expected, path.name


@pytest.mark.slow
def test_a_run_that_is_begun_anew_is_the_same_too(data, cut, whole):
    run = fit(data, cut, resume="never")
    assert outcome(cut) == whole
    assert run.info.resumed == ()


@pytest.mark.slow
def test_the_one_before_a_damaged_checkpoint_is_taken(data, cut, whole):
    *_, last = sorted((cut / "checkpoints" / "training").iterdir())
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="damaged; training goes on from the checkpoint before"):
        fit(data, cut)
    assert outcome(cut) == whole


@pytest.mark.slow
def test_without_any_checkpoint_it_begins_unless_there_must_be_one(data, cut, whole):
    shutil.rmtree(cut / "checkpoints" / "training")
    with pytest.raises(InputError, match=r"holds no checkpoint to go on from, which `resume=must` asks for"):
        fit(data, cut, resume="must")
    assert fit(data, cut, learning_rate=0.04).info.resumed == ()


def test_what_was_made_of_an_unfinished_run_goes(data, cut):
    (cut / "metrics_test.json").write_text("{}")
    (cut / "report.html").write_text("")
    (cut / ".nmtr-123.run.json").write_text("{")
    (cut / "checkpoints" / ".nmtr-123.best.keras").write_text("half")
    fit(data, cut)
    left = {path.name for path in (*cut.iterdir(), *(cut / "checkpoints").iterdir())}
    assert left == {
        *("config.json", "run.json", "users.parquet", "items.parquet", "metrics.jsonl", "curves.png"),
        *("events", "checkpoints", "best.keras", "last.keras"),
    }


def test_whatever_has_changed_since_is_refused_in_one_line_or_forced(data, cut, moments):
    max((cut / "checkpoints" / "training").iterdir()).unlink()  # the end of the epoch's steps
    before = (cut / "run.json").read_bytes()
    with pytest.raises(InputError) as caught:
        fit(data, cut, learning_rate=0.01, device="cpu")
    assert str(caught.value) == (
        f"`workdir={cut}` holds an unfinished run that differs: `learning_rate` is 0.05 there and 0.01 here. "
        "Give the same, begin anew with `overwrite`, or go on all the same with `resume=force`."
    )
    assert (cut / "run.json").read_bytes() == before
    run = fit(data, cut, learning_rate=0.01, resume="force")
    assert [mark["changed"] for mark in run.info.resumed] == [["`learning_rate` is 0.05 there and 0.01 here"]]
    assert nt.Run(cut).info.resumed == run.info.resumed
    assert run.config.training.learning_rate == 0.01
    records = [{**record, "seconds": 0} for record in run.history]
    theirs = [{**record, "seconds": 0} for record in RunDirectory(moments.workdir).read_history()]
    assert records[:2] == theirs[:2]
    assert records[2] != theirs[2]


def test_another_data_set_version_or_origin_is_refused(data, cut, monkeypatch):
    other = prepare(synthetic_shop(80, 40, seed=4), min_behaviors=2)
    with pytest.raises(
        InputError, match=r"differs: the data set's fingerprint is .* there and .* here\. Give"
    ):
        fit(other, cut)
    earlier = nt.Run(cut).info.versions
    monkeypatch.setattr("nmtr_tf.runs.fitting.versions", lambda: {**earlier, "keras": "9.9"})
    with pytest.raises(InputError, match=rf"the version of keras is {earlier['keras']} there and 9.9 here"):
        fit(data, cut)


def test_overwrite_and_going_on_exclude_each_other(data, tmp_path):
    with pytest.raises(InputError, match="`overwrite` begins anew, and `resume=must` goes on"):
        fit(data, tmp_path, overwrite=True, resume="must")
    with pytest.raises(InputError, match=r"`resume` should be one of 'auto', .* Received: 'yes'"):
        fit(data, tmp_path, resume="yes")
    with pytest.raises(InputError, match=r"`checkpoint_every` should be a number of steps, such as 500, or"):
        nt.fit(data, workdir=tmp_path, checkpoint_every="soon")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_asked_to_stop_it_finishes_the_step_and_goes_on_later(data, whole, tmp_path, number):
    class Kill(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2 and self.epoch == 1:
                os.kill(os.getpid(), number)

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    before = signal.getsignal(number)
    with pytest.raises(
        Interrupted, match=r"^Stopped in epoch 2, after step 4; the same command goes on"
    ) as caught:
        fit(data, tmp_path / "run", callbacks=[Kill()])
    assert caught.value.number == number
    assert signal.getsignal(number) == before
    assert nt.Run(tmp_path / "run").info.status == "interrupted"
    fit(data, tmp_path / "run", resume="must")
    assert outcome(tmp_path / "run") == whole


def test_a_loss_that_is_not_finite_leaves_the_last_good_checkpoint(data, whole, tmp_path):
    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                weights = self.model.trainable_variables[0]
                weights.assign(weights * np.nan)

    with pytest.raises(InputError, match="The loss of buy is nan in epoch 3, step 1; try a smaller"):
        fit(data, tmp_path / "run", callbacks=[Spoil()])
    assert nt.Run(tmp_path / "run").info.status == "failed"
    fit(data, tmp_path / "run", resume="must")
    assert outcome(tmp_path / "run") == whole
