"""The run directory, its events read back, and the choice of a device."""

import dataclasses
import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorflow import make_ndarray

from nmtr_tf.errors import InputError
from nmtr_tf.models.model import build_model, network
from nmtr_tf.runs.directory import Run, RunRecorder
from nmtr_tf.training import device
from nmtr_tf.training.trainer import train


@pytest.fixture
def trained(shop, small_config, tmp_path):
    view = shop.training_view()
    run = Run.create(tmp_path / "run", small_config, view, overwrite=False)
    model = build_model(small_config.model, view.behaviors, view.num_users, view.num_items, 0)
    done = train(model, view, small_config, [RunRecorder(run)], run.best_checkpoint)
    run.update(status="finished", best_epoch=done.best_epoch)
    return run, model, done.history


def test_metrics_and_events_hold_the_same_scalars(trained):
    run, _, history = trained
    assert run.metrics() == history
    events = EventAccumulator(str(run.events_dir)).Reload()
    assert "validation/HR@10" in events.Tags()["tensors"]
    for name in events.Tags()["tensors"]:
        logged = [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]
        expected = [(logs["epoch"], pytest.approx(logs[name], rel=1e-6)) for logs in history]
        assert logged == expected
    assert {name for logs in history for name in logs} == {"epoch", *events.Tags()["tensors"]}


def test_the_best_checkpoint_is_the_model(trained):
    run, model, _ = trained
    for a, b in zip(run.load_model().get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert network(run.load_model()).cascade.behaviors == ("view", "cart", "buy")


def test_config_and_facts(trained, small_config, shop):
    run, *_ = trained
    assert run.config() == small_config
    about = run.about()
    assert about["dataset_fingerprint"] == shop.fingerprint
    assert about["protocol"] == "strict"
    assert about["seed"] == 0
    assert set(about["versions"]) == {"nmtr_tf", "tensorflow", "keras", "python"}
    assert run.is_finished


def test_a_finished_run_is_refused_unless_overwrite(trained, small_config, shop):
    run, *_ = trained
    with pytest.raises(InputError, match=r"holds a finished run.*--overwrite"):
        Run.create(run.workdir, small_config, shop.training_view(), overwrite=False)
    assert run.is_finished
    again = Run.create(run.workdir, small_config, shop.training_view(), overwrite=True)
    assert not again.is_finished
    files = sorted(path.name for path in run.workdir.iterdir())
    assert files == ["checkpoints", "config.json", "items.parquet", "run.json", "users.parquet"]


def test_an_unfinished_run_is_replaced(trained, small_config, shop):
    run, *_ = trained
    run.update(status="running")
    Run.create(run.workdir, small_config, shop.training_view(), overwrite=False)
    assert not (run.workdir / "metrics.jsonl").exists()


def test_a_directory_with_other_things_is_never_cleared(trained, small_config, shop):
    run, *_ = trained
    (run.workdir / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=r"should be a new directory .*thesis\.tex"):
        Run.create(run.workdir, small_config, shop.training_view(), overwrite=True)
    assert (run.workdir / "thesis.tex").read_text() == "precious"
    assert (run.workdir / "metrics.jsonl").exists()


def test_what_is_no_run(tmp_path):
    for ask in (Run(tmp_path).about, Run(tmp_path).config, Run(tmp_path).load_model):
        with pytest.raises(InputError, match=r"expected the directory of a trained run"):
            ask()


def test_another_data_set_is_refused(trained, shop, tmp_path, monkeypatch):
    run, *_ = trained
    other = dataclasses.replace(shop, fingerprint="another")
    monkeypatch.setattr("nmtr_tf.runs.directory.load", lambda dataset_dir: other)
    with pytest.raises(InputError, match="was trained on another data set"):
        run.interactions(str(tmp_path))
    monkeypatch.setattr("nmtr_tf.runs.directory.load", lambda dataset_dir: shop)
    assert run.interactions(str(tmp_path)) is shop
    assert run.view(shop).protocol == "strict"
    assert run.view(shop, "released").protocol == "released"


def test_config_file_is_json_that_rebuilds_the_config(trained, small_config):
    stored = json.loads((trained[0].workdir / "config.json").read_text())
    assert stored == json.loads(json.dumps(small_config.to_json()))


def test_device(monkeypatch):
    monkeypatch.setattr(device.tf.config, "list_physical_devices", lambda kind: [])
    hidden = []
    monkeypatch.setattr(device.tf.config, "set_visible_devices", lambda *what: hidden.append(what))
    assert device.set_device("auto") == "cpu"
    assert device.set_device("cpu") == "cpu"
    assert hidden == [([], "GPU")] * 2
    with pytest.raises(InputError, match="--device=gpu: TensorFlow sees no GPU here"):
        device.set_device("gpu")
    monkeypatch.setattr(device.tf.config, "list_physical_devices", lambda kind: ["gpu:0"])
    grown = []
    monkeypatch.setattr(device.tf.config.experimental, "set_memory_growth", lambda *what: grown.append(what))
    assert device.set_device("auto") == "gpu"
    assert grown == [("gpu:0", True)]
