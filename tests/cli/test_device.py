"""`--device`: every command that computes has it and heeds it before it writes anything."""

import importlib

import pytest
import tensorflow as tf
from conftest import refused

FLAGS = {
    "audit": ["--dataset_dir={shop}", "--output_dir=x"],
    "evaluate": ["--workdir={run}"],
    "export": ["--workdir={run}", "--export_dir=x"],
    "figures": ["--dataset_dir={shop}", "--workdir=x", "--figure=2", "--quiet"],
    "recommend": ["--workdir={run}"],
    "tables": ["--dataset_dir={shop}", "--workdir=x", "--table=3", "--quiet"],
    "train": ["--dataset_dir={shop}", "--workdir=x"],
    "tune": ["--dataset_dir={shop}", "--workdir=x"],
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_gpu_that_is_not_there(name, shop_dir, trained_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    monkeypatch.chdir(tmp_path)
    flags = [flag.format(shop=shop_dir, run=trained_dir) for flag in FLAGS[name]]
    line = refused(capsys, importlib.import_module(f"nmtr_tf.cli.{name}"), *flags, "--device=gpu")
    assert line.startswith("error: --device=gpu: TensorFlow sees no GPU here; use --device=cpu, or install")
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {"workdir.json"}
