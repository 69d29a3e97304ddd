"""What is to be trained, and how long it takes."""

import dataclasses

import pytest

from nmtr_tf.files import write_json
from nmtr_tf.paper.cell_runs import run_cell
from nmtr_tf.paper.cells import make_cell
from nmtr_tf.paper.estimates import epoch_seconds, overview
from nmtr_tf.runs.directory import RunDirectory
from paper.conftest import study_of
from paper.made_up import PretendedRun


def test_cells_and_their_time(shop_dir, tmp_path, pretence):
    study = study_of(shop_dir, tmp_path, "--keep=cart:0.5")
    result = run_cell(study, make_cell(study, study.variant("nmtr_gmf")))
    history = [{**record, "seconds": 100.0} for record in result.history]
    dataclasses.replace(result, history=history).save(study.result_path(result.name))
    wanted = [
        study.variant("nmtr_gmf"),
        study.variant("nmtr_gmf", keep=()),  # 2 epochs
        study.variant("nmtr_gmf", keep=(), train_mode="sequential"),  # 2 epochs for each of 3 behaviors
        study.variant("bpr", keep=()),
    ]
    text = overview(study, [make_cell(study, variant) for variant in wanted])
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["nmtr_gmf-view-cart_0.5-buy"] == ["finished"]
    assert rows["nmtr_gmf"] == ["to", "train", "at", "most", "3", "min"]
    assert rows["nmtr_gmf-sequential"] == ["to", "train", "at", "most", "10", "min"]
    assert rows["bpr"] == ["to", "train", "unknown"]
    assert text.splitlines()[-1] == "3 of 4 to train: at most 13 min and 1 of unknown time."
    assert overview(study, [make_cell(study, study.variant("nmtr_gmf"))]).endswith("\n\nAll finished.")


def test_results_without_measured_epochs_have_a_mean(study, pretence):
    result = run_cell(study, make_cell(study, study.variant("gmf")))
    history = [{"epoch": record["epoch"], "train/loss": 1.0} for record in result.history]
    dataclasses.replace(result, history=history, seconds=50.0).save(study.result_path("gmf"))
    RunDirectory(study.run_path("gmf")).metrics_path.unlink(missing_ok=True)
    assert epoch_seconds(study) == {"gmf": pytest.approx(25)}


def test_estimate_from_an_interrupted_run(study):
    cell = make_cell(study, study.variant("gmf"))
    directory, run = RunDirectory(study.run_path("gmf")), PretendedRun(study.dataset, cell.config)
    directory.create(cell.config, run.view, dataclasses.replace(run.info, status="running"))
    directory.metrics_path.write_text('{"epoch": 1, "seconds": 30.0}\n{"epoch": 2, "seconds": 10.0}\n')
    assert epoch_seconds(study) == {"gmf": pytest.approx(20)}
    assert "interrupted" in overview(study, [cell])
    assert "at most 40 s" in overview(study, [cell])


def test_what_cannot_be_read_is_of_no_use(study):
    write_json(study.run_path("gmf") / "run.json", {"method": "gmf"})  # of an earlier version
    assert epoch_seconds(study) == {}
