"""`train` end to end: what a user types, sees and gets."""

import numpy as np
import pytest
from conftest import call, refused

from cli.conftest import TINY
from nmtr_tf.cli import compare, evaluate, recommend, train
from nmtr_tf.cli.flags import config_from_flags
from nmtr_tf.runs import Run


def test_train_shows_every_epoch_and_where_the_curves_are(shop_dir, tmp_path, capsys):
    workdir = tmp_path / "run"
    assert call(train, f"--dataset_dir={shop_dir}", f"--workdir={workdir}", "--method=nmtr_gmf", *TINY) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == ["epoch", "train/loss", "validation/HR@10", "validation/NDCG@10", "seconds"]
    history = Run(workdir).history
    assert len(history) == 2
    assert out[2].split()[:2] == ["1", f"{history[0]['train/loss']:.4f}"]
    assert any(line.startswith("Curves:") and line.endswith("run/curves.png") for line in out)
    assert (workdir / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert any("tensorboard --logdir=" in line for line in out)
    assert Run(workdir).is_finished
    assert out[-1] == f"Next:        nmtr evaluate --workdir={workdir}"


@pytest.mark.slow
def test_train_with_several_seeds(shop_dir, tmp_path, capsys):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/runs", "--method=nmtr_gmf", *TINY]
    assert call(train, *flags, "--seeds=3,4") == 0
    out = capsys.readouterr().out
    runs = [Run(tmp_path / "runs" / f"seed_{seed}") for seed in (3, 4)]
    assert [run.config.training.seed for run in runs] == [3, 4]
    kept = [run.info.best_value or 0.0 for run in runs]
    table = {line.split("  ")[0]: line.split()[-1] for line in out.splitlines() if "  " in line}
    assert [table["seed_3"], table["seed_4"]] == [f"{value:.4f}" for value in kept]
    assert table["mean"] == f"{np.mean(kept):.4f}"
    assert table["standard deviation"] == f"{np.std(kept, ddof=1):.4f}"
    assert call(evaluate, f"--workdir={tmp_path}/runs") == 0
    out = capsys.readouterr().out
    tests = [run.evaluation("test").metrics["HR@5"] for run in runs]
    rows = {line.split("  ")[0]: line.split() for line in out.splitlines()[3:]}
    assert rows["seed_3"][2] == f"{tests[0]:.4f}"
    assert rows["mean"][2] == f"{np.mean(tests):.4f}"
    assert rows["standard deviation"][3] == f"{np.std(tests, ddof=1):.4f}"
    assert "holds a finished run" in refused(capsys, train, *flags, "--seeds=5,4")
    assert not (tmp_path / "runs" / "seed_5").exists()
    other = ["--method=bpr", "--seeds=3", "--overwrite", "--quiet"]
    assert call(train, *flags, *other) == 0
    both = [f"{tmp_path}/runs", f"{tmp_path}/runs/seed_4"]
    for command, given in ((evaluate, [f"--workdir={tmp_path}/runs"]), (compare, both)):
        printed = refused(capsys, command, *given)
        assert "seed_4 (here) differ in more than the seed: `method` is 'bpr' there and 'nmtr_gmf'" in printed


@pytest.mark.slow
def test_sequential_training_shows_every_stage(shop_dir, tmp_path, capsys):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/run", *TINY, "--method=nmtr_gmf"]
    assert call(train, *flags, "--train_mode=sequential", "--stage_epochs=1,1,2") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = {row[0]: row[2] for row in rows if len(row) == 5 and row[0].isdigit()}
    assert list(shown) == ["1", "2", "3", "4"]
    assert [value == "-" for value in shown.values()] == [True, True, False, False]


def test_flags_of_one_call_do_not_stick(monkeypatch):
    configs = []
    monkeypatch.setattr(train, "_train", lambda values: configs.append(config_from_flags(values).training))
    assert call(train, "--seed=7", "--loss_reduction=mean") == 0
    assert call(train) == 0
    assert [(config.seed, config.loss_reduction) for config in configs] == [(7, "mean"), (0, "sum")]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["bpr", "cmf"])
