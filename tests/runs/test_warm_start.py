"""Going on from a finished run: what is kept, what is fresh, what does not fit."""

import dataclasses
import re
import shutil

import numpy as np
import pytest
from conftest import call

from nmtr_tf.cli import train
from nmtr_tf.config import ModelConfig, RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.events import Events
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.models.model import build_model, network
from nmtr_tf.models.plan import Plan, resolve
from nmtr_tf.runs import Run, fit
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.info import RunInfo, now, versions
from nmtr_tf.runs.warm_start import WarmStart, summary
from runs.conftest import MEASURED

TINY = ["--embedding_dim=8", "--num_layers=2", "--num_epochs=1", "--ks=5,10", "--monitor=NDCG@10"]
SMALL = ModelConfig("nmtr_neumf", embedding_dim=8, num_layers=2)


def part_of(events: Events, users, items) -> Events:
    """The events of some users and items, whose rows are given."""
    chosen = np.isin(events.user, users) & np.isin(events.item, items)
    user, item = events.user[chosen], events.item[chosen]
    return dataclasses.replace(
        events,
        users=events.users[np.unique(user)],
        items=events.items[np.unique(item)],
        user=np.unique(user, return_inverse=True)[1].astype(np.int32),
        item=np.unique(item, return_inverse=True)[1].astype(np.int32),
        behavior=events.behavior[chosen],
        timestamp=np.asarray(events.timestamp)[chosen],
    )


LOG = synthetic_shop(80, 40, seed=3)


def prepared_part(users, items) -> Dataset:
    return prepare(part_of(LOG, users, items), min_behaviors=2)


