"""Modules of the user's own: found, imported, and what they register used by commands."""

import sys

import pytest
from conftest import call, refused

from cli.conftest import TINY
from nmtr_tf.cli import evaluate, prepare, train
from nmtr_tf.cli.plugins import import_plugins
from nmtr_tf.methods.unit_kinds import UNITS
from nmtr_tf.runs import Run
from nmtr_tf.runs.directory import RunDirectory

UNIT = """
from nmtr_tf.methods.unit_kinds import register_unit
from nmtr_tf.models.units import MF

@register_unit("{name}")
class Halved(MF):
    def user_part(self, p):
        return p / 2
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory; what is registered and imported there is gone afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(UNITS, "_parts", dict(UNITS))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_a_plugin_in_the_working_directory_names_a_unit(folder, shop_dir, capsys):
    (folder / "my_units.py").write_text(UNIT.format(name="halved"))
    flags = [f"--dataset_dir={shop_dir}", "--workdir=run", "--method=gmf", "--units=halved", *TINY]
    line = refused(capsys, train, *flags)
    assert "(one of your own has to be registered first, by a module in --plugins)" in line
    assert call(train, *flags, "--plugins=my_units") == 0
    assert Run("run").config.model.units == ("halved",)
    assert call(evaluate, "--workdir=run", "--plugins=my_units", "--quiet") == 0


def test_a_run_of_an_unknown_unit_says_what_is_missing(folder, workdir, capsys):
    config = (workdir / "config.json").read_text()
    changed = config.replace('"units": []', '"units": ["gmf", "gmf", "elsewhere"]')
    assert changed != config
    (workdir / "config.json").write_text(changed)
    directory = RunDirectory(workdir)
    directory.write_info(directory.read_info())  # with the checksum of this config
    line = refused(capsys, evaluate, f"--workdir={workdir}")
    assert "should name a known interaction unit: mf, gmf, mlp, neumf, linear (one of your own" in line
    assert "by a module in --plugins" in line
    assert "'elsewhere'" in line


def test_several_plugins_and_an_installed_name_first(folder):
    (folder / "one.py").write_text("import two\nNUMBER = two.NUMBER - 1\n")
    (folder / "two.py").write_text("NUMBER = 2\n")
    (folder / "json.py").write_text("raise AssertionError\n")
    one, two, json = import_plugins(["one", "two", "json"])
    assert (one.NUMBER, two.NUMBER) == (1, 2)
    assert json.dumps(1) == "1"


def test_what_a_plugin_prints_is_shown(folder, capfd):
    (folder / "loud.py").write_text("import sys\nprint('out')\nprint('err', file=sys.stderr)\n")
    import_plugins(["loud"])
    assert capfd.readouterr() == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "other", "there is no module 'other' on Python's path or in {folder}."),
        ("", "mine.part", "there is no module 'mine.part' on Python's path or in {folder}."),
        ("import nowhere\n", "mine", "Error: No module named 'nowhere' ({folder}/mine.py, line 1)"),
        ("\nf(:\n", "mine", "SyntaxError: invalid syntax ({folder}/mine.py, line 2)"),
        (
            "import json\ndef f():\n    json.loads('x\\ny')\nf()\n",
            "mine",
            "JSONDecodeError: Expecting value: line 1 column 1 (char 0) ({folder}/mine.py, line 3)",
        ),
        ("raise KeyError('a\\nb')\n", "mine", "KeyError: 'a\\nb' ({folder}/mine.py, line 1)"),
    ],
)
def test_bad_plugins(folder, capsys, text, name, message):
    (folder / "mine.py").write_text(text)
    line = refused(capsys, prepare, f"--plugins={name}", "--source=synthetic", "--dataset_dir=x")
    assert line.startswith(f"error: --plugins={name}: ")
    assert message.format(folder=folder) in line
    assert not (folder / "x").exists()
