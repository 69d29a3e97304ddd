"""Fitting an evaluated run's settings on everything."""

import shutil

import numpy as np
import pytest
from conftest import call, refused

from nmtr_tf.cli import evaluate, export, recommend, train
from nmtr_tf.errors import InputError
from nmtr_tf.files import read_json
from nmtr_tf.methods.model import build_model
from nmtr_tf.runs import Run, fit
from nmtr_tf.runs.final import Origin
from nmtr_tf.training.trainer import train as train_model
from runs.conftest import MEASURED, QUICK, SMALL


@pytest.fixture(scope="module")
def final(stored, tmp_path_factory) -> Run:
    """The stored run's settings, fitted on everything; to be read only."""
    return fit(stored.dataset, final_of=stored.workdir, workdir=tmp_path_factory.mktemp("final") / "run")


def test_every_row_is_trained_on_and_none_is_held_out(shop, stored, final):
    view = Run(final.workdir).view
    for code, name in enumerate(shop.behaviors):
        assert view.matrices[name].nnz == (shop.events.behavior == code).sum()
    assert view.target.nnz == stored.view.target.nnz + sum(map(len, shop.held_out.values()))
    assert [len(pairs) for pairs in view.held_out.values()] == [0, 0]
    assert view.fingerprint == shop.fingerprint
    assert view.protocol == "strict"


def test_it_has_the_settings_and_the_epochs_of_the_evaluated_run(stored, final):
    epochs = stored.info.best_epoch
    assert len(final.history) == epochs
    options = {"validation": "none", "curve_split": "validation", "num_epochs": epochs}
    assert final.config == stored.config.with_options(**options)
    assert final.info.final_of == str(stored.workdir)
    assert (final.info.best_epoch, final.is_finished) == (None, True)
    assert Run(final.workdir).info == final.info
    assert not any(name.startswith(("validation", "test")) for name in final.history[0])


