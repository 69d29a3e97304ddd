"""The run directory, its events read back, and the choice of a device."""

import dataclasses
import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorflow import make_ndarray

from nmtr_tf.errors import InputError
from nmtr_tf.files import read_json, write_json
from nmtr_tf.models.network import network
from nmtr_tf.runs import Run, fit
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.training import device
from runs.conftest import MEASURED, QUICK, SMALL


def test_metrics_and_events_hold_the_same_scalars(stored):
    assert Run(stored.workdir).history == stored.history
    events = EventAccumulator(str(stored.workdir / "events")).Reload()
    assert "validation/HR@10" in events.Tags()["tensors"]
    for name in events.Tags()["tensors"]:
        logged = [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]
        expected = [(logs["epoch"], pytest.approx(logs[name], rel=1e-6)) for logs in stored.history]
        assert logged == expected
    names = {"epoch", "seconds", *events.Tags()["tensors"]}
    assert {name for logs in stored.history for name in logs} == names


def test_every_epoch_knows_its_seconds(stored, in_memory):
    lines = (stored.workdir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == stored.history
    for run in (stored, in_memory):
        assert [record["epoch"] for record in run.history] == [1, 2]
        seconds = [record["seconds"] for record in run.history]
        assert min(seconds) > 0
        assert sum(seconds) <= run.info.seconds + 0.1


def test_the_best_checkpoint_is_the_model(stored):
    opened = Run(stored.workdir)
    for a, b in zip(opened.model.get_weights(), stored.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert network(opened.model).behaviors == ("view", "cart", "buy")


def test_config_and_facts(stored, shop):
    run = Run(stored.workdir)
    assert run.config == stored.config
    model, training = run.config.model, run.config.training
    assert (model.method, model.embedding_dim, training.num_epochs) == ("nmtr_gmf", 8, 2)
    assert run.config.data.behaviors == ("view", "cart", "buy")
    assert run.config.data.protocol == "strict"
    assert run.config.data.dataset_dir == str(stored.workdir / "dataset")
    assert run.plan == stored.plan
    info = run.info
    assert info == stored.info
    assert info.dataset_fingerprint == shop.fingerprint
    assert (info.method, info.protocol, info.seed) == ("nmtr_gmf", "strict", 0)
    assert (info.num_users, info.num_items) == (shop.num_users, shop.num_items)
    assert info.num_parameters == sum(weight.size for weight in run.model.get_weights())
    assert set(info.versions) == {"nmtr_tf", "tensorflow", "keras", "python"}
    best = run.history[(info.best_epoch or 0) - 1]
    assert info.best_value == best["validation/NDCG@10"] == max(h["validation/NDCG@10"] for h in run.history)
    assert info.num_evaluated == {split: len(shop.held_out[split]) for split in ("validation", "test")}
    assert run.is_finished
    assert f"<Run nmtr_gmf, strict, finished, {str(stored.workdir)!r}>" == repr(run)


def test_the_config_file_is_json_that_rebuilds_the_config(stored):
    entries = read_json(stored.workdir / "config.json")
    assert entries == json.loads(json.dumps(stored.config.to_json()))


def test_a_finished_run_is_refused_unless_overwrite(shop, workdir, untrained):
    with pytest.raises(InputError, match=r"`workdir=.*` holds a finished run.*`overwrite`"):
        fit(shop, workdir=workdir, **QUICK)
    assert Run(workdir).info.method == "nmtr_gmf"
    again = fit(shop, workdir=workdir, overwrite=True, **QUICK)
    assert Run(workdir).info == again.info
    assert again.info.method == "bpr"
    assert len(Run(workdir).history) == 1
    files = sorted(path.name for path in workdir.iterdir())
    own = ["checkpoints", "config.json", "curves.png", "dataset", "events", "items.parquet", "metrics.jsonl"]
    assert files == [*own, "run.json", "users.parquet"]  # and no evaluation of the run before
    assert len(list((workdir / "events").iterdir())) == 1


@pytest.mark.slow
def test_a_run_trained_again_on_the_data_set_in_its_directory_keeps_it(workdir, untrained):
    dataset = Run(workdir).dataset
    assert fit(dataset, workdir=workdir, overwrite=True, **QUICK).dataset is dataset
    assert Run(workdir).info.method == "bpr"
    assert Run(workdir).dataset.fingerprint == dataset.fingerprint


def test_the_data_set_of_the_run_before_goes(shop, workdir, tmp_path, untrained):
    fit(shop.save(tmp_path / "shop"), workdir=workdir, overwrite=True, **QUICK)
    assert not (workdir / "dataset").exists()
    assert Run(workdir).dataset.directory == tmp_path / "shop"


def test_a_data_set_that_is_no_runs_is_never_cleared(shop, tmp_path):
    shop.save(tmp_path / "dataset")
    with pytest.raises(InputError, match=r"should be a new directory or that of a run, .* Found: dataset\."):
        fit(shop, workdir=tmp_path, overwrite=True, **QUICK)
    assert (tmp_path / "dataset" / "dataset.json").is_file()


def test_an_unfinished_run_is_replaced(workdir):
    directory = RunDirectory(workdir)
    directory.write_info(dataclasses.replace(directory.read_info(), status="running"))
    directory.check_free(overwrite=False)
    directory.clear()
    assert not list(workdir.iterdir())


def test_a_directory_with_other_things_is_never_cleared(shop, workdir):
    (workdir / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=r"should be a new directory .*thesis\.tex"):
        fit(shop, workdir=workdir, overwrite=True, **QUICK)
    assert (workdir / "thesis.tex").read_text() == "precious"
    assert (workdir / "metrics.jsonl").exists()


def test_a_file_is_no_run_directory(shop, tmp_path):
    (tmp_path / "notes").write_text("precious")
    with pytest.raises(InputError, match="should be a new directory"):
        fit(shop, workdir=tmp_path / "notes", **QUICK)
    assert (tmp_path / "notes").read_text() == "precious"


def test_what_is_no_run(tmp_path):
    with pytest.raises(InputError, match=r"`workdir=.*`: expected the directory of a trained run.*run\.json"):
        Run(tmp_path)
    directory = RunDirectory(tmp_path)
    for ask in (directory.read_info, directory.read_config, directory.read_history, directory.read_ids):
        with pytest.raises(InputError, match=r"expected the directory of a trained run"):
            ask()
    with pytest.raises(InputError, match=r"it has no checkpoints/last\.keras"):
        directory.checkpoint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: entries.pop("schema"), "written by another version of nmtr_tf; train the run again"),
        (lambda entries: entries.update(schema=1), "written by another version of nmtr_tf"),
        (
            lambda entries: entries.pop("behaviors"),
            "the entry 'behaviors' is missing; expected a list, each a text",
        ),
        (
            lambda entries: entries.update(colour="red"),
            "the entry 'colour' is unknown; expected method, behaviors, ",
        ),
    ],
)
def test_runs_of_other_versions_are_refused_in_one_line(workdir, change, message):
    entries = read_json(workdir / "run.json")
    change(entries)
    write_json(workdir / "run.json", entries)
    with pytest.raises(InputError, match=message) as error:
        Run(workdir)
    assert str(workdir / "run.json") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_finished_run_of_the_version_before_is_not_replaced_by_accident(shop, tmp_path):
    write_json(tmp_path / "run.json", {"method": "nmtr_gmf", "status": "finished"})
    with pytest.raises(InputError, match="holds a finished run"):
        fit(shop, workdir=tmp_path, **QUICK)
    write_json(tmp_path / "run.json", ["finished"])
    with pytest.raises(InputError, match="expected a JSON object"):
        Run(tmp_path)


