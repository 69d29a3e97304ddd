"""Fitting a run's settings on what it held out for validation as well, of data that is split in time too."""

import dataclasses

import numpy as np
import pytest
from conftest import call, refused

from nmtr_tf.cli import evaluate, prepare, recommend, report, train
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.preparation import prepare as prepare_log
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.errors import InputError
from nmtr_tf.methods.model import build_model
from nmtr_tf.runs import Run, fit
from nmtr_tf.training.trainer import train as train_model
from runs.conftest import MEASURED, QUICK, SMALL

SHOP = ("--source=synthetic", "--synthetic_users=80", "--synthetic_items=40", "--split=time")


@pytest.fixture(scope="module")
def timed(tmp_path_factory) -> Dataset:
    """A synthetic shop of which the last fifth is held out, and a fifth of the rest for validation."""
    directory = tmp_path_factory.mktemp("data") / "timed"
    assert call(prepare, *SHOP, "--split_share=0.2", f"--dataset_dir={directory}", "--quiet") == 0
    return Dataset.load(directory)


@pytest.fixture(scope="module")
def chosen(timed, tmp_path_factory) -> Run:
    """A run on the data split in time; to be read only."""
    workdir = tmp_path_factory.mktemp("chosen") / "run"
    return fit(timed, method="nmtr_gmf", workdir=workdir, **{**SMALL, **MEASURED, "num_epochs": 3})


@pytest.fixture(scope="module")
def refit(timed, chosen, tmp_path_factory) -> Run:
    """The same settings, fitted on all that came before the test cut; to be read only."""
    return fit(timed, refit_of=chosen.workdir, workdir=tmp_path_factory.mktemp("refit") / "run")


@pytest.mark.slow
def test_it_trains_on_all_rows_before_the_test_cut(timed, chosen, refit):
    view = Run(refit.workdir).view
    for code, name in enumerate(timed.behaviors):
        rows = timed.events.behavior == code
        assert chosen.view.matrices[name].nnz == (rows & (timed.split == 0)).sum()
        assert view.matrices[name].nnz == (rows & (timed.split < 2)).sum()
        assert (rows & (timed.split == 1)).any()
    assert {name: len(pairs) for name, pairs in view.held_out.items()} == {
        "validation": 0,
        "test": len(timed.held_out["test"]),
    }


@pytest.mark.slow
def test_it_has_the_settings_and_the_epochs_of_the_run(chosen, refit):
    epochs = chosen.info.best_epoch
    assert refit.config == chosen.config.with_options(validation="none", num_epochs=epochs)
    assert len(refit.history) == epochs
    assert (refit.info.refit_of, refit.info.final_of) == (str(chosen.workdir), None)
    assert Run(refit.workdir).info == refit.info


