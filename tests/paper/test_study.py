"""Studies: what flags say of them, and what they refuse."""

import dataclasses
from pathlib import Path

import pytest
from conftest import make_dataset

from nmtr_tf.cli.flags import section_from_flags
from nmtr_tf.cli.paper_flags import study_flags
from nmtr_tf.config import DataConfig, EvaluationConfig, RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.paper.study import Study
from nmtr_tf.paper.variants import Variant
from paper.conftest import TINY, study_of


def test_what_the_flags_say(shop_dir, tmp_path):
    flags = ["--behaviors=cart,buy", "--keep=cart:0.5", "--seed=3", "--protocol=released", "--methods=gmf"]
    study = study_of(shop_dir, tmp_path, *flags, f"--results_dir={tmp_path}/kept")
    assert study.variant("gmf") == Variant("gmf", ("cart", "buy"), (("cart", 0.5),), seed=3)
    assert (study.name, study.protocol, study.seed) == ("shop", "released", 3)
    assert study.behaviors == ("cart", "buy")
    assert study.result_path("gmf") == tmp_path / "kept" / "shop" / "released" / "gmf.json"
    assert study.run_path("gmf") == tmp_path / "runs" / "released" / "gmf"
    own = {f.removeprefix("--") for f in TINY if "flags_dir" not in f}
    # What says where the data is and under which name is no setting that a result remembers.
    assert set(study.given) == {*own, "behaviors=cart,buy", "keep=cart:0.5", "seed=3"}


def test_without_a_word_the_data_set_decides(study):
    assert (study.protocol, study.behaviors, study.seed) == ("strict", ("view", "cart", "buy"), 0)
    assert study.variant("gmf") == Variant("gmf")
    assert study.with_seed(4).variant("gmf") == Variant("gmf", seed=4)


def test_a_study_of_ones_own(shop, tmp_path):
    """Without flags; the settings may be anything that knows a method's config."""
    wanted = RunConfig().with_options(num_epochs=3, method="gmf")
    study = Study(dataset=shop, workdir=tmp_path, settings=lambda method: wanted)
    assert study.settings_of("gmf") == wanted
    assert Study(dataset=shop, workdir=tmp_path, config=wanted).settings_of("mlp") == wanted
    with study.progress.ranking("gmf", 10) as progress:
        assert progress is None


def test_keep_everything_is_no_subset(shop_dir, tmp_path):
    assert study_of(shop_dir, tmp_path, "--keep=cart:1").variant("gmf") == Variant("gmf")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--keep=cart", "`keep` should be behavior:share, such as cart:0.5. Received: 'cart'."),
        ("--keep=cart:much", "`keep` should be behavior:share, such as cart:0.5. Received: 'cart:much'."),
        ("--keep=cart:0", "`keep=cart:0`: the share should be in (0, 1]."),
        ("--keep=buy:0.5", "`keep`: the target behavior 'buy' stays whole; name an auxiliary behavior."),
        ("--behaviors=view,wish", "`behaviors` should be a subset of view,cart,buy in this order"),
        ("--methods=oracle", "`methods` should be among bpr, gmf, "),
        ("--metrics=NDCG", "`metrics` should have HR and NDCG"),
    ],
)
def test_bad_flags(shop_dir, tmp_path, given, message):
    with pytest.raises(InputError) as error:
        study_of(shop_dir, tmp_path, given)
    assert message in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_data_set_without_validation_pairs(tmp_path):
    dataset = make_dataset({"cart": [[1, 1, 0]], "buy": [[1, 0, 0]]}, test=[(0, 2)])
    with pytest.raises(InputError, match="no validation pairs; use `validation=none`"):
        Study(dataset=dataset, workdir=tmp_path)
    assert Study(dataset=dataset, workdir=tmp_path, config=RunConfig(DataConfig(validation="none")))


def test_a_workdir_is_of_one_data_set(study, other_dir):
    study.claim_workdir()
    again = dataclasses.replace(study, config=RunConfig(DataConfig(behaviors=("cart", "buy"))))
    assert again.workdir == study.workdir
    with pytest.raises(InputError) as error:
        study_of(other_dir, study.workdir)
    assert str(error.value) == (
        f"`workdir={study.workdir}` belongs to another data set, 'shop', than the one in "
        f"`dataset_dir={other_dir}`; name another directory."
    )


def test_every_flag_has_help():
    values = study_flags()
    assert all(values[name].help for name in values)
    assert "method" not in values
    assert isinstance(section_from_flags(type(RunConfig().data), values).behaviors, tuple)


def test_a_results_directory_of_its_own(shop, tmp_path):
    study = Study(dataset=shop, workdir=tmp_path, config=RunConfig(evaluation=EvaluationConfig()))
    assert study.results_path == tmp_path / "results" / "data" / "strict"
    assert dataclasses.replace(study, results_dir=Path("kept")).results_path == Path("kept/data/strict")
