"""Training and evaluating cells: what a result holds, and that no cell is trained twice."""

import dataclasses
import shutil

import pytest

from nmtr_tf.files import read_json, write_json
from nmtr_tf.paper.cell_runs import run_cell, run_cells
from nmtr_tf.paper.cells import make_cell
from nmtr_tf.runs import Run
from nmtr_tf.runs.directory import RunDirectory
from paper.conftest import TINY
from paper.made_up import PretendedRun, metrics_of_places

SHOP = ("view", "cart", "buy")


@pytest.mark.slow
def test_result_of_a_cell(trained):
    study, result = trained
    assert result.name == "nmtr_gmf-view-cart_0.5-buy"
    path = study.results_dir or study.workdir / "results"
    path = path / "shop" / "strict" / f"{result.name}.json"
    assert path.stat().st_size < 10_000
    assert (result.config.data.dataset_dir, result.config.data.keep) == ("shop", ("cart:0.5",))
    assert (result.protocol, result.seed, result.epochs) == ("strict", 0, 2)
    assert result.dataset_fingerprint == study.dataset.fingerprint
    assert result.places.num_users == result.num_test_users == len(study.dataset.held_out["test"])
    assert metrics_of_places(result.places, (5, 10)) == pytest.approx(result.test)
    # The best epoch's test metrics are in its history: with few users all are ranked after each epoch.
    best = result.history[result.best_epoch - 1]
    assert {name: best[f"test/{name}"] for name in result.test} == pytest.approx(result.test, abs=1e-4)
    assert result.curve_users == result.num_test_users
    assert result.peak["HR@10"] == pytest.approx(max(r["test/HR@10"] for r in result.history), abs=1e-4)
    by_purchases = {name: row["num_pairs"] for name, row in result.groups.items() if name.endswith(" buy")}
    assert sum(by_purchases.values()) == result.num_test_users
    assert list(result.heads) == ["view", "cart"]
    run = Run(study.run_path(result.name))
    assert result.num_parameters == run.model.count_params() > 0
    assert set(result.versions) >= {"nmtr_tf", "tensorflow", "keras"}
    assert result.hardware.endswith("cores")
    expected = {flag.removeprefix("--") for flag in TINY if "flags_dir" not in flag} | {"keep=cart:0.5"}
    assert set(result.given) == expected


@pytest.mark.slow
def test_seconds_of_each_epoch_are_measured(trained):
    _, result = trained
    seconds = [record["seconds"] for record in result.history]
    assert len(seconds) == 2
    assert 0 < sum(seconds) <= result.seconds + 0.1


@pytest.mark.slow
def test_the_run_saw_half_of_the_carts(trained):
    study, result = trained
    whole = study.dataset.training_view(SHOP, "strict")
    view = Run(study.run_path(result.name)).view
    assert view.matrices["cart"].nnz < 0.8 * whole.matrices["cart"].nnz
    assert view.matrices["view"].nnz == whole.matrices["view"].nnz


def never(*arguments, **options):
    raise AssertionError("trained again")


@pytest.mark.slow
def test_a_finished_cell_is_never_trained_again(trained, monkeypatch):
    study, result = trained
    monkeypatch.setattr("nmtr_tf.runs.fit", never)
    cell = make_cell(study, study.variant("nmtr_gmf"))
    again = run_cells(study, [cell, cell])
    assert list(again) == [cell.name]
    assert again[cell.name].history == result.history
    assert again[cell.name].places.ranks.tolist() == result.places.ranks.tolist()


@pytest.mark.slow
def test_a_run_without_its_result_is_only_evaluated(trained, tmp_path, monkeypatch):
    study, result = trained
    shutil.copytree(study.workdir, tmp_path / "work")
    study = dataclasses.replace(study, workdir=tmp_path / "work")
    study.result_path(result.name).unlink()
    monkeypatch.setattr("nmtr_tf.runs.fit", never)
    again = run_cell(study, make_cell(study, study.variant("nmtr_gmf")))
    assert again.places.ranks.tolist() == result.places.ranks.tolist()
    assert again.test == pytest.approx(result.test)


def test_an_interrupted_cell_starts_again(study, pretence, monkeypatch):
    cell = make_cell(study, study.variant("gmf"))
    directory = RunDirectory(study.run_path(cell.name))

    def interrupted(dataset, config, *, workdir, callbacks, overwrite):
        run = PretendedRun(dataset, config)
        directory.create(config, run.view, dataclasses.replace(run.info, status="running"))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nmtr_tf.runs.fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_cell(study, cell)
    assert directory.path.is_dir()
    assert not directory.is_finished
    assert not study.results_path.exists()
    assert run_cell(study, cell).epochs == 2
    assert pretence.trained == ["gmf"]
    assert directory.is_finished


def test_a_run_with_other_settings_is_not_taken_for_the_cell(study, pretence):
    cell = make_cell(study, study.variant("gmf"))
    run_cell(study, cell)
    study.result_path(cell.name).unlink()
    other = dataclasses.replace(cell, config=cell.config.with_options(learning_rate=0.5))
    with pytest.raises(ValueError, match="holds a finished run"):
        run_cell(study, other)
    run_cell(dataclasses.replace(study, overwrite=True), other)
    assert pretence.trained == ["gmf", "gmf"]
    assert run_cell(study, other).config.training.learning_rate == 0.5


def test_overwriting_trains_again(study, pretence):
    cell = make_cell(study, study.variant("gmf"))
    run_cell(study, cell)
    run_cell(dataclasses.replace(study, overwrite=True), cell)
    assert pretence.trained == ["gmf", "gmf"]


def test_results_are_kept_in_their_directory_and_the_workdir_is_claimed(study, pretence):
    run_cell(study, make_cell(study, study.variant("gmf")))
    assert sorted(path.name for path in study.workdir.iterdir()) == ["results", "runs", "workdir.json"]
    owner = read_json(study.workdir / "workdir.json")
    assert owner == {"schema": 1, "dataset": "shop", "dataset_fingerprint": study.dataset.fingerprint}


def test_an_unfit_result_is_refused_before_anything_is_trained(study, pretence):
    cells = [make_cell(study, study.variant(name)) for name in ("gmf", "mlp")]
    write_json(study.result_path("mlp"), {})
    with pytest.raises(ValueError, match=r"mlp\.json: expected the result of a cell"):
        run_cells(study, cells)
    assert pretence.trained == []
