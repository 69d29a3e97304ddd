"""`fit`, the one place where a run is wired: what goes in, what comes out, and what is refused."""

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import call, make_dataset

import nmtr_tf as nt
from nmtr_tf.cli import train
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.methods.model import build_model
from nmtr_tf.options import option_text
from nmtr_tf.training.objectives import SampledPairs
from nmtr_tf.training.optimizers import OPTIMIZERS
from runs.conftest import MEASURED, QUICK


def without_seconds(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def assert_equal_weights(one, other):
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_in_memory_is_the_run_in_a_directory(in_memory, stored):
    assert in_memory.workdir is None
    assert_equal_weights(in_memory, stored)
    assert without_seconds(in_memory.history) == without_seconds(stored.history)
    assert in_memory.info.best_epoch == stored.info.best_epoch
    assert in_memory.config == stored.config.with_options(dataset_dir="")
    pd.testing.assert_frame_equal(in_memory.ranks(), stored.ranks())
    pd.testing.assert_frame_equal(in_memory.recommend(k=3), nt.Run(stored.workdir).recommend(k=3))


def test_a_data_set_that_is_stored_nowhere_is_saved_with_the_run(shop, stored):
    assert shop.directory is None
    saved = Dataset.load(stored.workdir / "dataset")
    assert saved.fingerprint == shop.fingerprint
    assert saved.protocol == shop.protocol
    assert stored.dataset.directory == stored.workdir / "dataset"
    opened = nt.Run(stored.workdir)
    assert opened.dataset.directory == stored.workdir / "dataset"
    assert opened.view.user_ids.tolist() == shop.user_ids.tolist()


def test_a_data_set_that_is_stored_stays_where_it_is(shop, tmp_path, untrained):
    dataset = shop.save(tmp_path / "shop")
    run = nt.fit(dataset, workdir=tmp_path / "run", **QUICK)
    assert run.config.data.dataset_dir == str(tmp_path / "shop")
    assert not (tmp_path / "run" / "dataset").exists()
    assert nt.Run(tmp_path / "run").dataset.directory == tmp_path / "shop"


def test_a_config_and_options_on_top_of_it(shop, untrained):
    config = RunConfig().with_options(**QUICK).with_options(seed=4)
    run = nt.fit(shop, config, method="gmf", behaviors=["view", "buy"], eval_memory_mb=64, optimizer="adam")
    assert run.config.model.method == run.info.method == "gmf"
    assert run.config.training.seed == run.info.seed == 4
    assert run.config.training.optimizer == "adam"
    assert run.info.behaviors == ("view", "buy")
    assert run.config.evaluation.eval_memory_mb == 64
    assert config.model.method == "bpr"  # the given one stays as it is


def test_callbacks_see_the_epochs_and_may_stop(shop):
    class Watch(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append((epoch, sorted(logs)))
            self.model.stop_training = True

    watch = Watch()
    run = nt.fit(shop, callbacks=[watch], optimizer="adam", **{**QUICK, "num_epochs": 5})
    metrics = [f"validation/{metric}@{k}" for metric in ("HR", "NDCG") for k in (10, 5)]
    assert watch.seen == [(0, ["train/loss", "train/loss_buy", *metrics])]
    assert len(run.history) == 1
    assert run.is_finished
    assert type(run.model.optimizer).__name__ == "Adam"


def test_an_optimizer_as_an_object_trains_without_validation(shop, tmp_path):
    optimizer = keras.optimizers.SGD(0.0)
    run = nt.fit(shop, optimizer=optimizer, validation="none", **QUICK)
    assert run.config.training.optimizer is optimizer
    assert isinstance(run.model.optimizer, keras.optimizers.SGD)
    assert run.model.optimizer is not optimizer  # a copy
    initial = build_model(run.plan, shop.num_users, shop.num_items, seed=0)
    for a, b in zip(run.model.get_weights(), initial.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)  # a learning rate of 0
    assert (run.info.best_epoch, run.info.best_value) == (None, None)
    assert not any("validation" in name for name in run.history[0])
    assert run.evaluate().loc["all", "users"] == len(shop.held_out["test"])


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"optimizer": keras.optimizers.SGD(0.1)}, "optimizer"),
        ({"loss": lambda *_: 0.0}, "loss"),
        ({"objective": type("Own", (SampledPairs,), {})}, "objective"),
    ],
)
def test_an_object_without_a_name_cannot_be_saved(shop, tmp_path, options, name):
    with pytest.raises(InputError, match=rf"^`{name}` holds .*, which has no registered name") as error:
        nt.fit(shop, workdir=tmp_path / "run", **QUICK, **options)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_registered_object_is_recorded_by_its_name(shop, tmp_path, monkeypatch, untrained):
    monkeypatch.setattr(OPTIMIZERS, "_parts", dict(OPTIMIZERS))
    optimizer = nt.register_optimizer("slow", keras.optimizers.SGD(0.001))
    nt.fit(shop, optimizer=optimizer, workdir=tmp_path / "run", **QUICK)
    assert nt.Run(tmp_path / "run").config.training.optimizer == "slow"


