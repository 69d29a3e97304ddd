"""Config dataclasses, and that every field and every flagfile is used."""

import dataclasses
import re
from fractions import Fraction
from pathlib import Path

import pytest

from nmtr_tf.cli.baseline_flags import read_baseline_options
from nmtr_tf.cli.run_settings import read_flagfile
from nmtr_tf.config import (
    ContrastConfig,
    DataConfig,
    EvaluationConfig,
    HistoryConfig,
    LinearConfig,
    ModelConfig,
    RunConfig,
    TimeConfig,
    TrainingConfig,
)
from nmtr_tf.errors import InputError
from nmtr_tf.files import read_json
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.paper import printed as paper

ROOT = Path(__file__).parent.parent
SECTIONS = (
    DataConfig,
    ModelConfig,
    TrainingConfig,
    EvaluationConfig,
    LinearConfig,
    HistoryConfig,
    ContrastConfig,
    TimeConfig,
)


def test_json_round_trip():
    config = RunConfig(
        DataConfig("out/shop", ("view", "buy"), "strict", "none", ("view:0.5",)),
        ModelConfig("nmtr_gmf", ("gmf", "mlp"), 32, 2, 64, 0.1, False, 0.02, True),
        TrainingConfig(loss_weights=(0.25, 0.75), monitor="HR@7"),
        EvaluationConfig((7,), ("HR", "MRR"), "none", (3, 5), 1),
    )
    assert RunConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("section", "field", "value", "expected"),
    [
        (DataConfig, "protocol", "lax", "one of '', 'released', 'strict'"),
        (DataConfig, "validation", "some", "one of 'random', 'none'"),
        (ModelConfig, "embedding_dim", 0, "at least 1"),
        (ModelConfig, "num_layers", 6, "from 1 to 5"),
        (ModelConfig, "num_layers", 0, "from 1 to 5"),
        (ModelConfig, "tower_width", -1, "at least 0"),
        (ModelConfig, "dropout", 1.0, r"in \[0, 1\)"),
        (ModelConfig, "embedding_stddev", 0.0, "positive"),
        (ModelConfig, "units", "gmf", "a list"),
        (TrainingConfig, "num_epochs", 0, "at least 1"),
        (TrainingConfig, "batch_size", 0, "at least 1"),
        (TrainingConfig, "num_negatives", 0, "at least 1"),
        (TrainingConfig, "l2_user", -1e-5, "at least 0"),
        (TrainingConfig, "learning_rate", 0.0, "positive"),
        (TrainingConfig, "initial_accumulator", 0.0, "positive"),
        (TrainingConfig, "seed", 2**31, "below"),
        (TrainingConfig, "num_epochs", "six", "whole numbers"),
        (TrainingConfig, "num_epochs", 2.5, "whole numbers"),
        (TrainingConfig, "num_epochs", True, "whole numbers"),
        (TrainingConfig, "learning_rate", "fast", "numbers"),
        (TrainingConfig, "learning_rate", float("inf"), "finite numbers"),
        (TrainingConfig, "l2_user", float("nan"), "finite numbers"),
        (TrainingConfig, "initial_accumulator", 1e39, "finite numbers"),
        (TrainingConfig, "channel_weights", (1e308, 1e308), "a list of finite numbers"),
        (ModelConfig, "embedding_stddev", float("inf"), "finite numbers"),
        (TrainingConfig, "batch_size", 2**63 - 1, r"whole numbers below 2\^31"),
        (TrainingConfig, "loss_weights", (0.5, "much"), "a list of finite numbers"),
        (TrainingConfig, "monitor", 3, "text"),
        (ModelConfig, "item_bias", 1, "true, false or null"),
        (DataConfig, "behaviors", "view,buy", "a list of text"),
        (TrainingConfig, "beta", 1.5, r"in \[0, 1\]"),
        (TrainingConfig, "beta", -0.1, r"in \[0, 1\]"),
        (TrainingConfig, "channel_weights", (0.0, 0.0), "not all 0"),
        (TrainingConfig, "channel_weights", (1.0, -1.0), "at least 0 each"),
        (TrainingConfig, "train_mode", "parallel", "one of 'multitask', 'sequential'"),
        (TrainingConfig, "stage_epochs", (5, 0), "at least 1 each"),
        (TrainingConfig, "loss_reduction", "max", "one of 'sum', 'mean'"),
        (TrainingConfig, "unobserved_weight", (0.1, 0.0), r"in \(0, 1\] each"),
        (TrainingConfig, "unobserved_weight", (1.1,), r"in \(0, 1\] each"),
        (TrainingConfig, "unobserved_weight", (), r"in \(0, 1\] each"),
        (TrainingConfig, "l2_power", -1.0, "at least 0"),
        (HistoryConfig, "user_rows", "rows", "one of 'auto', 'table', 'history', 'both'"),
        (HistoryConfig, "history_items", "none", "one of 'own', 'shared'"),
        (HistoryConfig, "history_alpha", -1.0, "at least 0"),
        (HistoryConfig, "history_alpha", float("nan"), "finite numbers"),
        (HistoryConfig, "history_dropout", 1.0, r"in \[0, 1\)"),
        (HistoryConfig, "history_half_life", -1.0, "at least 0"),
        (TimeConfig, "time_bias", "ids", "one of 'none', 'buckets', 'window'"),
        (TimeConfig, "time_buckets", 1, "from 2 to 1000"),
        (TimeConfig, "time_buckets", 1001, "from 2 to 1000"),
        (TimeConfig, "time_window", 0.0, "positive"),
        (ContrastConfig, "temperature", 0.0, "positive"),
        (ContrastConfig, "margin", 1.0, r"in \[-1, 1\)"),
        (ContrastConfig, "negative_weight", -1.0, "positive"),
        (EvaluationConfig, "ks", (0,), "positive numbers"),
        (EvaluationConfig, "metrics", (), "different names"),
        (EvaluationConfig, "metrics", ("HR", "HR"), "different names"),
        (EvaluationConfig, "mask", "some", "one of 'auto', 'none', 'target', 'all'"),
        (EvaluationConfig, "groups", (5, 5), "ascending"),
        (EvaluationConfig, "groups", (0, 5), "ascending"),
        (EvaluationConfig, "eval_memory_mb", 0, "at least 1"),
    ],
)
def test_bad_values_are_named(section, field, value, expected):
    with pytest.raises(InputError, match=f"`{field}` should be .*{expected}.* Received: ") as caught:
        section(**{field: value})
    assert caught.value.option == field
    assert str(caught.value.as_flags([field])).startswith(f"--{field} should be ")


