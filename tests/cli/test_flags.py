"""Flags made of config dataclasses, settings found by name, and the help text."""

import importlib

import pytest
from conftest import call

from nmtr_tf.cli import train
from nmtr_tf.cli.flags import SECTIONS, config_from_flags, given, new_flags, parse
from nmtr_tf.cli.method_settings import settings_dir, settings_file, settings_names
from nmtr_tf.config import EvaluationConfig, RunConfig
from nmtr_tf.errors import InputError

WITH_DEVICE = ["audit", "evaluate", "export", "figures", "recommend", "tables", "train", "tune"]
COMMANDS = [*WITH_DEVICE, "compare", "prepare"]


def parsed(*arguments: str):
    values = new_flags(*SECTIONS)
    parse(values, ["program", *arguments])
    return values


def test_defaults_are_the_config():
    assert config_from_flags(parsed()) == RunConfig()


def test_values_of_every_kind():
    config = config_from_flags(
        parsed(
            "--num_epochs=3",
            "--dropout=0.5",
            "--item_bias",
            "--noshare_embeddings",
            "--units=gmf, mlp",
            "--loss_weights=1/3, 2/3",
            "--stage_epochs=1,2",
            "--train_mode=sequential",
            "--loss=mine",
            "--keep=cart:0.5",
        )
    )
    assert (config.training.num_epochs, config.model.dropout, config.model.item_bias) == (3, 0.5, True)
    assert config.model.share_embeddings is False
    assert config.model.units == ("gmf", "mlp")
    assert config.training.loss_weights == (1 / 3, 2 / 3)
    assert config.training.stage_epochs == (1, 2)
    assert config.training.loss == "mine"
    assert config.data.keep == ("cart:0.5",)


def test_what_the_command_line_gives():
    values = parsed("--ks=5,10", "--mask=all", "--monitor=HR@5")
    assert given(EvaluationConfig, values) == {"ks": (5, 10), "mask": "all"}


def test_shipped_settings_take_the_place_of_defaults():
    plain, own = parsed(), parsed("--method_settings=taobao/nmtr_gmf", "--l2_user=0.5")
    config = config_from_flags(own)
    assert config.model.method == "nmtr_gmf"
    assert config.training.learning_rate == 0.0541 != config_from_flags(plain).training.learning_rate
    assert config.training.l2_user == 0.5
    assert [name for name in own if own[name].present] == ["l2_user", "method_settings"]
    late = parsed("--l2_user=0.5", "--method_settings=taobao/nmtr_gmf")
    assert config_from_flags(late) == config


def test_settings_of_one_call_do_not_stick():
    values = new_flags(*SECTIONS)
    parse(values, ["program", "--method_settings=taobao/nmtr_gmf"])
    parse(values, ["program"])
    assert config_from_flags(values) == RunConfig()


def test_settings_have_names():
    assert {"quickstart", "recommended", "beibei/bpr", "tmall/nmtr_neumf"} <= set(settings_names())
    files = [path for path in settings_dir().rglob("*.flags") if path.parent.name != "baselines"]
    assert len(settings_names()) == len(files)
    assert settings_file("taobao/cmf").read_text().startswith("#")
    with pytest.raises(InputError, match=r"one of beibei/bpr, .*, quickstart, .* Received: 'taobao'"):
        settings_file("taobao")


def test_unknown_settings_are_refused_in_one_line(capsys):
    assert call(train, "--method_settings=../setup") == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: --method_settings should be one of beibei/bpr, ")
    assert printed.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_help_describes_every_flag(name, capsys):
    command = importlib.import_module(f"nmtr_tf.cli.{name}")
    assert call(command, "--help") == 0
    out = capsys.readouterr().out
    assert out.startswith(str(command.__doc__).strip().splitlines()[0])
    assert all(f"--{flag}" in out or f"--[no]{flag}" in out for flag in command.FLAGS if len(flag) > 1)
    assert "None" not in out
    assert f"    nmtr {name} " in out  # an example
    assert "experiments" not in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_common_flags(name):
    values = importlib.import_module(f"nmtr_tf.cli.{name}").FLAGS
    assert {"help", "quiet", "plugins"} <= set(values)
    assert ("device" in values) == (name in WITH_DEVICE)
    assert ("method_settings" in values) == (name in ("train", "tune"))


def test_help_says_which_defaults_are_the_methods_own(capsys):
    assert call(train, "--help") == 0
    out = capsys.readouterr().out
    assert "  --[no]item_bias   (default: the method's own)" in out
    assert "  --[no]share_embeddings   (default: the method's own)" in out
    assert "  --overwrite\n" in out
    assert "  --optimizer=...   (default: adagrad)" in out
