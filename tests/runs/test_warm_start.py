"""Going on from a finished run: what is kept, what is fresh, what does not fit."""

import dataclasses
import shutil
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.preparation import prepare
from nmtr_tf.errors import InputError
from nmtr_tf.models.network import network
from nmtr_tf.runs import Run, fit
from nmtr_tf.runs.warm_start import WarmStart, summary
from runs.conftest import MEASURED
from runs.grown_shop import LOG, NEUMF, NEW, OLD, new_model, part_of, plan_of, saved_run, tables_of


def started(workdir, config, view):
    """A new model that was given what the run learned, and the report."""
    model = new_model(config, view)
    start = WarmStart.of(workdir)
    start.check(plan_of(config, view), view)
    return model, start.apply(model, view)


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("method", ["nmtr_gmf", "nmtr_neumf"])
def test_what_both_have_is_kept_and_the_rest_is_fresh(tmp_path, method, share):
    config = dataclasses.replace(NEUMF, method=method, share_embeddings=share)
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


def numbered_part(users, items, renamed) -> Dataset:
    """A part of the log whose ids are numbers, but for the users that get other names."""
    events = part_of(LOG, users, items)
    number = [str(int(name.split("-")[1])) for name in events.users]
    log = pd.DataFrame(
        {
            "user": [renamed.get(number[row], number[row]) for row in events.user],
            "item": [int(events.items[row].split("-")[1]) for row in events.item],
            "behavior": [events.behaviors[code] for code in events.behavior],
        }
    )
    return prepare(log, behaviors=events.behaviors)


@pytest.mark.slow
def test_ids_are_the_same_whatever_kind_the_others_are(tmp_path):
    """One new id that is text makes text of all of them, in another order; "0011" is not 11."""
    before = numbered_part(np.arange(10, 80), np.arange(35), {})
    after = numbered_part(np.arange(60), np.arange(5, 40), {"0": "ann", "11": "0011"})
    assert (before.events.users.dtype, after.events.users.dtype) == (np.int64, object)
    for old, new in ((before, after), (after, before)):
        workdir, view = tmp_path / f"{len(old.user_ids)}", new.training_view()
        learned = tables_of(saved_run(workdir, old.training_view(), NEUMF))["buy"][0]
        fresh = tables_of(new_model(NEUMF, view))["buy"][0]
        model, report = started(workdir, NEUMF, view)
        common = set(map(str, range(80))) & set(old.user_ids) & set(new.user_ids)
        assert "12" in common
        assert not common & {"11", "0011", "ann"}
        row_of = {user: row for row, user in enumerate(old.user_ids)}
        for row, user in enumerate(new.user_ids):
            expected = learned[row_of[user]] if user in common else fresh[row]
            np.testing.assert_array_equal(tables_of(model)["buy"][0][row], expected)
        users = {"kept": len(common), "new": new.num_users - len(common)}
        assert report["users"] == {**users, "dropped": old.num_users - len(common)}
        assert report["items"]["kept"] == len(set(old.item_ids) & set(new.item_ids)) > 20


def test_a_run_of_the_version_before_has_numbers_as_ids(tmp_path):
    before = numbered_part(np.arange(10, 80), np.arange(35), {})
    learned = tables_of(saved_run(tmp_path / "run", before.training_view(), NEUMF))["buy"][0]
    for kind, ids in (("user", before.events.users), ("item", before.events.items)):
        pq.write_table(pa.table({f"{kind}_id": ids}), tmp_path / "run" / f"{kind}s.parquet")
    model, report = started(tmp_path / "run", NEUMF, before.training_view())
    np.testing.assert_array_equal(tables_of(model)["buy"][0], learned)
    assert report["users"] == {"kept": before.num_users, "new": 0, "dropped": 0}


@pytest.mark.parametrize("share", [True, False])
def test_behaviors_go_by_name(tmp_path, share):
    config = dataclasses.replace(NEUMF, share_embeddings=share, units=("gmf", "neumf"))
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
    config = dataclasses.replace(NEUMF, method=method)
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
    saved_run(tmp_path / "run", view, dataclasses.replace(NEUMF, **old))
    with pytest.raises(InputError, match=message):
        WarmStart.of(tmp_path / "run").check(plan_of(dataclasses.replace(NEUMF, **new), view), view)