def test_whole_numbers_are_numbers_and_lists_are_tuples():
    training = TrainingConfig(learning_rate=1, channel_weights=[1, 1], loss_weights=(1, 0), stage_epochs=[])  # type: ignore[arg-type]
    assert training.learning_rate == 1.0
    assert [type(weight) for weight in (training.learning_rate, *training.channel_weights)] == [float] * 3
    assert training.loss_weights == (1.0, 0.0)
    assert training.stage_epochs == ()


def test_tower_widths_halve():
    assert ModelConfig(embedding_dim=64, num_layers=3).tower_widths == (64, 32, 16)
    assert ModelConfig(embedding_dim=64, num_layers=3, tower_width=256).tower_widths[-1] == 64  # Eq. 8


def test_a_tower_that_reaches_width_zero():
    with pytest.raises(InputError, match=r"`num_layers=5` with a first layer of width 8 .* at least 16"):
        ModelConfig(embedding_dim=8, num_layers=5)


@pytest.mark.parametrize("share", [True, False])
def test_a_stored_config_of_earlier_versions(share):
    stored = {"model": {"method": "nmtr_gmf", "share_embeddings": share}}
    config = RunConfig.from_json(stored)
    plan = resolve(config, ("view", "buy"))
    assert plan.shares_users == share
    assert plan.item_bias


