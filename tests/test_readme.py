"""What the README shows works as it stands."""

import re
import shlex
from pathlib import Path

import pytest

from experiments import evaluate, export, prepare, recommend, train

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
COMMANDS = {module.__name__: module for module in (prepare, train, evaluate, recommend, export)}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "events.csv").write_text(blocks("csv")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_snippet(folder, capsys):
    (snippet,) = blocks("python")
    lines = [line for line in snippet.splitlines() if line and not line.startswith("from ")]
    assert len(lines) <= 15
    exec(compile(snippet, "README.md", "exec"), {})
    assert "'HR@2'" in capsys.readouterr().out


def test_the_commands_on_your_own_log(folder, capsys):
    (serving,) = (block for block in blocks("sh") if "experiments.export" in block)
    for line in (blocks("sh")[1] + serving).splitlines():
        _, _, module, *flags = shlex.split(line)
        if "train" in module:
            flags += ["--num_epochs=1", "--quiet"]
        assert COMMANDS[module].main([module, *flags]) == 0
    assert "For ann, who did" in capsys.readouterr().out
    assert (folder / "out/models/nmtr/1/saved_model.pb").is_file()
    assert (folder / "out/recommendations.csv").read_text().startswith("user")


def test_the_first_screen_names_both_commands():
    first_screen = "\n".join(README.splitlines()[:25])
    assert "make demo" in first_screen
    assert "make test" in first_screen