def events_of(dataset: Dataset, **names: str) -> pd.DataFrame:
    """A log as people have it, with other names of behaviors."""
    events = dataset.events
    behaviors = [names.get(name, name) for name in events.behaviors]
    return pd.DataFrame(
        {
            "user": events.users[events.user],
            "item": events.items[events.item],
            "behavior": np.array(behaviors, object)[events.behavior],
            "timestamp": pd.to_datetime(events.timestamp, unit="ms"),
        }
    )


def test_a_data_frame_in_and_data_frames_out_whatever_a_behavior_is_called(shop, tmp_path):
    log = events_of(shop, cart="add/cart")
    dataset = nt.prepare(log, behaviors=("view", "add/cart", "buy"), min_behaviors=2)
    assert dataset.user_ids.tolist() == shop.user_ids.tolist()
    options = {**QUICK, "method": "nmtr_gmf", "behaviors": ("add/cart", "buy")}
    nt.fit(dataset, workdir=tmp_path / "run", **options)
    run = nt.Run(tmp_path / "run")
    assert run.info.behaviors == ("add/cart", "buy")
    assert "train/loss_add/cart" in run.history[0]
    users = pd.Series(dataset.user_ids[:2])
    table = run.recommend(users, k=2, probabilities=True)
    assert list(table.columns)[:4] == ["user", "rank", "item", "score"]
    assert "probability_add/cart" in table
    assert table["user"].tolist() == [user for user in users for _ in range(2)]
    assert table["rank"].tolist() == [1, 2, 1, 2]
    metrics = run.evaluate("test")
    assert isinstance(metrics, pd.DataFrame)
    assert metrics.loc["all", "users"] == len(dataset.held_out["test"])
    ranks = run.ranks("test")
    assert list(ranks.columns) == ["user", "item", "rank", "tied", "num_candidates"]
    assert metrics.loc["all", "HR@10"] == (ranks["rank"] < 10).mean()


def test_fit_opens_what_the_command_wrote(shop, tmp_path, untrained):
    dataset = shop.save(tmp_path / "shop")
    flags = [f"--{name}={option_text(value)}" for name, value in QUICK.items()]
    flags += [f"--dataset_dir={dataset.directory}", f"--workdir={tmp_path}/run", "--quiet"]
    assert call(train, *flags) == 0
    run, own = nt.Run(tmp_path / "run"), nt.fit(dataset, **QUICK)
    assert run.config == own.config
    assert run.history[0].keys() == own.history[0].keys()
    assert_equal_weights(run, own)
    pd.testing.assert_frame_equal(run.recommend(k=3), own.recommend(k=3))


@pytest.mark.parametrize("by", ["run", "directory", "memory"])
def test_init_from_a_run_or_its_directory(shop, stored, in_memory, untrained, by):
    start = {"run": stored, "directory": str(stored.workdir), "memory": in_memory}[by]
    run = nt.fit(shop, init_from=start, method="gmf", item_bias=True, embedding_dim=8, seed=3, **MEASURED)
    report = run.info.init_from or {}
    assert report["run"] == ("the run" if by == "memory" else str(stored.workdir))
    assert report["users"] == {"kept": shop.num_users, "new": 0, "dropped": 0}
    assert report["behaviors"] == {"kept": ["buy"], "new": [], "dropped": ["view", "cart"]}
    learned, now = (one.model.get_weights()[0] for one in (stored, run))
    np.testing.assert_array_equal(now, learned)


@pytest.mark.parametrize("objective", ["sampled", "softmax", "whole_data"])
def test_a_behavior_without_training_rows_has_no_loss(objective):
    """As one may have under strict, or before an early cut."""
    rng = np.random.default_rng(0)
    data = make_dataset({"view": np.zeros((20, 15)), "buy": rng.random((20, 15)) < 0.2})
    options: dict[str, Any] = {"method": "nmtr_gmf", "num_epochs": 2, "validation": "none"}
    options |= {} if objective == "whole_data" else {"num_negatives": 3}
    run = nt.fit(data, objective=objective, embedding_dim=4, **options)
    for logs in run.history:
        assert "train/loss_view" not in logs
        assert np.isfinite(list(logs.values())).all()
        assert logs["train/loss_buy"] > 0
