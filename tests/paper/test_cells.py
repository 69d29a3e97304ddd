"""Cells: their settings, and results that do not fit them."""

import pytest

from nmtr_tf.cli.paper_flags import open_study, study_flags
from nmtr_tf.config import RunConfig, config_differences
from nmtr_tf.errors import InputError
from nmtr_tf.paper.cell_runs import run_cell, run_cells
from nmtr_tf.paper.cells import Cell, make_cell, stored_result
from nmtr_tf.paper.study import Study
from paper.conftest import study_of

SHOP = ("view", "cart", "buy")


def test_differences_of_configs():
    wanted = RunConfig()
    stored = wanted.with_options(dataset_dir="shop", num_epochs=7, device="gpu", eval_memory_mb=1)
    assert config_differences(stored, wanted) == ["`num_epochs` is 7 there and 50 here"]
    stored = stored.with_options(ks=(1, 2), monitor="HR@2", keep=("cart:0.5",))
    assert config_differences(stored, wanted, ("data", "evaluation")) == [
        "`keep` is ('cart:0.5',) there and () here",
        "`ks` is (1, 2) there and () here",
    ]


def test_settings_are_the_flagfile_then_the_command_line(shop_dir, tmp_path):
    folder = tmp_path / "flags" / "shop"
    folder.mkdir(parents=True)
    lines = ["--method=bpr", "--learning_rate=0.3", "--embedding_dim=32", "--behaviors=view,buy"]
    (folder / "nmtr_gmf.flags").write_text("\n".join(["# tuned", *lines]) + "\n")
    study = study_of(shop_dir, tmp_path / "work", f"--flags_dir={tmp_path}/flags")
    config = make_cell(study, study.variant("nmtr_gmf")).config
    assert (config.model.method, config.model.embedding_dim) == ("nmtr_gmf", 4)
    assert config.training.learning_rate == 0.3
    assert config.training.curve_split == "test"
    assert config.data.behaviors == SHOP
    assert (config.data.protocol, config.data.dataset_dir) == ("strict", str(shop_dir))
    assert make_cell(study, study.variant("gmf")).config.training.learning_rate == 0.01


def test_settings_that_come_with_the_package(shop_data, shop_dir, tmp_path):
    taobao = shop_data.save(tmp_path / "taobao")
    values = study_flags()
    values(["study", f"--dataset_dir={taobao.directory}", f"--workdir={tmp_path}/work"])
    study = open_study(values)
    shipped = make_cell(study, study.variant("nmtr_gmf")).config
    values(["study", f"--dataset_dir={taobao.directory}", f"--workdir={tmp_path}/work", "--flags_dir=none"])
    assert config_differences(shipped, make_cell(open_study(values), study.variant("nmtr_gmf")).config)


def test_a_cell_says_all_that_its_run_needs(study):
    """Also which share of the rows it keeps: the config alone makes the same view again."""
    variant = study.variant("nmtr_gmf", behaviors=("view", "buy"), keep=(("view", 0.5),), seed=7)
    cell = make_cell(study, variant)
    assert cell.name == "nmtr_gmf-view_0.5-buy-seed_7"
    assert (cell.config.data.keep, cell.config.training.seed) == (("view:0.5",), 7)
    assert cell.plan.predicted == ("view", "buy")
    whole = study.dataset.training_view(("view", "buy"), "strict")
    thinned = study.dataset.view(cell.config)
    assert thinned.matrices["view"].nnz < 0.8 * whole.matrices["view"].nnz


def test_epochs_without_a_word_about_them(shop_dir, tmp_path):
    values = study_flags()
    values(["study", f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", "--flags_dir=none"])
    study = open_study(values)
    assert make_cell(study, study.variant("gmf")).config.training.num_epochs == 60
    assert values.num_epochs == 60
    assert study.given == ()


def test_loss_weights_of_the_flagfile_stay_where_they_fit(shop_dir, tmp_path):
    folder = tmp_path / "flags" / "shop"
    folder.mkdir(parents=True)
    (folder / "nmtr_gmf.flags").write_text("--loss_weights=0.2,0.3,0.5\n")
    study = study_of(shop_dir, tmp_path / "work", f"--flags_dir={tmp_path}/flags")

    def weights(**changes):
        return make_cell(study, study.variant("nmtr_gmf", **changes)).config.training.loss_weights

    assert weights() == (0.2, 0.3, 0.5)
    assert weights(loss_weights=(0.0, 0.0, 1.0)) == (0.0, 0.0, 1.0)
    assert weights(behaviors=("cart", "buy")) == ()
    assert weights(train_mode="sequential") == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--loss_weights=0.5,0.4,0.3", "at least 0 each and sum to 1"),
        ("--loss_weights=0.5,0.5", "one weight for each of the 3 behaviors"),
    ],
)
def test_loss_weights_that_do_not_fit(shop_dir, tmp_path, given, message):
    study = study_of(shop_dir, tmp_path, given)
    with pytest.raises(InputError, match=message):
        make_cell(study, study.variant("nmtr_gmf"))
    assert make_cell(study, study.variant("gmf")).config.training.loss_weights == ()


def test_an_unknown_metric_is_refused_before_anything_is_trained(shop_dir, tmp_path):
    study = study_of(shop_dir, tmp_path, "--metrics=HR,NDCG,luck")
    with pytest.raises(InputError, match="`metrics` should name a known metric"):
        make_cell(study, study.variant("gmf"))


@pytest.fixture
def done(shop_dir, tmp_path, pretence) -> tuple[Study, Cell]:
    """A study with a finished cell."""
    study = study_of(shop_dir, tmp_path, "--keep=cart:0.5")
    cell = make_cell(study, study.variant("nmtr_gmf"))
    run_cell(study, cell)
    return study, cell


def test_a_result_with_other_settings_is_refused(done, shop_dir):
    study, cell = done
    other = study_of(shop_dir, study.workdir, "--keep=cart:0.5", "--learning_rate=0.5")
    with pytest.raises(InputError) as error:
        run_cells(other, [make_cell(other, other.variant("nmtr_gmf"))])
    assert f"{cell.name}.json: a result with other settings" in str(error.value)
    assert "`learning_rate` is 0.01 there and 0.5 here" in str(error.value)


def test_overwriting_has_no_stored_results(done, shop_dir):
    study, cell = done
    assert stored_result(study, cell)
    assert stored_result(study_of(shop_dir, study.workdir, "--overwrite"), cell) is None


def test_the_result_and_the_workdir_of_another_data_set_are_refused(done, tmp_path, other_dir):
    study, cell = done
    with pytest.raises(InputError, match="belongs to another data set, 'shop', than the one in"):
        study_of(other_dir, study.workdir)
    given = (f"--results_dir={study.workdir}/results", "--keep=cart:0.5")
    other = study_of(other_dir, tmp_path / "work", *given)
    with pytest.raises(InputError, match=r"-buy\.json: the result of another data set than the one in"):
        run_cell(other, make_cell(other, other.variant("nmtr_gmf")))
    assert not other.run_path(cell.name).exists()
