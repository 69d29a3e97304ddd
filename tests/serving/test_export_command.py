"""`export` end to end: versions, their card, and what a server makes of them."""

import dataclasses
import json
import shutil
import socket
import subprocess
import time
import urllib.request

import numpy as np
import pytest
import tensorflow as tf

from nmtr_tf.cli import export
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.runs import Run


def command(*arguments):
    return export.main(["export", *map(str, arguments)])


def test_versions_are_numbered_and_never_replaced(shop_run, tmp_path, capsys):
    base = tmp_path / "models" / "nmtr"
    flags = [f"--workdir={shop_run}", f"--export_dir={base}", "--k=5"]
    assert command(*flags) == 0
    out = capsys.readouterr().out
    assert "recommend_excluding  user_id, exclude_item_ids" in out
    assert f"--model_base_path={base}" in out
    first = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    names = {"MODEL_CARD.md", "model.json", "saved_model.pb", "assets", "variables", "fingerprint.pb"}
    assert {path.name for path in (base / "1").iterdir()} == names
    (base / "7").mkdir()
    (base / "notes").mkdir()
    assert command(*flags, "--exclude=none", "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert sorted(path.name for path in base.iterdir()) == ["1", "7", "8", "notes"]
    assert first == {path: path.read_bytes() for path in (base / "1").rglob("*") if path.is_file()}
    about = [json.loads((base / name / "model.json").read_text()) for name in ("1", "8")]
    assert [(one["version"], one["exclude"], one["k"]) for one in about] == [(1, "auto", 5), (8, "none", 5)]
    assert [one["left_out"] for one in about] == ["bought", "none"]
    assert about[0]["metrics"] is None  # the run was not evaluated


def test_an_export_of_a_run_answers_as_the_run(shop_run, tmp_path):
    (tmp_path / "blocked.txt").write_text("item-0007\nitem-9999\n")
    blocked = f"--exclude_items={tmp_path}/blocked.txt"
    assert command(f"--workdir={shop_run}", f"--export_dir={tmp_path}/m", blocked, "--quiet") == 0
    about = json.loads((tmp_path / "m" / "1" / "model.json").read_text())
    assert about["k"] == 40  # all of a small catalogue, unless it is given
    assert about["exclude_items"] == ["item-0007"]
    assert "for everybody 1 item (" in (tmp_path / "m" / "1" / "MODEL_CARD.md").read_text()
    run = Run(shop_run)
    table = run.recommend(k=40, exclude_items=["item-0007"])
    assert not (table["item"] == "item-0007").any()
    expected = table.groupby("user")["item"].apply(list)
    serve = tf.saved_model.load(f"{tmp_path}/m/1").signatures["serving_default"]
    listed = serve(user_id=tf.constant(run.view.user_ids))["item_ids"].numpy().astype(str)
    for user, row in zip(run.view.user_ids, listed.tolist(), strict=True):
        assert [item for item in row if item] == expected[user]


@pytest.mark.slow
def test_hits_of_an_export_without_exclusions_are_those_of_evaluate(shop_run, tmp_path):
    run = Run(shop_run)
    run.export(tmp_path / "m", exclude="none")
    view, config = run.view, dataclasses.replace(run.config.evaluation, mask="none")
    ranks = rank_held_out(ModelScorer(run.model), view, "test", config)
    serve = tf.saved_model.load(f"{tmp_path}/m/1").signatures["serving_default"]
    listed = serve(user_id=tf.constant(view.user_ids[ranks.users]))["item_ids"].numpy()
    items = [str(item).encode() for item in view.item_ids[ranks.items]]
    hits = [item in row[:10] for item, row in zip(items, listed.tolist(), strict=True)]
    assert np.mean(hits) == mean_metrics(ranks, config)["HR@10"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--export_dir=m"], "--workdir is needed"),
        (["--workdir={run}"], "--export_dir is needed"),
        (["--workdir={run}", "--export_dir=m", "--k=100"], "--k=100 is more than the 40 items"),
        (["--workdir=nowhere", "--export_dir=m"], "expected the directory of a trained run"),
        (["--workdir={run}", "--export_dir=m", "--dataset_dir=nowhere"], "no data set here"),
        (["--workdir={run}", "--export_dir={run}/run.json", "--k=5"], "should be a directory"),
        (["--workdir={run}", "--export_dir=m", "--exclude=some"], "exclude"),
        (["--workdir={run}", "--export_dir=m", "--k=0"], "k"),
        (["--workdir={run}", "--export_dir=m", "--exclude_items={run}/run.json"], "none of the"),
    ],
)
def test_the_command_refuses_in_one_line(shop_run, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    assert command(*(flag.format(run=shop_run) for flag in flags)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not list(tmp_path.rglob("*/*"))


def test_a_run_without_a_checkpoint_is_refused(shop_run, tmp_path, capsys):
    shutil.copytree(shop_run, tmp_path / "run", ignore=shutil.ignore_patterns("*.keras"))
    assert command(f"--workdir={tmp_path}/run", f"--export_dir={tmp_path}/m") == 2
    assert "it has no checkpoints/last.keras" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "broken",
    ["tensorflow.saved_model.save", "faiss.serialize_index", "nmtr_tf.serving.export.write_model_card"],
)
def test_a_failure_leaves_nothing_half_written(shop_run, tmp_path, monkeypatch, capsys, broken):
    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(broken, fails)
    assert command(f"--workdir={shop_run}", f"--export_dir={tmp_path}/m", "--k=5", "--index=faiss") == 2
    assert capsys.readouterr().err == "error: disk full\n"
    assert not list((tmp_path / "m").iterdir())


def test_help_describes_every_flag(capsys):
    assert command("--help") == 0
    out = capsys.readouterr().out
    assert out.startswith(export.__doc__.strip().splitlines()[0])
    assert all(name in out for name in export.FLAGS)


@pytest.mark.skipif(
    not shutil.which("tensorflow_model_server"), reason="needs tensorflow_model_server on PATH"
)
def test_tensorflow_serving(shop_run, tmp_path):
    assert command(f"--workdir={shop_run}", f"--export_dir={tmp_path}/nmtr", "--k=5", "--quiet") == 0
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    flags = [f"--rest_api_port={ports[0]}", f"--port={ports[1]}", "--grpc_socket_path="]
    server = subprocess.Popen(
        ["tensorflow_model_server", *flags, "--model_name=nmtr", f"--model_base_path={tmp_path}/nmtr"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        body = json.dumps({"instances": [{"user_id": "user-0001"}]}).encode()
        answer = post(f"http://127.0.0.1:{ports[0]}/v1/models/nmtr:predict", body)
        assert answer["predictions"][0]["known_user"] is True
        assert len(answer["predictions"][0]["item_ids"]) == 5
    finally:
        server.kill()
        server.wait()


def post(url, body, patience=60):
    """The answer, as soon as the server has loaded the model."""
    for _ in range(patience):
        try:
            with urllib.request.urlopen(url, body, timeout=10) as response:
                return json.load(response)
        except OSError:  # noqa: PERF203
            time.sleep(1)
    raise TimeoutError(url)
