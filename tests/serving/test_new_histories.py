"""Users who were in no training, recommended items by their events."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import BEHAVIORS, call, refused

import nmtr_tf as nt
from nmtr_tf.cli import recommend
from nmtr_tf.config import RunConfig
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.errors import InputError
from nmtr_tf.serving.export import save_model
from nmtr_tf.serving.left_out import excluded_items
from nmtr_tf.serving.new_histories import read_histories
from nmtr_tf.serving.recommendation import recommend_table
from nmtr_tf.serving.request import Request
from serving.exports import random_model

GMF: dict[str, Any] = {"method": "nmtr_gmf", "objective": "whole_data", "user_rows": "history"}
SMALL: dict[str, Any] = {"embedding_dim": 8, "embedding_stddev": 0.1, "learning_rate": 0.1, "batch_size": 20}
ROWS = [11, 0, 30]


@pytest.fixture(scope="module")
def gmf(shop, tmp_path_factory):
    """Users are gated sums; fitted on everything, so that what is in a history is all that a user did."""
    path = tmp_path_factory.mktemp("history")
    run = nt.fit(shop, workdir=path / "run", validation="none", ks=(5, 10), num_epochs=2, **GMF, **SMALL)
    run.evaluate("test")
    return nt.fit(shop, workdir=path / "final", final_of=run)


@pytest.fixture(scope="module")
def linear(shop):
    run = nt.fit(shop, method="nmtr_linear", validation="none", ks=(5, 10))
    run.evaluate("test")
    return nt.fit(shop, final_of=run)


@pytest.fixture(scope="module")
def both(shop):
    """The sum of a linear part and of GMF."""
    options: dict[str, Any] = {"validation": "none", "linear_weight": 3.0, "num_epochs": 2, **SMALL}
    run = nt.fit(shop, method="nmtr_linear_gmf", ks=(5, 10), **options)
    run.evaluate("test")
    return nt.fit(shop, final_of=run)


def events_of(view, rows) -> pd.DataFrame:
    """What some users did, under other names, in another order, with what counts for nothing."""
    found = [
        (f"new {row}", view.item_ids[item], name)
        for row in rows
        for name in reversed(BEHAVIORS)
        for item in view.matrices[name][[row]].indices[::-1]
    ]
    found = [*found, found[0], (found[-1][0], "no item", "buy"), (found[-1][0], found[0][1], "no behavior")]
    return pd.DataFrame(found, columns=["user", "item", "behavior"])


@pytest.mark.parametrize(
    "kind", ["linear", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("gmf", "both"))]
)
@pytest.mark.parametrize("exclude", ["bought", "touched", "none"])
def test_the_same_history_is_given_the_same_items(request, kind, exclude):
    """What the model stores of a user, and what is passed in of somebody that it never saw."""
    run = request.getfixturevalue(kind)
    known = run.recommend(run.view.user_ids[ROWS].tolist(), k=6, exclude=exclude, probabilities=True)
    events = events_of(run.view, ROWS)
    new = run.recommend(history=events, k=6, exclude=exclude, probabilities=True)
    assert new["user"].unique().tolist() == [f"new {row}" for row in ROWS]
    assert new["known_user"].all()
    for name in ("rank", "item"):
        assert new[name].tolist() == known[name].tolist()
    for name in ("score", *(f"probability_{behavior}" for behavior in BEHAVIORS)):
        if name in known:
            np.testing.assert_allclose(new[name], known[name], rtol=1e-5, atol=1e-6)


def test_events_are_bits_and_what_is_unknown_is_passed_over(shop, gmf):
    found = read_histories(shop, BEHAVIORS, events_of(gmf.view, ROWS))
    np.testing.assert_array_equal(found.matrix.toarray(), histories_of(gmf.view)[ROWS].toarray())
    assert found.num_passed_over == 2
    assert found.users.rows.tolist() == [0, 1, 2]
    other = pd.DataFrame(
        {"user": ["b", "a", "b"], "item": ["no item", shop.item_ids[3], "x"], "behavior": "buy"}
    )
    found = read_histories(shop, BEHAVIORS, other)
    assert found.users.ids.to_pylist() == ["b", "a"]
    assert found.users.rows.tolist() == [0, 1]
    assert found.matrix.toarray().nonzero() == (np.array([1]), np.array([3]))


@pytest.mark.parametrize("missing", [None, np.nan, ""])
def test_rows_with_something_missing_are_passed_over_in_a_file_and_in_a_frame(shop, tmp_path, missing):
    item = shop.item_ids[3]
    rows = [("a", item, "buy"), (missing, item, "buy"), ("a", missing, "buy"), ("a", item, missing)]
    frame = pd.DataFrame(rows, columns=["user", "item", "behavior"])
    frame.to_csv(tmp_path / "events.csv", index=False)
    for events in (frame, tmp_path / "events.csv"):
        found = read_histories(shop, BEHAVIORS, events)
        assert found.users.ids.to_pylist() == ["a"]
        assert found.matrix.nnz == 1
        assert found.num_passed_over == 3


EVENTS = pd.DataFrame(
    [("a", 0, "buy"), ("a", 1, "view"), ("a", 2, "cart"), ("a", 3, "no"), ("b", 4, "cart"), ("b", 0, "view")],
    columns=["user", "item", "behavior"],
)
USED: dict[str, dict[str, Any]] = {
    "buy": {"method": "nmtr_linear", "behaviors": ("buy",)},
    "view,buy": {**GMF, "behaviors": ("view", "buy"), "embedding_dim": 4},
    "cart,buy": {"method": "nmtr_linear", "behaviors": ("cart", "buy"), "linear_gates": (0.5, 1.0)},
}


@pytest.fixture(params=USED)
def used(request, shop):
    """A model that is told of some behaviors, its view, and events of all."""
    config = RunConfig().with_options(**USED[request.param])
    view = shop.view(config)
    events = EVENTS.assign(item=shop.item_ids[EVENTS["item"]])
    return random_model(config, view), view, events


def test_what_a_run_does_not_learn_from_is_touched_all_the_same(shop, used):
    model, view, events = used
    new = read_histories(shop, view.behaviors, events)
    assert new.num_passed_over == 1
    of_run = read_histories(shop, view.behaviors, events[events["behavior"].isin(view.behaviors)])
    np.testing.assert_array_equal(new.matrix[[0]].toarray(), of_run.matrix[[0]].toarray())
    expected = {"bought": ({0}, set()), "touched": ({0, 1, 2}, {0, 4}), "none": (set(), set())}
    popular = recommend_table(model, shop, view, ["nobody"], Request(40))["item"]
    for exclude, hidden in expected.items():
        table = recommend_table(model, shop, view, None, Request(40, exclude), new)
        for user, places in zip("ab", hidden, strict=True):
            own = table[table["user"] == user]
            is_known = user == "a" or len(view.behaviors) > 1
            assert own["known_user"].tolist() == [is_known] * len(own)
            offered = set(shop.item_ids if is_known else popular)
            assert set(own["item"]) == offered - set(shop.item_ids[list(places)])


@pytest.mark.parametrize("exclude", ["bought", "touched", "none"])
@pytest.mark.parametrize("used", ["view,buy", "cart,buy"], indirect=True)  # it has no behaviors of one
def test_an_export_leaves_out_the_same(shop, used, exclude, tmp_path):
    model, view, events = used
    new = read_histories(shop, view.behaviors, events)
    table = recommend_table(model, shop, view, None, Request(40, exclude), new)
    save_model(tmp_path, model, view, 40, excluded_items(shop, exclude), exclude=exclude)
    ask = tf.saved_model.load(str(tmp_path)).signatures["recommend_for_history"]
    for user, own in events.groupby("user"):
        found = ask(
            item_id=tf.constant([own["item"].tolist()]), behavior=tf.constant([own["behavior"].tolist()])
        )
        listed = [item for item in found["item_ids"][0].numpy().astype(str).tolist() if item]
        assert listed == table.loc[table["user"] == user, "item"].tolist()


@pytest.mark.parametrize(("exclude", "hidden"), [("bought", True), ("touched", True), ("none", False)])
def test_an_export_that_is_not_told_what_was_done_leaves_out_what_is_listed(shop, exclude, hidden, tmp_path):
    config = RunConfig().with_options(**USED["buy"])
    view = shop.view(config)
    save_model(tmp_path, random_model(config, view), view, 40, excluded_items(shop, exclude), exclude=exclude)
    listed = shop.item_ids[:3].tolist()
    found = tf.saved_model.load(str(tmp_path)).signatures["recommend_for_history"](
        item_id=tf.constant([listed])
    )
    assert set(listed).isdisjoint(found["item_ids"][0].numpy().astype(str)) is hidden


def test_who_has_no_known_event_gets_what_is_popular(gmf):
    item = gmf.view.item_ids[3]
    events = pd.DataFrame({"user": ["a", "b"], "item": [item, "no item"], "behavior": "view"})
    found, popular = gmf.recommend(history=events, k=4), gmf.recommend(["nobody"], k=4)
    mine = found[found["user"] == "b"]
    assert mine["item"].tolist() == popular["item"].tolist()
    assert found["known_user"].tolist() == [True] * 4 + [False] * 4


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (
            {"user": ["a"], "item": ["1"]},
            r"^`history`: expected the columns user, item, behavior\. Miss",
        ),
        ({"user": [], "item": [], "behavior": []}, r"^`history`: expected events, but there are none\.$"),
        (
            {"user": ["", None], "item": ["x", "y"], "behavior": ["buy", "buy"]},
            r"^`history`: expected the id of a user in each row, but all 2 are without\.$",
        ),
        (
            {"user": ["a"], "item": ["x"], "behavior": ["buy"]},
            r"none of the 1 events is of an item of the data set and of one of .*buy; the first: item 'x'",
        ),
    ],
)
def test_bad_events_are_one_line(gmf, events, message):
    with pytest.raises(InputError, match=message):
        gmf.recommend(history=pd.DataFrame(events))


def test_a_model_with_a_vector_for_each_user_knows_nobody_else(gmf, number_run):
    events = pd.DataFrame({"user": ["a"], "item": ["100"], "behavior": ["buy"]})
    with pytest.raises(InputError, match=r"^`history` needs a run whose users are read from their histories"):
        nt.Run(number_run).recommend(history=events)
    with pytest.raises(InputError, match=r"^`user_ids` and `history` exclude each other"):
        gmf.recommend(["a"], history=events)


def test_a_run_explains_its_scores(gmf, linear):
    for run in (gmf, linear):
        user = run.view.user_ids[11]
        best = run.recommend([user], k=3)
        parts = run.explain(user, best["item"])
        sums = parts.groupby("item", sort=False)["part"].sum()
        assert sums.index.tolist() == best["item"].tolist()
        np.testing.assert_allclose(sums, best["score"], rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"^`explain`: 'nobody' is no user of the data set\.$"):
        gmf.explain("nobody", best["item"])
    with pytest.raises(InputError, match=r"^`explain`: 'nothing' is no item of the data set\.$"):
        gmf.explain(user, ["nothing"])


@pytest.mark.slow
def test_the_command(gmf, tmp_path, capsys):
    events = events_of(gmf.view, ROWS)
    events.to_csv(tmp_path / "events.csv", index=False)
    asked = f"--workdir={gmf.workdir}", f"--history={tmp_path}/events.csv", "--k=4"
    assert call(recommend, *asked, f"--output={tmp_path}/new.csv") == 0
    printed = capsys.readouterr().out
    assert f"12 rows for 3 users written to {tmp_path}/new.csv\n2 events passed over" in printed
    expected = gmf.recommend(history=events, k=4)
    assert (
        pd.read_csv(tmp_path / "new.csv", dtype={"item": str})["item"].tolist() == expected["item"].tolist()
    )
    assert call(recommend, *asked) == 0
    printed = capsys.readouterr().out
    assert f"For new 11, by {histories_of(gmf.view)[[11]].nnz} items:" in printed
    assert re.search(r"^ +rank  item +score$", printed, re.MULTILINE)  # squared errors give no probabilities
    assert call(recommend, *asked, "--explain") == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("1 "))
    assert re.search(r"\S+ \((view|cart|buy)[a-z, ]*\) \+\d", row)
    line = refused(capsys, recommend, *asked, "--explain", f"--output={tmp_path}/x.csv")
    assert "--explain is for tables on the terminal" in line
    (tmp_path / "bad.csv").write_text("user,thing\na,b\n")
    line = refused(capsys, recommend, asked[0], f"--history={tmp_path}/bad.csv")
    assert "bad.csv: expected a CSV file with the columns user, item, behavior" in line
    assert "exclude each other" in refused(capsys, recommend, *asked, "--user_ids=a")