def test_monitor_has_to_be_computed():
    with pytest.raises(InputError, match=r"`monitor` .*HR@5, NDCG@5.* Received: 'NDCG@100'"):
        RunConfig(training=TrainingConfig(monitor="NDCG@100"), evaluation=EvaluationConfig(ks=(5,)))
    with pytest.raises(InputError, match=r"`monitor` .*HR@2, NDCG@2.* Received: 'NDCG@100'"):
        RunConfig(training=TrainingConfig(monitor="NDCG@100")).of_catalogue(5)


@pytest.mark.parametrize(
    ("num_items", "ks", "monitor"),
    [
        (1, (1,), "NDCG@1"),
        (4, (1, 2), "NDCG@2"),
        (30, (1, 2, 5, 10), "NDCG@10"),
        (150, (5, 10, 20, 50), "NDCG@50"),
        (200, (10, 20, 50, 100), "NDCG@100"),
        (201, (50, 80, 100, 200), "NDCG@100"),
    ],
)
def test_cut_offs_are_what_the_catalogue_allows(num_items, ks, monitor):
    config = RunConfig().of_catalogue(num_items)
    assert (config.evaluation.ks, config.training.monitor) == (ks, monitor)


def test_what_is_given_stands_whatever_the_catalogue():
    config = RunConfig().with_options(ks=(5, 500), metrics=("HR",)).of_catalogue(30)
    assert (config.evaluation.ks, config.training.monitor) == ((5, 500), "HR@500")


def test_options_are_replaced_by_name_in_whichever_section():
    config = RunConfig().with_options(method="bpr", num_epochs=3, ks=(5,), monitor="HR@5", keep=("view:0.5",))
    assert config.model.method == "bpr"
    assert (config.training.num_epochs, config.training.monitor) == (3, "HR@5")
    assert (config.evaluation.ks, config.data.keep) == ((5,), ("view:0.5",))
    with pytest.raises(InputError, match="There is no option `epochs`"):
        RunConfig().with_options(epochs=3)


def test_a_part_without_a_name_cannot_be_written():
    def my_loss(*arguments):
        raise NotImplementedError

    config = RunConfig().with_options(loss=my_loss)
    assert config.training.loss is my_loss
    with pytest.raises(InputError, match="`loss` holds my_loss, which has no registered name"):
        config.to_json()


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ([1], "c.json: expected a JSON object with entries. Received: [1]."),
        ({"modle": {}}, "c.json: the entry 'modle' is unknown; expected data, model, training"),
        ({"model": 3}, "c.json: the entry 'model' should be an object of names and values"),
        ({"model": {"embeding_dim": 3}}, "c.json, section 'model': the entry 'embeding_dim' is unknown"),
        (
            {"training": {"num_epochs": "six"}},
            "c.json, section 'training': the entry 'num_epochs' should be a whole number. Received: 'six'.",
        ),
        ({"training": {"num_epochs": 0}}, "c.json: 'num_epochs' should be at least 1. Received: 0."),
        ({"training": {"num_epochs": True}}, "'num_epochs' should be a whole number. Received: True."),
        ({"training": {"loss": [1]}}, "'loss' should be a text. Received: [1]."),
        ({"training": {"loss_weights": [0.5, "x"]}}, "'loss_weights[1]' should be a finite number"),
        ({"model": {"units": [{}]}}, "'units[0]' should be a text. Received: {}."),
        ({"evaluation": {"mask": "banana"}}, "c.json: 'mask' should be one of 'auto', 'none'"),
        (
            {"training": {"monitor": "HR@7"}, "evaluation": {"ks": [5]}},
            "c.json: 'monitor' should be a metric",
        ),
    ],
)
def test_unfit_entries_of_a_stored_config(stored, message):
    with pytest.raises(InputError) as error:
        RunConfig.from_json(stored, "c.json")
    assert message in str(error.value)
    assert str(error.value).startswith("c.json")


def test_every_field_is_read_somewhere():
    sources = [*(ROOT / "nmtr_tf").rglob("*.py"), *(ROOT / "experiments").glob("*.py")]
    text = "\n".join(path.read_text() for path in sources if path.name != "sections.py")
    text += (ROOT / "nmtr_tf" / "sections.py").read_text().split("def tower_widths")[1]
    unread = [
        field.name
        for section in SECTIONS
        for field in dataclasses.fields(section)
        if not re.search(rf"\.{field.name}\b", text)
    ]
    assert unread == []


