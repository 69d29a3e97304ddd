"""`train` that was cut: what it prints and exits with, and what the same command does then."""

import os
import signal

import pytest
from conftest import call, refused

from cli.conftest import TINY
from nmtr_tf.cli import train, tune
from nmtr_tf.cli.console import exit_status
from nmtr_tf.cli.progress import EpochProgress
from nmtr_tf.runs import Run


@pytest.fixture
def flags(shop_dir, tmp_path):
    own = [f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/run", "--method=gmf", *TINY]
    return [*own, "--batch_size=4", "--steps_per_call=2"]


@pytest.fixture
def signal_at(monkeypatch):
    """Sends this process a signal, once, after the step of a number."""

    def send(number, step):
        plain = EpochProgress.on_train_batch_end
        left = [number]

        def watched(self, batch, logs=None):
            plain(self, batch, logs)
            if batch == step and left:
                os.kill(os.getpid(), left.pop())

        monkeypatch.setattr(EpochProgress, "on_train_batch_end", watched)

    return send


def test_stopped_by_a_signal_it_says_how_to_go_on_and_does(flags, signal_at, tmp_path, capsys):
    signal_at(signal.SIGTERM, step=3)
    assert call(train, *flags, "--overwrite") == 143
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == (
        "Stopped in epoch 1, after step 4; the same command goes on from there with --resume=auto and "
        "without --overwrite."
    )
    assert Run(tmp_path / "run").info.status == "interrupted"
    line = refused(capsys, train, *flags, "--embedding_dim=9")
    assert (
        "holds an unfinished run that differs: --embedding_dim is 8 there and 9 here. Give the same" in line
    )
    assert call(train, *flags) == 0
    assert "goes on from the checkpoint in epoch 1, after step 4\n" in capsys.readouterr().out
    assert Run(tmp_path / "run").is_finished
    assert "holds a finished run" in refused(capsys, train, *flags, "--resume=force")


@pytest.mark.slow
def test_several_seeds_go_on_where_they_were_cut(flags, tmp_path, capsys, signal_at):
    assert call(train, *flags, "--seeds=3", "--quiet") == 0
    assert "num_epochs is 2 there and 1 here" in refused(
        capsys, train, *flags, "--seeds=3,4", "--num_epochs=1"
    )
    capsys.readouterr()
    assert call(train, *flags, "--seeds=3,4") == 0
    out = capsys.readouterr().out
    assert f"{tmp_path}/run/seed_3: finished before\n" in out
    assert "standard deviation" in out
    assert "holds a finished run" in refused(capsys, train, *flags, "--seeds=3,4")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--resume=yes", "resume"),
        (
            "--checkpoint_every=soon",
            "--checkpoint_every should be a number of steps, such as 500, or of minutes",
        ),
        ("--checkpoint_every=-1", "--checkpoint_every should be a number of steps"),
        ("--overwrite --resume=must", "--overwrite begins anew, and --resume=must goes on"),
        ("--resume=must", "holds no checkpoint to go on from, which --resume=must asks for"),
    ],
)
def test_what_does_not_fit_is_one_line(flags, tmp_path, capsys, flag, message):
    assert message in refused(capsys, train, *flags, *flag.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_other_commands_that_go_on_say_so(shop_dir, tmp_path, monkeypatch, capsys, number, status):
    monkeypatch.setattr(tune.Dataset, "load", lambda path: os.kill(os.getpid(), number))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs behind
    try:
        assert call(tune, f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}") == status
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "Stopped; the same command goes on with what is left.\n"


def test_whatever_else_sigterm_meets_cleans_up(capsys):
    assert exit_status(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 143
    assert capsys.readouterr().err == "terminated\n"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
