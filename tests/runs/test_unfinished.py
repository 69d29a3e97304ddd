"""A run whose training has not come to its end is used only by those who say so."""

import dataclasses

import pytest
from conftest import call, refused

import nmtr_tf as nt
from nmtr_tf.cli import evaluate, export, recommend, report
from nmtr_tf.errors import InputError
from nmtr_tf.files import read_json
from nmtr_tf.runs.directory import RunDirectory


@pytest.fixture
def unfinished(workdir):
    """The directory of a run that was killed in its second epoch."""
    directory = RunDirectory(workdir)
    directory.write_info(dataclasses.replace(directory.read_info(), status="running"))
    lines = directory.metrics_path.read_text().splitlines(keepends=True)
    directory.metrics_path.write_text(lines[0])
    (workdir / "metrics_test.json").unlink()
    return workdir


HOW = "an unfinished run (status 'running', 1 epoch so far)"


@pytest.mark.parametrize(
    ("command", "flags"),
    [(evaluate, []), (recommend, []), (export, ["--export_dir={}/models"]), (report, [])],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_commands_refuse_it_in_one_line(unfinished, tmp_path, capsys, command, flags):
    line = refused(capsys, command, f"--workdir={unfinished}", *[flag.format(tmp_path) for flag in flags])
    assert f"--workdir={unfinished} holds {HOW}; train it to its end" in line
    assert "or take it as it is with --allow_unfinished." in line
    assert not (unfinished / "metrics_test.json").exists()
    assert not (tmp_path / "models").exists()


def test_allowed_commands_say_that_it_is_unfinished(unfinished, capsys):
    for command in (evaluate, recommend):
        assert call(command, f"--workdir={unfinished}", "--allow_unfinished") == 0
        assert f"{unfinished}: {HOW}\n" in capsys.readouterr().out
    assert read_json(unfinished / "metrics_test.json")["unfinished"] == "status 'running', 1 epoch so far"


def test_a_finished_run_says_nothing_of_it(workdir, capsys):
    assert call(evaluate, f"--workdir={workdir}") == 0
    assert "unfinished" not in capsys.readouterr().out
    assert "unfinished" not in read_json(workdir / "metrics_test.json")


def test_python_and_the_model_card_say_so_too(unfinished, tmp_path):
    with pytest.raises(InputError, match="with `allow_unfinished`"):
        nt.Run(unfinished).evaluate()
    run = nt.Run(unfinished, allow_unfinished=True)
    version = run.export(tmp_path / "models", k=3)
    assert read_json(version / "model.json")["unfinished"] == "status 'running', 1 epoch so far"
    card = (version / "MODEL_CARD.md").read_text()
    assert "**Of an unfinished run** (status 'running', 1 epoch so far), with its best epoch so far." in card