def flagfiles():
    return sorted({*(ROOT / "flags").rglob("*.flags")} - {*baseline_flagfiles()})


def baseline_flagfiles():
    return sorted((ROOT / "flags").glob("*/baselines/*.flags"))


@pytest.mark.parametrize("path", baseline_flagfiles(), ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_flagfiles_of_baselines_are_the_settings_of_their_results(path):
    from nmtr_tf.cli import evaluate

    dataset = path.parts[-3]
    cell = read_json(ROOT / "docs" / "results" / dataset / "strict" / f"baseline_{path.stem}.json")
    assert read_baseline_options(path, path.stem) == cell["options"]
    evaluate.FLAGS.unparse_flags()
    for name in evaluate.FLAGS:
        evaluate.FLAGS[name].unparse()
    evaluate.FLAGS(["evaluate", f"--flagfile={path}"])
    assert evaluate.FLAGS.baselines == [path.stem]


def test_there_are_flagfiles():
    names = {str(path.relative_to(ROOT / "flags")) for path in flagfiles()}
    expected = {
        f"{data}/{method}.flags" for data in ("beibei", "tmall", "taobao") for method in PAPER_METHODS
    }
    assert expected | {"quickstart.flags", "recommended.flags"} <= names


@pytest.mark.parametrize("path", flagfiles(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_flagfiles_hold_config_fields_with_valid_values(path):
    from nmtr_tf.cli import train
    from nmtr_tf.cli.flags import section_from_flags

    train.FLAGS.unparse_flags()
    for name in train.FLAGS:
        train.FLAGS[name].unparse()
    train.FLAGS(["train", f"--flagfile={path}"])
    sections = {field.name for section in SECTIONS for field in dataclasses.fields(section)}
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    matches = [re.fullmatch(r"--(\w+)=\S+", line) for line in lines]
    assert all(matches)
    keys = [match[1] for match in matches if match]
    assert set(keys) - {"workdir"} <= sections
    assert len(set(keys)) == len(keys)
    values = {section: section_from_flags(section, train.FLAGS) for section in SECTIONS}
    config = RunConfig(*values.values())
    behaviors = config.data.behaviors or ("view", "cart", "buy")
    resolve(config, behaviors)
    assert path.parent.name == "flags" or config.model.method == path.stem


def test_the_quickstart_trains_what_is_recommended():
    def lines(name):
        text = (ROOT / "flags" / f"{name}.flags").read_text()
        return {line for line in text.splitlines() if not line.startswith("#")}

    own = {"--dataset_dir=out/shop", "--workdir=out/demo", "--ks=10,20,50", "--monitor=NDCG@10"}
    assert lines("quickstart") == lines("recommended") | own


@pytest.mark.parametrize("folder", ["beibei_paper", "tmall"])
@pytest.mark.parametrize("method", ["nmtr_gmf", "nmtr_mlp", "nmtr_neumf"])
def test_flagfiles_hold_the_settings_that_the_paper_prints(folder, method):
    dataset = folder.removesuffix("_paper")

    def numbers(text):
        return tuple(float(Fraction(part)) for part in text.strip("[]").split(","))

    printed = paper.best_settings(dataset, method)
    config = read_flagfile(ROOT / "flags" / folder / f"{method}.flags")
    behaviors = config.data.behaviors or paper.BEHAVIORS[dataset]
    assert behaviors == paper.BEHAVIORS[dataset]
    assert config.training.optimizer == printed["optimizer"].lower()
    assert config.training.learning_rate == float(printed["learning rate"])
    assert printed["layers"] in ("-", str(config.model.num_layers))
    weights = resolve(config, behaviors).stages[0].weights
    assert weights == pytest.approx(numbers(printed["loss coefficients"]))
    regularization = printed["regularization"].replace("[0.5e-5]", "[0,5e-5]")  # the noted misprint
    assert (config.training.l2_user, config.training.l2_item) == numbers(regularization)
