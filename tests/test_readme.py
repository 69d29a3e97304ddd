"""What the README shows works as it stands."""

import importlib
import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from nmtr_tf.cli import sample

SMALLER = ["--num_users=80", "--num_items=40"]  # than what the README trains on, for time
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sample.main(["nmtr sample", "events.csv", "--items=items.csv", *SMALLER]) == 0
    return tmp_path


def test_the_sample_is_as_shown(tmp_path):
    assert sample.main(["nmtr sample", f"{tmp_path}/events.csv"]) == 0
    assert (tmp_path / "events.csv").read_text().startswith(blocks("csv")[0])


@pytest.mark.slow
def test_the_python_snippet(folder, capsys):
    (snippet,) = blocks("python")
    names: dict = {}
    assert len(snippet.splitlines()) <= 12
    exec(compile(snippet, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "HR@20" in printed
    assert "HR@K is 1" not in printed
    assert "Difference from run_py, paired by user" in printed
    assert names["run"].recommend(["user-0007"], k=5, items="items.csv")["title"].notna().all()
    assert (folder / "out/models/nmtr_py/1/saved_model.pb").is_file()


@pytest.mark.slow
def test_the_commands_on_your_own_log(folder, capsys):
    own = [block for block in blocks("sh") if "events.csv" in block or "nmtr recommend" in block]
    assert len(own) == 5
    for line in "".join(own).replace("\\\n", " ").splitlines():
        program, command, *flags = shlex.split(line)
        assert program == "nmtr"
        if command == "train":
            flags += (
                ["--quiet"]
                if flags[0].startswith(("--final_of", "--refit_of"))
                else ["--num_epochs=1", "--quiet"]
            )
        if command == "sample":
            flags += [*SMALLER, "--overwrite"]
        module = importlib.import_module(f"nmtr_tf.cli.{command}")
        assert module.main([f"nmtr {command}", *flags]) == 0
    out = capsys.readouterr().out
    assert "For user-0003, who did " in out
    assert "HR@K is 1" not in out
    card = (folder / "out/models/nmtr/1/MODEL_CARD.md").read_text()
    assert "**Of the run `out/run`**" in card
    assert (folder / "out/recommendations.csv").read_text().count("\n") > 100


def test_the_log_with_an_order_of_its_own(folder):
    """Its users also share: every second item that a user carts."""
    (block,) = [block for block in blocks("sh") if "--after" in block]
    program, command, *flags = shlex.split(block.replace("\\\n", " "))
    assert (program, command) == ("nmtr", "prepare")
    log = pd.read_csv("events.csv")
    shares = log[log.behavior == "cart"].iloc[::2].assign(behavior="share")
    pd.concat([log, shares]).to_csv("social.csv", index=False)
    assert importlib.import_module("nmtr_tf.cli.prepare").main(["nmtr prepare", *flags]) == 0
    described = json.loads((folder / "out/ordered/dataset.json").read_text())
    assert described["after"] == ["share:view", "cart:view", "buy:share+cart"]


def test_the_first_screen_names_both_commands():
    first_screen = "\n".join(README.splitlines()[:25])
    assert "make demo" in first_screen
    assert "make test" in first_screen