@pytest.mark.slow
def test_its_weights_are_those_of_training_on_all_rows(shop, final):
    model = build_model(final.plan, shop.num_users, shop.num_items, seed=0)
    train_model(model, final.plan, shop.full_view(final.config), final.config)
    for a, b in zip(model.get_weights(), Run(final.workdir).model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_cannot_be_evaluated_but_recommends(shop, stored, final, capsys):
    message = rf"{final.workdir} is fitted on everything.*evaluate the run .*, {stored.workdir}\."
    for ask in (final.evaluate, final.evaluation, final.ranks, Run(final.workdir).evaluate):
        with pytest.raises(InputError, match=message):
            ask()
    assert not final.is_evaluated()
    line = refused(capsys, evaluate, f"--workdir={final.workdir}")
    assert "is fitted on everything" in line
    assert not list(final.workdir.glob("metrics_*"))
    table = final.recommend(k=40)
    assert len(table) == shop.num_users * 40 - shop.whole["buy"].nnz
    assert call(recommend, f"--workdir={final.workdir}", "--k=3") == 0
    assert capsys.readouterr().out.startswith("For user-")
    assert final.why_unknown(["user-0000", "nobody"]) == {"nobody": "never seen"}


@pytest.mark.slow
def test_its_card_has_the_numbers_of_the_evaluated_run_labelled_so(stored, final, tmp_path):
    moved = Run(shutil.copytree(final.workdir, tmp_path / "moved"))
    assert call(export, f"--workdir={moved.workdir}", f"--export_dir={tmp_path}/m", "--quiet") == 0
    about = read_json(tmp_path / "m" / "1" / "model.json")
    assert about["final_of"] == str(stored.workdir)
    assert about["metrics"]["NDCG@10"] == stored.evaluation().metrics["NDCG@10"]
    assert about["num_epochs"] == len(final.history)
    assert sum(about["training_rows"].values()) == len(stored.dataset.events)
    card = (tmp_path / "m" / "1" / "MODEL_CARD.md").read_text()
    assert f"**Of the run `{stored.workdir}`**, which was trained with the same settings, but without" in card
    assert "Fitted on everything, the rows that are held out of an evaluation included." in card
    assert f"The last of {len(final.history)} epochs." in card


@pytest.mark.slow
def test_in_memory_and_without_validation(shop, tmp_path):
    run = fit(shop, validation="none", **{**QUICK, "num_epochs": 2})
    run.evaluate()
    final = fit(shop, final_of=run, device="cpu")
    assert (final.info.final_of, len(final.history)) == ("bpr", 2)
    assert "**Of the run `bpr`**" in (final.export(tmp_path / "m") / "MODEL_CARD.md").read_text()


@pytest.mark.slow
def test_sequential_training_keeps_its_earlier_stages(shop):
    stages = {"train_mode": "sequential", "stage_epochs": (1, 2, 2)}
    run = fit(shop, method="nmtr_gmf", **{**SMALL, **MEASURED, **stages})
    run.evaluate()
    final = fit(shop, final_of=run)
    view, cart, buy = run.info.stage_epochs  # those that the weights took
    best = max(run.history[1:3], key=lambda logs: logs["validation_cart/NDCG@10"])
    assert (view, cart, buy) == (1, best["epoch"] - 1, (run.info.best_epoch or 0) - 3)
    assert final.config.training.stage_epochs == (view, cart, buy)
    assert len(final.history) == view + cart + buy


@pytest.mark.slow
def test_a_warm_start_is_taken_again_and_none_is_made_from_it(shop, stored, final):
    options = {**SMALL, **MEASURED, "num_epochs": 1}
    run = fit(shop, method="nmtr_gmf", init_from=stored.workdir, **options)
    run.evaluate()
    assert fit(shop, final_of=run).info.init_from == run.info.init_from
    with pytest.raises(InputError, match=r"fitted on everything; name .*") as error:
        fit(shop, method="nmtr_gmf", init_from=final.workdir, **options)
    assert str(stored.workdir) in str(error.value)


@pytest.mark.slow
def test_the_command(stored, tmp_path, capsys):
    flags = [f"--final_of={stored.workdir}", f"--workdir={tmp_path}/final"]
    assert call(train, *flags) == 0
    out = capsys.readouterr().out
    assert f"on everything, as {stored.workdir}: " in out.splitlines()[0]
    assert out.splitlines()[1].split() == ["epoch", "train/loss", "seconds"]
    assert out.splitlines()[-1] == f"Next:        nmtr export --workdir={tmp_path}/final --export_dir=..."
    assert Run(tmp_path / "final").info.final_of == str(stored.workdir)
    assert "holds a finished run" in refused(capsys, train, *flags)


def test_the_command_refuses_before_tensorflow_is_imported(workdir, final, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "import_tensorflow", lambda: pytest.fail("too late"))
    cases = [
        (["--final_of=nowhere", "--workdir=w"], "expected the directory of a trained run"),
        ([f"--final_of={workdir}"], "--workdir is needed"),
        ([f"--final_of={workdir}", "--workdir=w", "--num_epochs=3"], "--num_epochs goes without --final_of"),
        ([f"--final_of={workdir}", "--workdir=w", "--seeds=1,2"], "--seeds goes without --final_of"),
        ([f"--final_of={workdir}", f"--workdir={workdir}", "--overwrite"], "is the run to be written"),
        ([f"--final_of={final.workdir}", "--workdir=w"], "is itself fitted on everything; name "),
    ]
    monkeypatch.chdir(tmp_path)
    for flags, message in cases:
        assert message in refused(capsys, train, *flags)
    for path in workdir.glob("metrics_test.json"):
        path.unlink()
    line = refused(capsys, train, f"--final_of={workdir}", "--workdir=w")
    assert "was not evaluated yet; evaluate it first." in line
    assert not (tmp_path / "w").exists()


def test_what_fit_refuses(shop, in_memory, stored, tmp_path):
    with pytest.raises(InputError, match="`num_epochs` goes without `final_of`"):
        fit(shop, final_of=in_memory, num_epochs=3)
    with pytest.raises(InputError, match="`config` goes without `final_of`"):
        fit(shop, in_memory.config, final_of=in_memory)
    with pytest.raises(InputError, match="is the run to be written"):
        fit(shop, final_of=stored, workdir=stored.workdir, overwrite=True)
    other = shop.__class__(shop.events, np.zeros_like(shop.split), "strict")
    with pytest.raises(InputError, match=r"was trained on another data set\. On new data, train a run first"):
        fit(other, final_of=in_memory)
    not_evaluated = fit(shop, **QUICK)
    with pytest.raises(InputError, match="`final_of=bpr` was not evaluated yet"):
        Origin.of(not_evaluated)
