"""What `fit` refuses, and what it leaves of a training that fails."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

import nmtr_tf as nt
from nmtr_tf.data.events import SPLITS
from nmtr_tf.errors import InputError
from nmtr_tf.runs.directory import RunDirectory
from runs.conftest import QUICK


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 9}, r"`num_layers` should be from 1 to 5. Received: 9\."),
        ({"epochs": 5}, r"There is no option `epochs`"),
        ({"method": "svd"}, r"`method` should be one of"),
        ({"behaviors": ("buy", "view")}, r"`behaviors` should be a subset of view,cart,buy"),
        ({"metrics": ("HR", "NDGC"), "monitor": "HR@10"}, r"`metrics` should name a known metric"),
        ({"monitor": "NDCG@7"}, r"`monitor` should be a metric that is computed"),
        ({"loss": "hinge"}, r"`loss` should name a known loss: log, bpr, squared"),
        ({"objective": "all"}, r"`objective` should name a known objective: sampled"),
        ({"optimizer": "sgd"}, r"`optimizer` should name a known optimizer: adagrad, adam"),
        ({"units": ("nmf",)}, r"`units` should name a known interaction unit: mf, gmf, mlp, neumf"),
        ({"keep": ("cart",)}, r"`keep` should be behavior:share, such as cart:0\.5"),
        ({"protocol": "released", "mask": "all"}, r"`mask=all` would hide \d+ of the \d+ validation items"),
        ({"init_from": "nowhere"}, r"`init_from=nowhere`: expected the directory of a finished run"),
    ],
)
def test_fit_refuses_before_anything_is_written(shop, tmp_path, options, message):
    with pytest.raises(InputError, match=message) as error:
        nt.fit(shop, workdir=tmp_path / "run", **{**QUICK, **options})
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", ["out/mine", pd.DataFrame(), nt.synthetic_shop(5, 5)])
def test_what_is_no_data_set_is_refused(given):
    with pytest.raises(
        InputError, match=rf"`dataset` should be a Dataset.* Received: {type(given).__name__}"
    ):
        nt.fit(given)


def test_splits_without_a_pair_are_refused(shop, tmp_path):
    nothing_held_out = dataclasses.replace(shop, split=np.full_like(shop.split, SPLITS.index("train")))
    with pytest.raises(InputError, match="The data set has no validation pairs; use `validation=none`"):
        nt.fit(nothing_held_out, workdir=tmp_path / "run", **QUICK)
    options = {**QUICK, "validation": "none", "curve_split": "test"}
    with pytest.raises(InputError, match="The data set has no test pairs; use `curve_split=validation`"):
        nt.fit(nothing_held_out, workdir=tmp_path / "run", **options)
    assert not list(tmp_path.iterdir())


def test_a_run_that_diverged_says_failed_and_nothing_starts_from_it(shop, tmp_path):
    options = {**QUICK, "method": "gmf", "learning_rate": 1e30, "batch_size": 64}
    with pytest.raises(InputError, match=r"The loss of buy is (nan|inf) in epoch 1, step 2; try a smaller"):
        nt.fit(shop, workdir=tmp_path / "run", **options)
    run = nt.Run(tmp_path / "run")
    assert run.info.status == "failed"
    assert not run.is_finished
    assert run.info.seconds is None
    expected = r"`init_from=.*run`: expected the directory of a finished run\. Its status: 'failed'"
    with pytest.raises(InputError, match=expected):
        nt.fit(shop, init_from=run, **QUICK)
    RunDirectory(tmp_path / "run").check_free(overwrite=False)  # it may be replaced


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "failed"), (KeyboardInterrupt, "interrupted")])
def test_a_run_that_was_broken_off_says_so(shop, tmp_path, error, status):
    class Fail(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise error

    with pytest.raises(error):
        nt.fit(shop, workdir=tmp_path / "run", callbacks=[Fail()], **QUICK)
    assert nt.Run(tmp_path / "run").info.status == status


def test_a_run_is_not_finished_while_its_curves_cannot_be_drawn(shop, tmp_path, monkeypatch, untrained):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr("nmtr_tf.runs.fitting.plot_curves", fail)
    with pytest.raises(RuntimeError):
        nt.fit(shop, workdir=tmp_path / "run", **QUICK)
    assert nt.Run(tmp_path / "run").info.status == "failed"
    assert not (tmp_path / "run" / "curves.png").exists()