def test_a_baseline_from_training_to_recommendations(shop_dir, tmp_path, capsys, method):
    flags = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/run", f"--method={method}", *TINY]
    capsys.readouterr()
    assert call(train, *flags, "--item_bias", "--keep=cart:0.5", "--quiet") == 0
    assert call(evaluate, f"--workdir={tmp_path}/run", "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    run = Run(tmp_path / "run")
    assert run.config.model.item_bias
    assert run.config.data.keep == ("cart:0.5",)
    whole = run.dataset.view(run.config.with_options(keep=()))
    assert 0 < run.view.matrices["cart"].nnz < whole.matrices["cart"].nnz
    assert call(recommend, f"--workdir={tmp_path}/run", "--k=2") == 0
    head = capsys.readouterr().out
    assert " score " in head
    assert "probability" not in head  # neither loss gives any
    assert call(recommend, f"--workdir={tmp_path}/run", "--k=2", "--probabilities") == 0
    head = capsys.readouterr().out
    assert ("probability of cart" in head) == (method == "cmf")
    assert "probability of buy" in head


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workdir=w"], "--dataset_dir is needed"),
        (["--dataset_dir=nowhere", "--workdir=w"], "no data set here"),
        (["--dataset_dir={shop}"], "--workdir is needed"),
        (["{data}", "--method=svd"], "--method should be one of bpr"),
        (["{data}", "--behaviors=buy,view"], "--behaviors should be a subset"),
        (["{data}", "--units=gmf"], "--units should name one unit"),
        (
            ["{data}", "--units=gmf,gmf,nmf"],
            "--units should name a known interaction unit: mf, gmf, mlp, neumf",
        ),
        (["{data}", "--metrics=NDCG,HRR"], "--metrics should name a known metric"),
        (["{data}", "--loss_weights=1/2,1/2"], "one weight for each of the 3"),
        (["{data}", "--loss_weights=a,b,c"], "fractions such as 1/3"),
        (["{data}", "--loss_weights=.5,.5,.5"], "--loss_weights should be at least 0 each and sum to 1"),
        (["{data}", "--method=mc_bpr", "--behaviors=buy"], "expected at least two behaviors. Received: buy"),
        (
            ["{data}", "--method=mc_bpr", "--channel_weights=1,1,1"],
            "--channel_weights should hold one weight for each of the 2 auxiliary behaviors",
        ),
        (
            ["{data}", "--method=cmf", "--train_mode=sequential"],
            "expected an NMTR method and at least two behaviors. Received: --method=cmf",
        ),
        (
            ["{data}", "--train_mode=sequential", "--stage_epochs=1,2"],
            "--stage_epochs should hold one number for each of the 3 behaviors",
        ),
        (["{data}", "--ks=5", "--monitor=HR@9"], "--monitor should be a metric"),
        (["{data}", "--keep=cart"], "--keep should be behavior:share, such as cart:0.5"),
        (["{data}", "--learning_rate=0"], "--learning_rate should be positive"),
        (["{data}", "--num_epochs=x"], "num_epochs"),
        (["{data}", "--validation=some"], "validation"),
        (["--dataset_dir={shop}", "--workdir={run}"], "--workdir={run} holds a finished run"),
        (["--flagfile=nowhere.flags"], "nowhere.flags"),
        (["{data}", "--seeds=1,1"], "--seeds should be different whole"),
        (["{data}", "--seeds=a"], "--seeds should be whole numbers"),
        (["{data}", "--init_from=w"], "--init_from=w is the run to be written"),
    ],
)
def test_train_refuses_before_tensorflow_is_imported(
    shop_dir, trained_dir, tmp_path, monkeypatch, capsys, flags, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "import_tensorflow", lambda: pytest.fail("too late"))
    known = {"shop": shop_dir, "run": trained_dir, "data": f"--dataset_dir={shop_dir}"}
    flags = ["--workdir=w"] * ("{data}" in flags) + [flag.format(**known) for flag in flags]
    assert message.format(**known) in refused(capsys, train, *flags)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--loss=hinge", "--loss should name a known loss: log, bpr, squared"),
        ("--optimizer=sgd", "--optimizer should name a known optimizer: adagrad, adam"),
        ("--objective=all", "--objective should name a known objective: sampled"),
    ],
)
def test_train_refuses_parts_that_tensorflow_is_needed_for(shop_dir, tmp_path, capsys, flag, message):
    line = refused(capsys, train, f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/w", flag)
    assert message in line
    assert "by a module in --plugins" in line
    assert not list(tmp_path.iterdir())