def test_an_nmtr_run_goes_on_from_one_of_its_target(tmp_path):
    view = OLD.training_view()
    config = dataclasses.replace(NEUMF, method="gmf", item_bias=True)
    old = tables_of(saved_run(tmp_path / "run", view, config))["buy"]
    model, report = started(tmp_path / "run", dataclasses.replace(NEUMF, method="nmtr_gmf"), view)
    assert report["behaviors"] == {"kept": ["buy"], "new": ["view", "cart"], "dropped": []}
    for a, b in zip(tables_of(model)["buy"], old, strict=True):
        np.testing.assert_array_equal(a, b)


COSINES: dict[str, Any] = {"objective": "contrastive", "item_bias": False}
PLAIN: dict[str, Any] = {"objective": "sampled", "item_bias": False}
STILL: dict[str, Any] = {
    **MEASURED,
    "method": "nmtr_gmf",
    "embedding_dim": 4,
    "num_epochs": 1,
    "learning_rate": 1e-12,
}


@pytest.fixture(scope="module")
def of_cosines():
    """A run whose item vectors are of unit length, and whose tables are not."""
    options = {**STILL, "num_epochs": 3, "learning_rate": 0.1, "embedding_stddev": 0.1}
    return fit(OLD, **options, **COSINES, num_negatives=8)


@pytest.mark.parametrize("objective", ["sampled", "softmax", "whole_data", "contrastive"])
def test_what_was_learned_as_cosines_ranks_as_before(of_cosines, objective):
    again = fit(OLD, init_from=of_cosines, **STILL, **{**COSINES, "objective": objective})
    tables = [network(run.model).item_rows.tables[0].numpy() for run in (of_cosines, again)]
    if objective == "contrastive":
        np.testing.assert_allclose(tables[0], tables[1], rtol=1e-5)
    lengths = np.linalg.norm(tables[0], axis=1)
    assert lengths.max() > 1.5 * lengths.min()
    ranks = []
    for run in (of_cosines, again):
        run.evaluate("test")
        ranks.append(run.ranks("test")["rank"].to_numpy())
    np.testing.assert_array_equal(ranks[0], ranks[1])


def test_lengths_that_count_are_not_lost(of_cosines):
    plain = fit(OLD, **STILL, **PLAIN)
    with pytest.raises(InputError, match=r"`objective=contrastive` has item vectors of unit length") as error:
        fit(OLD, init_from=plain, **STILL, **COSINES)
    assert "\n" not in str(error.value)


def test_a_run_knows_its_own_ids(folder, tmp_path):
    run = Run(shutil.copytree(folder / "gmf", tmp_path / "run"))
    users, items = run.ids()
    assert users.tolist() == OLD.user_ids.tolist()
    assert items.tolist() == OLD.item_ids.tolist()
    (tmp_path / "run" / "users.parquet").unlink()
    with pytest.raises(InputError, match=r"`init_from=.*run`: expected .*, but it has no users\.parquet"):
        WarmStart.of(tmp_path / "run")


def test_a_run_is_never_its_own_start(folder):
    run = Run(folder / "gmf")
    for init_from in (run, folder / "gmf", folder / "neumf" / ".." / "gmf"):
        with pytest.raises(InputError, match=r"`init_from=.*gmf` is the run to be written; name another"):
            fit(OLD, init_from=init_from, workdir=folder / "gmf", overwrite=True, **MEASURED)
    assert run.is_finished


def test_an_unfinished_run_and_other_behaviors_are_refused(tmp_path):
    old_view = OLD.training_view(("buy",))
    saved_run(tmp_path / "run", old_view, NEUMF)
    start = WarmStart.of(tmp_path / "run")
    renamed = dataclasses.replace(old_view, matrices={"watch": old_view.target})
    with pytest.raises(InputError, match="none of the behaviors watch; it was trained on buy"):
        start.check(plan_of(NEUMF, renamed), renamed)
    saved_run(tmp_path / "going_on", old_view, NEUMF, status="running")
    expected = r"expected the directory of a finished run\. Its status: 'running'"
    with pytest.raises(InputError, match=expected):
        WarmStart.of(tmp_path / "going_on")
