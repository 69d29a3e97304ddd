"""The program `nmtr`, the entry modules of the repository, and commands as they were typed."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import call

from experiments import benchmark
from nmtr_tf.cli import main as program
from nmtr_tf.cli import prepare, train
from nmtr_tf.cli.typed import command

ROOT = Path(__file__).parent.parent.parent
COMMANDS = {"audit", "compare", "evaluate", "export", "figures", "prepare", "recommend", "report", "tables"}
COMMANDS |= {"sample", "train", "tune"}


def listed(out: str) -> dict[str, str]:
    rows = [line.strip().partition("  ") for line in out.splitlines() if line.startswith("  ")]
    return {name: text.strip() for name, _, text in rows}


def refused(capsys, *arguments: str) -> str:
    assert program.main(["nmtr", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_commands_are_listed_with_what_they_are_for(capsys, arguments):
    assert program.main(["nmtr", *arguments]) == 0
    out = capsys.readouterr().out
    found = listed(out)
    assert found.keys() == COMMANDS
    assert found["train"] == train.__doc__.splitlines()[0]
    assert out.splitlines()[0] == "Commands; nmtr <command> --help says more:"


def test_the_list_imports_no_command():
    code = "import sys, nmtr_tf.cli.main as m; m.main(['nmtr']); sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_a_command_gets_its_flags(tmp_path, capsys):
    flags = ["--source=synthetic", "--synthetic_users=20", "--synthetic_items=20", "--quiet"]
    assert program.main(["nmtr", "prepare", *flags, f"--dataset_dir={tmp_path}/x"]) == 0
    assert (tmp_path / "x" / "dataset.json").exists()
    assert "--dataset_dir is needed" in refused(capsys, "prepare", *flags)


def test_an_unknown_command(capsys):
    assert refused(capsys, "trian") == "error: There is no command 'trian'; did you mean train?\n"
    line = refused(capsys, "frobnicate")
    assert line == f"error: There is no command 'frobnicate'; there are {', '.join(sorted(COMMANDS))}.\n"
    assert "no command '--quiet'" in refused(capsys, "--quiet")


def test_messages_name_the_command_that_was_typed(monkeypatch, capsys):
    for script, typed in {
        "/usr/bin/nmtr": "nmtr evaluate",
        f"{ROOT}/experiments/train.py": "python -m experiments.evaluate",
    }.items():
        monkeypatch.setattr(sys, "argv", [script, "train"])
        assert command("evaluate") == typed
        assert call(train, "--help") == 0
        out = capsys.readouterr().out
        assert f"    {typed.replace('evaluate', 'train')} --dataset_dir=out/mine" in out
        examples = (train.__doc__ or "").count("    nmtr train ")
        assert examples >= 5
        assert out.count(f"    {typed.replace('evaluate', 'train')} ") == examples
        assert ("nmtr train" in out) == ("nmtr" in typed)


def test_entry_modules_of_the_repository_are_thin():
    package = ROOT / "nmtr_tf" / "cli"
    for name in COMMANDS:
        lines = (ROOT / "experiments" / f"{name}.py").read_text().splitlines()
        assert f"from nmtr_tf.cli.{name} import main" in lines
        assert len(lines) < 12
        first = ast.get_docstring(ast.parse((package / f"{name}.py").read_text()))
        assert lines[0] == f'"""{(first or "").splitlines()[0]}"""'


def test_the_repository_lists_benchmark_and_scale_too():
    def finished(*arguments: str) -> subprocess.CompletedProcess:
        started = [sys.executable, "-m", "experiments", *arguments]
        return subprocess.run(started, cwd=ROOT, capture_output=True, text=True, check=False)

    found = finished()
    assert listed(found.stdout) == listed(found.stdout) | {"benchmark": benchmark.__doc__.splitlines()[0]}
    assert listed(found.stdout).keys() == COMMANDS | {"benchmark", "scale"}
    assert found.stdout.startswith("Commands; python -m experiments.<command> --help says more:")
    assert finished("benchmrk").stderr == "error: There is no command 'benchmrk'; did you mean benchmark?\n"


def test_a_reader_that_has_enough_is_no_error():
    # The shell's `prepare --help | head -1`, with a reader that reads nothing.
    reader, writer = os.pipe()
    os.close(reader)
    for arguments in (["experiments.prepare", "--help"], ["experiments"]):
        started = [sys.executable, "-m", *arguments]
        finished = subprocess.run(started, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT)
        assert (finished.returncode, finished.stderr) == (141, b"")
    os.close(writer)


def test_interrupted(monkeypatch, tmp_path, capsys):
    def interrupt(values):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "_prepare", interrupt)
    assert call(prepare, "--source=synthetic", f"--dataset_dir={tmp_path}/x") == 130
    assert capsys.readouterr() == ("", "interrupted\n")
