"""What the README shows works as it stands."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "events.csv").write_text(blocks("csv")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_snippet(folder, capsys):
    (snippet,) = blocks("python")
    names: dict = {}
    assert len(snippet.splitlines()) <= 12
    exec(compile(snippet, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "HR@50" in printed
    assert "Difference from run_py, paired by user" in printed
    assert names["run"].recommend(["ann"], k=2)["item"].tolist() == ["jar"]
    assert (folder / "out/models/nmtr_py/1/saved_model.pb").is_file()


def test_the_commands_on_your_own_log(folder, capsys):
    (serving,) = (block for block in blocks("sh") if "nmtr export" in block)
    for line in (blocks("sh")[1] + serving).splitlines():
        program, command, *flags = shlex.split(line)
        assert program == "nmtr"
        if command == "train":
            flags += ["--quiet"] if flags[0].startswith("--final_of") else ["--num_epochs=1", "--quiet"]
        module = importlib.import_module(f"nmtr_tf.cli.{command}")
        assert module.main([f"nmtr {command}", *flags]) == 0
    out = capsys.readouterr().out
    assert "For ann, who did 3 view, 3 buy:\n" in out
    assert " jar " in out
    card = (folder / "out/models/nmtr/1/MODEL_CARD.md").read_text()
    assert "**Of the run `out/run`**" in card
    assert (folder / "out/recommendations.csv").read_text().count("\n") == 4


def test_the_first_screen_names_both_commands():
    first_screen = "\n".join(README.splitlines()[:25])
    assert "make demo" in first_screen
    assert "make test" in first_screen