OLD = prepared_part(np.arange(10, 80), np.arange(35))
NEW = prepared_part(np.arange(0, 60), np.arange(5, 40))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data sets `before`, `after` and `numbers`, and the runs `gmf` and `neumf` on `before`."""
    folder = tmp_path_factory.mktemp("warm")
    before = OLD.save(folder / "before")
    NEW.save(folder / "after")
    numbers = dataclasses.replace(NEW.events, users=np.arange(len(NEW.events.users)))
    dataclasses.replace(NEW, events=numbers).save(folder / "numbers")
    saved_run(folder / "gmf", before.training_view(), dataclasses.replace(SMALL, method="nmtr_gmf"))
    saved_run(folder / "neumf", before.training_view(), SMALL)
    return folder


def plan_of(config: ModelConfig, view: TrainingView) -> Plan:
    return resolve(RunConfig(model=config), view.behaviors)


def new_model(config: ModelConfig, view: TrainingView):
    return build_model(plan_of(config, view), view.num_users, view.num_items, seed=1)


def saved_run(workdir, view, config, status="finished"):
    """A run with random weights everywhere, and its model."""
    model = build_model(plan_of(config, view), view.num_users, view.num_items, seed=5)
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=weight.shape) for weight in model.get_weights()])
    info = RunInfo(
        method=config.method,
        behaviors=view.behaviors,
        protocol=view.protocol,
        dataset_fingerprint=view.fingerprint,
        num_users=view.num_users,
        num_items=view.num_items,
        seed=5,
        versions=versions(),
        started=now(),
        status=status,
    )
    directory = RunDirectory(workdir)
    directory.create(RunConfig(model=config), view, info)
    model.save(directory.last_checkpoint)
    return model


def started(workdir, config, view):
    """A new model that was given what the run learned, and the report."""
    model = new_model(config, view)
    start = WarmStart.of(workdir)
    start.check(plan_of(config, view), view)
    return model, start.apply(model, view)


def tables_of(model):
    """Behavior -> user rows, item rows, item bias, as arrays."""
    net = network(model)
    terms = range(len(net.behaviors))
    users = net.user_rows.all_rows(terms)
    items, biases = net.item_rows.all_rows(terms), net.item_rows.all_biases(terms)
    return {
        name: [np.array(part) for part in row]
        for name, row in zip(net.behaviors, zip(users, items, biases, strict=True), strict=True)
    }


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("method", ["nmtr_gmf", "nmtr_neumf"])
def test_what_both_have_is_kept_and_the_rest_is_fresh(tmp_path, method, share):
    config = dataclasses.replace(SMALL, method=method, share_embeddings=share)
    old_view, view = OLD.training_view(), NEW.training_view()
    old = tables_of(model := saved_run(tmp_path / "run", old_view, config))
    units = [unit.get_weights() for unit in network(model).cascade.units]
    fresh = tables_of(new_model(config, view))
    model, report = started(tmp_path / "run", config, view)
    for name, tables in tables_of(model).items():
        kinds = [(old_view.user_ids, view.user_ids)] + [(old_view.item_ids, view.item_ids)] * 2
        for values, learned, new, (old_ids, ids) in zip(tables, old[name], fresh[name], kinds, strict=True):
            row_of = {raw: row for row, raw in enumerate(old_ids)}
            for row, raw in enumerate(ids):
                expected = learned[row_of[raw]] if raw in row_of else new[row]
                np.testing.assert_array_equal(values[row], expected)
    for unit, weights in zip(network(model).cascade.units, units, strict=True):
        for value, weight in zip(unit.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(value, weight)
    for kind, old_ids, ids in (
        ("users", old_view.user_ids, view.user_ids),
        ("items", old_view.item_ids, view.item_ids),
    ):
        kept = len(set(old_ids) & set(ids))
        assert 0 < kept < min(len(ids), len(old_ids))
        assert report[kind] == {"kept": kept, "new": len(ids) - kept, "dropped": len(old_ids) - kept}


@pytest.mark.parametrize("share", [True, False])
def test_behaviors_go_by_name(tmp_path, share):
    config = dataclasses.replace(SMALL, share_embeddings=share, units=("gmf", "neumf"))
    old_view, view = OLD.training_view(("view", "buy")), OLD.training_view(("cart", "buy"))
    old = tables_of(old_model := saved_run(tmp_path / "run", old_view, config))
    config = dataclasses.replace(config, units=("mlp", "neumf"))
    fresh = new_model(config, view)
    model, report = started(tmp_path / "run", config, view)
    assert report["behaviors"] == {"kept": ["buy"], "new": ["cart"], "dropped": ["view"]}
    assert "behaviors kept: buy; behaviors new: cart; behaviors dropped: view" in summary(report)
    tables, fresh_tables = tables_of(model), tables_of(fresh)
    for i in range(3):
        np.testing.assert_array_equal(tables["buy"][i], old["buy"][i])
    if not share:
        np.testing.assert_array_equal(tables["cart"][0], fresh_tables["cart"][0])
    np.testing.assert_array_equal(tables["cart"][2], fresh_tables["cart"][2])
    for kept, (i, source) in {1: (1, old_model), 0: (0, fresh)}.items():
        theirs = network(source).cascade.units[i].get_weights()
        for a, b in zip(network(model).cascade.units[kept].get_weights(), theirs, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", ["bpr", "neumf", "cmf", "mc_gmf"])
def test_a_baseline_goes_on_from_its_run(tmp_path, method):
    config = dataclasses.replace(SMALL, method=method)
    view = OLD.training_view()
    learned = saved_run(tmp_path / "run", view, config).get_weights()
    model, report = started(tmp_path / "run", config, view)
    assert report["behaviors"]["kept"] == (list(view.behaviors) if method == "cmf" else ["buy"])
    for a, b in zip(model.get_weights(), learned, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            {"method": "bpr"},
            {"method": "gmf"},
            "the unit of 'buy' should be the same .* mf there and gmf here",
        ),
        (
            {"method": "gmf"},
            {"method": "nmtr_gmf"},
            "item_bias should be the same .* False there and True here",
        ),
        ({"method": "cmf"}, {"units": ("mf",) * 3, "item_bias": False}, "the sharing of item embeddings"),
        (
            {"method": "neumf", "item_bias": True},
            {"share_embeddings": False},
            "the separation of NeuMF's embeddings should be the same .* True there and False here",
        ),
    ],
)
def test_other_layouts_are_refused(tmp_path, old, new, message):
    view = OLD.training_view()
    saved_run(tmp_path / "run", view, dataclasses.replace(SMALL, **old))
    with pytest.raises(InputError, match=message):
        WarmStart.of(tmp_path / "run").check(plan_of(dataclasses.replace(SMALL, **new), view), view)


def test_an_nmtr_run_goes_on_from_one_of_its_target(tmp_path):
    view = OLD.training_view()
    config = dataclasses.replace(SMALL, method="gmf", item_bias=True)
    old = tables_of(saved_run(tmp_path / "run", view, config))["buy"]
    model, report = started(tmp_path / "run", dataclasses.replace(SMALL, method="nmtr_gmf"), view)
    assert report["behaviors"] == {"kept": ["buy"], "new": ["view", "cart"], "dropped": []}
    for a, b in zip(tables_of(model)["buy"], old, strict=True):
        np.testing.assert_array_equal(a, b)


def test_train_goes_on_and_says_what_it_kept(folder, tmp_path, capsys):
    flags = [f"--dataset_dir={folder}/after", f"--init_from={folder}/gmf", "--method=nmtr_gmf", *TINY]
    assert call(train, *flags, f"--workdir={tmp_path}/more", "--learning_rate=1e-6") == 0
    out = capsys.readouterr().out
    run, before = Run(tmp_path / "more"), Run(folder / "gmf")
    report = run.info.init_from or {}
    users = report["users"]
    said = f"users {users['kept']} kept, {users['new']} new, {users['dropped']} dropped; items "
    assert f"Started from {folder}/gmf: {said}" in out
    assert "The optimizer's state starts new." in out
    assert report["run"] == str(folder / "gmf")
    assert report["behaviors"]["kept"] == ["view", "cart", "buy"]
    assert run.is_finished
    # One epoch of steps of 1e-6 leaves the rows where they were learned.
    (ids, _), (old_ids, _) = run.ids(), before.ids()
    _, rows, old_rows = np.intersect1d(ids, old_ids, return_indices=True)
    learned, now = (tables_of(one.model)["buy"][0] for one in (before, run))
    np.testing.assert_allclose(now[rows], learned[old_rows], atol=1e-4)
    assert np.abs(learned).max() > 0.05


def test_each_seed_starts_from_the_same_run(folder, tmp_path, untrained):
    flags = [f"--dataset_dir={folder}/after", f"--init_from={folder}/gmf", "--method=nmtr_gmf", *TINY]
    assert call(train, *flags, f"--workdir={tmp_path}/runs", "--seeds=1,2", "--quiet") == 0
    runs = [Run(tmp_path / "runs" / f"seed_{seed}") for seed in (1, 2)]
    assert runs[0].info.init_from == runs[1].info.init_from
    one, two = (tables_of(run.model)["buy"][1] for run in runs)
    kept = np.isin(runs[0].ids()[1], Run(folder / "gmf").ids()[1])
    np.testing.assert_array_equal(one[kept], two[kept])
    assert np.abs(one[~kept] - two[~kept]).max() > 1e-3  # fresh rows follow the seed


def test_a_run_knows_its_own_ids(folder, tmp_path):
    run = Run(shutil.copytree(folder / "gmf", tmp_path / "run"))
    users, items = run.ids()
    assert users.tolist() == OLD.user_ids.tolist()
    assert items.tolist() == OLD.item_ids.tolist()
    (tmp_path / "run" / "users.parquet").unlink()
    with pytest.raises(InputError, match=r"`init_from=.*run`: expected .*, but it has no users\.parquet"):
        WarmStart.of(tmp_path / "run")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--init_from={folder}/before"], "expected the directory of a finished run"),
        (["--init_from={folder}/nowhere"], "expected the directory of a finished run"),
        (["--embedding_dim=16"], "embedding_dim should be the same in both runs; it is 8 there and 16 here"),
        (["--noshare_embeddings"], "share_embeddings should be the same"),
        (
            ["--units=gmf,neumf,neumf"],
            "the unit of 'view' should be the same in both runs; it is neumf there",
        ),
        (["--method=nmtr_gmf"], "the unit of 'view' should be the same"),
        (["--tower_width=16"], "the tower's widths should be the same in both runs; it is (8, 4) there"),
        (["--num_layers=1"], "the tower's widths should be the same"),
        (
            ["--dataset_dir={folder}/numbers"],
            "the kind of user ids should be the same in both runs; it is text",
        ),
        (["--workdir={folder}/neumf", "--overwrite"], "is the run to be written"),
    ],
)
def test_train_refuses_in_one_line(folder, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    usual = [f"--dataset_dir={folder}/after", f"--init_from={folder}/neumf", "--workdir=w", *TINY]
    assert call(train, *usual, *(flag.format(folder=folder) for flag in flags)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"error: --init_from=.*\n", printed.err)
    assert message in printed.err
    assert not list(tmp_path.iterdir())
    assert Run(folder / "neumf").is_finished


def test_a_run_is_never_its_own_start(folder):
    run = Run(folder / "gmf")
    for init_from in (run, folder / "gmf", folder / "neumf" / ".." / "gmf"):
        with pytest.raises(InputError, match=r"`init_from=.*gmf` is the run to be written; name another"):
            fit(OLD, init_from=init_from, workdir=folder / "gmf", overwrite=True, **MEASURED)
    assert run.is_finished


def test_an_unfinished_run_and_other_behaviors_are_refused(tmp_path):
    old_view = OLD.training_view(("buy",))
    saved_run(tmp_path / "run", old_view, SMALL)
    start = WarmStart.of(tmp_path / "run")
    renamed = dataclasses.replace(old_view, matrices={"watch": old_view.target})
    with pytest.raises(InputError, match="none of the behaviors watch; it was trained on buy"):
        start.check(plan_of(SMALL, renamed), renamed)
    saved_run(tmp_path / "going_on", old_view, SMALL, status="running")
    expected = r"expected the directory of a finished run\. Its status: 'running'"
    with pytest.raises(InputError, match=expected):
        WarmStart.of(tmp_path / "going_on")