def test_another_data_set_is_refused(stored, shop, tmp_path):
    run = Run(stored.workdir)
    other = dataclasses.replace(shop, split=np.zeros_like(shop.split))
    with pytest.raises(InputError, match=r"was trained on another data set than the given one\."):
        run.use_dataset(other)
    other.save(tmp_path / "other")
    with pytest.raises(InputError, match=r"trained on another data set than `dataset_dir=.*other`"):
        run.use_dataset(tmp_path / "other")
    assert run.use_dataset(shop) is run
    assert run.dataset is shop
    assert run.view.protocol == "strict"
    assert run.dataset.view(run.config.with_options(protocol="released")).protocol == "released"


def test_a_run_that_moved_finds_its_data_set_and_one_without_says_so(workdir, shop, tmp_path):
    assert Run(workdir).dataset.directory == workdir / "dataset"
    (workdir / "dataset").rename(tmp_path / "elsewhere")
    config = read_json(workdir / "config.json")
    config["data"]["dataset_dir"] = str(tmp_path / "gone")
    write_json(workdir / "config.json", config)
    with pytest.raises(InputError, match=r"`dataset_dir=.*gone`: no data set here"):
        Run(workdir).evaluate()
    run = Run(workdir).use_dataset(tmp_path / "elsewhere")
    assert run.dataset.fingerprint == shop.fingerprint


def test_curves_are_drawn(stored):
    assert (stored.workdir / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_device(monkeypatch):
    monkeypatch.setattr(device.tf.config, "list_physical_devices", lambda kind: [])
    hidden = []
    monkeypatch.setattr(device.tf.config, "set_visible_devices", lambda *what: hidden.append(what))
    assert device.set_device("auto") == "cpu"
    assert device.set_device("cpu") == "cpu"
    assert hidden == [([], "GPU")] * 2
    with pytest.raises(InputError, match=r"device=gpu.*: TensorFlow sees no GPU here"):
        device.set_device("gpu")
    monkeypatch.setattr(device.tf.config, "list_physical_devices", lambda kind: ["gpu:0"])
    grown = []
    monkeypatch.setattr(device.tf.config.experimental, "set_memory_growth", lambda *what: grown.append(what))
    assert device.set_device("auto") == "gpu"
    assert grown == [("gpu:0", True)]


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(device.tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(InputError, match="TensorFlow sees no GPU here"):
        fit(shop, workdir=tmp_path / "run", device="gpu", **SMALL, **MEASURED)
    assert not list(tmp_path.iterdir())