@pytest.mark.slow
def test_its_weights_are_those_of_training_without_validation(timed, refit):
    model = build_model(refit.plan, timed.num_users, timed.num_items, seed=0)
    train_model(model, refit.plan, timed.training_view(validation="none"), refit.config)
    for a, b in zip(model.get_weights(), refit.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_it_can_be_evaluated_and_fitted_on_everything_then(timed, refit, capsys):
    assert call(evaluate, f"--workdir={refit.workdir}") == 0
    assert "test, protocol time, mask target" in capsys.readouterr().out
    evaluation = Run(refit.workdir).evaluation()
    assert len(evaluation.items) == len(timed.held_out["test"])
    assert (evaluation.validation, evaluation.about["best_epoch"]) == ("none", None)
    final = fit(timed, final_of=refit.workdir)
    assert final.view.target.nnz == (timed.events.behavior == len(timed.behaviors) - 1).sum()
    assert len(final.history) == len(refit.history)


@pytest.mark.slow
def test_a_page_and_recommendations(timed, refit, tmp_path, capsys):
    refit.evaluate()
    page = tmp_path / "page.html"
    assert call(report, f"--workdir={refit.workdir}", f"--output={page}", "--quiet") == 0
    text = page.read_text()
    assert f"What is trained on comes before the {len(timed.held_out['test'])} test pairs." in text
    assert "say little about recommendation" not in text
    assert call(recommend, f"--workdir={refit.workdir}", "--k=3") == 0
    assert capsys.readouterr().out.startswith("For user-")
    # Bought items are left out, viewed ones are not.
    table = refit.recommend(k=timed.num_items)
    assert len(table) == timed.num_users * timed.num_items - timed.whole["buy"].nnz


@pytest.mark.slow
def test_of_one_pair_a_user_likewise(shop):
    run = fit(shop, **QUICK)
    again = fit(shop, refit_of=run)
    assert again.view.target.nnz == run.view.target.nnz + len(shop.held_out["validation"])
    assert again.evaluate().loc["all", "users"] == len(shop.held_out["test"])


def test_mask_all_is_no_error():
    log = synthetic_shop(80, 40, seed=3)
    assert log.timestamp is not None
    waits = (log.behavior == 2) & (log.item % 2 == 0)  # half of the items are bought ten days after the view
    later = log.timestamp + np.where(waits, 10 * 24 * 3_600_000, 0)
    late = prepare_log(dataclasses.replace(log, timestamp=later), split="time", split_share=0.2)
    run = fit(late, **{**QUICK, "mask": "all", "curve_split": "test"})
    run.evaluate()
    left_out = run.evaluation().about["num_touched_before"]
    assert left_out == len(late.held_out["test"]) - len(run.ranks())
    assert 0 < len(run.ranks()) < len(late.held_out["test"])
    assert set(run.evaluation().groups) >= {"untouched"}
    assert "touched" not in run.evaluation().groups


@pytest.mark.slow
def test_the_command(chosen, refit, tmp_path, monkeypatch, capsys):
    flags = [f"--refit_of={chosen.workdir}", f"--workdir={tmp_path}/again"]
    assert call(train, *flags) == 0
    out = capsys.readouterr().out.splitlines()
    assert f"on all but the test rows, as {chosen.workdir}: " in out[0]
    assert out[-1] == f"Next:        nmtr evaluate --workdir={tmp_path}/again"
    for a, b in zip(refit.model.get_weights(), Run(tmp_path / "again").model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    monkeypatch.setattr(train, "import_tensorflow", lambda: pytest.fail("too late"))
    cases = [
        ([*flags, "--final_of=x"], "--refit_of goes without --final_of"),
        (
            [*flags, "--beta=0.3"],
            "--beta goes without --refit_of, which takes the settings of the run it names",
        ),
        ([flags[0], f"--workdir={chosen.workdir}", "--overwrite"], "is the run to be written"),
        (
            [f"--refit_of={refit.workdir}", "--workdir=w"],
            "held nothing out for validation, so there is nothing",
        ),
    ]
    for case, message in cases:
        assert message in refused(capsys, train, *case)


@pytest.mark.slow
def test_what_fit_refuses(shop, timed, chosen, refit):
    with pytest.raises(InputError, match="`final_of` and `refit_of` are two ways"):
        fit(timed, refit_of=chosen, final_of=chosen)
    with pytest.raises(InputError, match="`num_epochs` goes without `refit_of`"):
        fit(timed, refit_of=chosen, num_epochs=3)
    with pytest.raises(InputError, match=r"`refit_of=.*` was trained on another data set"):
        fit(shop, refit_of=chosen)
    with pytest.raises(InputError, match="held nothing out for validation"):
        fit(timed, refit_of=refit)


def test_what_prepare_prints_and_refuses(tmp_path, capsys):
    target = f"--dataset_dir={tmp_path}/d"
    assert "--split=time takes one of --split_time and --split_share." in refused(
        capsys, prepare, *SHOP, target
    )
    line = refused(capsys, prepare, *SHOP, target, "--split_time=2001-01-01")
    assert "--split_time=2001-01-01, 2001-01-01T00:00:00, should be inside the log, which goes from " in line
    assert "--split_share should be above 0" in refused(capsys, prepare, *SHOP, target, "--split_share=1.5")
    assert not (tmp_path / "d").exists()
    assert call(prepare, *SHOP, target, "--split_share=0.2") == 0
    out = capsys.readouterr().out
    dataset = Dataset.load(tmp_path / "d")
    about = dataset.about["time_split"]
    assert f"After the cut at {about['test_from']} (that for validation: {about['validation_from']})" in out
    pairs, users = len(dataset.held_out["test"]), dataset.num_held_out_users("test")
    (line,) = (line for line in out.splitlines() if line.startswith("of both and kept: test pairs"))
    assert line.split()[-2:] == [str(pairs), str(users)]
    assert f"left out: {about['unseen_users']} users, {about['unseen_items']} items." in out
    assert "Protocol: time." in out
