"""The linear method is a run like any other."""

import dataclasses
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import call, make_dataset, refused
from numpy_ease import objective, plain

import nmtr_tf as nt
from nmtr_tf.cli import evaluate, export, recommend, report, train
from nmtr_tf.data.pairs import all_as_one
from nmtr_tf.errors import InputError
from nmtr_tf.methods import low_rank
from nmtr_tf.models.network import network
from nmtr_tf.runs import checks

OPTIONS: dict[str, Any] = {
    "linear_lambda": 3.0,
    "linear_beta": 0.3,
    "linear_dropout": 0.4,
    "linear_theta": 0.5,
}
OF_EASE: dict[str, Any] = {name.replace("linear", "ease"): value for name, value in OPTIONS.items()}


@pytest.fixture(scope="module")
def run(shop, tmp_path_factory):
    """A run with a directory, evaluated; to be read only."""
    workdir = tmp_path_factory.mktemp("linear") / "run"
    run = nt.fit(shop, method="nmtr_linear", workdir=workdir, ks=(5, 10), **OPTIONS)
    run.evaluate("test")
    return run


def dense(view) -> tuple[np.ndarray, np.ndarray]:
    return all_as_one(view).toarray().astype(float), view.target.toarray().astype(float)


def test_its_weights_and_its_loss_are_those_of_plain_least_squares(run):
    expected = plain(*dense(run.view), **OF_EASE)
    (table,) = network(run.model).user_rows.tables
    np.testing.assert_allclose(table, expected, rtol=1e-4, atol=2e-5)
    (logs,) = run.history  # one epoch
    least = objective(*dense(run.view), expected, **OF_EASE) / run.view.num_users
    assert logs["train/loss"] == logs["train/loss_buy"] == pytest.approx(least, rel=1e-5)
    assert run.info.best_epoch == 1
    assert logs["validation/NDCG@10"] == run.info.best_value


def test_an_item_that_was_touched_and_not_bought_speaks_for_itself(shop, run):
    """The weights between other items, and the loss, are those without it."""
    own = nt.fit(shop, method="nmtr_linear", ks=(5, 10), mask="target", linear_diagonal=50.0, **OPTIONS)
    mine, theirs = (np.array(network(one.model).user_rows.tables[0]) for one in (own, run))
    np.testing.assert_array_equal(mine, theirs + 50 * np.eye(len(theirs), dtype=np.float32))
    assert own.history[0]["train/loss"] == run.history[0]["train/loss"]
    touched, bought = dense(run.view)
    user = int(np.argmax((touched - bought).sum(axis=1)))
    count = int((touched - bought)[user].sum())
    first = own.recommend([run.view.user_ids[user]], k=count, exclude="bought")["item"]
    assert sorted(first) == sorted(run.view.item_ids[np.flatnonzero(touched[user] > bought[user])])
    with pytest.raises(InputError, match="`linear_diagonal` should be at least 0"):
        nt.fit(shop, method="nmtr_linear", linear_diagonal=-1.0)


def test_it_ranks_exactly_as_the_baseline():
    shop = nt.prepare(nt.synthetic_shop(500, 120, seed=1), min_behaviors=2)
    run = nt.fit(shop, method="nmtr_linear", **OPTIONS)
    for split in ("validation", "test"):
        run.evaluate(split)
        baseline = nt.evaluate_baseline(shop, "ease_aimed", split, run.config, **OF_EASE)
        mine, theirs = run.ranks(split), baseline.ranks_table()
        assert len(mine) > 100
        np.testing.assert_array_equal(mine["rank"], theirs["rank"])
        np.testing.assert_array_equal(mine["tied"], theirs["tied"])


def test_it_learns_from_what_training_may_see(shop, run):
    """Held-out pairs are in no history; fitted on everything, they are."""
    entries = network(run.model).user_rows.num_entries
    assert entries == all_as_one(run.view).nnz < all_as_one(shop.full_view(run.config)).nnz
    final = nt.fit(shop, final_of=run)
    everything = shop.full_view(run.config)
    assert network(final.model).user_rows.num_entries == all_as_one(everything).nnz
    expected = plain(*dense(everything), **OF_EASE)
    np.testing.assert_allclose(network(final.model).user_rows.tables[0], expected, rtol=1e-4, atol=2e-5)
    assert final.known_evaluation is run.evaluation("test")


def test_its_directory_holds_the_weights_once_and_opens_again(run):
    assert [path.name for path in (run.workdir / "checkpoints").iterdir()] == ["best.keras"]
    opened = nt.Run(str(run.workdir))
    assert opened.config == run.config
    users = run.view.user_ids[:5].tolist()
    table = opened.recommend(users, k=4, probabilities=True)
    assert table.equals(run.recommend(users, k=4, probabilities=True))
    sums = dense(run.view)[0] @ plain(*dense(run.view), **OF_EASE)
    first = table.iloc[0]
    item = run.view.item_ids.tolist().index(first["item"])
    assert first["score"] == pytest.approx(sums[0, item], rel=1e-4)


def test_gates_of_one_are_the_default_and_others_weigh_what_was_done(shop, run):
    alike = nt.fit(shop, method="nmtr_linear", ks=(5, 10), linear_gates=(1, 1, 1), **OPTIONS)
    for one, other in zip(run.model.get_weights(), alike.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    gates = 0.3, 0.6, 1.2
    gated = nt.fit(shop, method="nmtr_linear", ks=(5, 10), linear_gates=gates, **OPTIONS)
    rows = np.zeros_like(dense(run.view)[0])
    for gate, matrix in zip(gates, run.view.matrices.values(), strict=True):
        rows[matrix.toarray().astype(bool)] = gate
    touched, target = dense(run.view)
    expected = plain(rows, target, **OF_EASE, degrees=touched.sum(axis=1))
    (table,) = network(gated.model).user_rows.tables
    np.testing.assert_allclose(table, expected, rtol=1e-4, atol=2e-5)
    user = int(np.argmax(touched.sum(axis=1)))
    parts = gated.explain(run.view.user_ids[user], [run.view.item_ids[2]])["part"]
    assert parts.sum() == pytest.approx(rows[user] @ expected[:, 2], rel=1e-4, abs=1e-6)


def test_without_validation_its_weights_are_the_last(shop, tmp_path):
    run = nt.fit(shop, method="nmtr_linear", validation="none", workdir=tmp_path / "run")
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["last.keras"]
    again = nt.Run(tmp_path / "run").model.get_weights()
    for one, other in zip(run.model.get_weights(), again, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_it_is_exported_with_its_histories(run, tmp_path):
    version = run.export(tmp_path / "models", k=5)
    served = tf.saved_model.load(str(version)).signatures
    users = run.view.user_ids[[0, 3, 7]].tolist()
    expected = run.recommend(users, k=5)
    found = served["serving_default"](user_id=tf.constant([*users, "nobody"]))
    items = np.char.decode(found["item_ids"].numpy().astype(bytes), "utf-8")
    assert items[:3].ravel().tolist() == expected["item"].tolist()
    np.testing.assert_allclose(found["scores"][:3].numpy().ravel(), expected["score"], rtol=1e-5)
    assert found["known_user"].numpy().tolist() == [True, True, True, False]
    size = (version / "saved_model.pb").stat().st_size
    assert size < 500_000  # the weights stand beside the graph
    card = (version / "MODEL_CARD.md").read_text()
    assert "by the method NMTR-Linear, learned from view, cart, buy" in card
    assert "fitted by least squares" in card
    assert "sampled negatives" not in card


@pytest.fixture(scope="module")
def exported(shop, run, tmp_path_factory):
    """The run fitted on everything, and the directory of its export, which leaves out what was touched."""
    final = nt.fit(shop, final_of=run)
    return final, final.export(tmp_path_factory.mktemp("models"), k=5)


def written_histories(run):
    """Histories as lists of ids, filled up with "", in any order, with what counts for nothing."""
    items = run.view.item_ids
    lists = [[items[i] for i in row.indices[::-1]] for row in map(all_as_one(run.view).__getitem__, ROWS)]
    lists = [["never seen", *own, own[0]] for own in lists]
    longest = max(map(len, lists))
    return [own + [""] * (longest - len(own)) for own in lists]


ROWS = [[0], [5], [11], [30]]


def test_a_new_user_gets_what_the_same_history_in_training_would(exported):
    final, version = exported
    served = tf.saved_model.load(str(version)).signatures
    users = final.view.user_ids[np.ravel(ROWS)].tolist()
    known = served["serving_default"](user_id=tf.constant(users))
    new = served["recommend_for_history"](item_id=tf.constant(written_histories(final)))
    for name, values in known.items():
        np.testing.assert_array_equal(new[name], values)
    nothing = served["recommend_for_history"](item_id=tf.constant([["", "never seen"]]))
    popular = served["serving_default"](user_id=tf.constant(["nobody"]))
    for name, values in popular.items():
        np.testing.assert_array_equal(nothing[name], values)
    empty = served["recommend_for_history"](item_id=tf.zeros([0, 3], tf.string))
    assert empty["item_ids"].shape == (0, 5)


LOADER = """
import json, sys
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1]).signatures
users, histories = json.loads(sys.argv[2])
found = [
    served["serving_default"](user_id=tf.constant(users)),
    served["recommend_for_history"](item_id=tf.constant(histories)),
]
assert not any(name.startswith("nmtr_tf") for name in sys.modules)
lists = [one["item_ids"].numpy().tolist() for one in found]
print(json.dumps([[[item.decode() for item in row] for row in one] for one in lists]))
"""


@pytest.mark.slow
def test_the_export_answers_in_a_process_without_this_package(exported, tmp_path):
    final, version = exported
    users = final.view.user_ids[np.ravel(ROWS)].tolist()
    asked = json.dumps([users, written_histories(final)])
    command = [sys.executable, "-c", LOADER, str(version), asked]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    expected = final.recommend(users, k=5).groupby("user", sort=False)["item"].apply(list).tolist()
    assert json.loads(done.stdout) == [expected, expected]


@pytest.mark.parametrize(("new", "old"), [("nmtr_linear", "stored"), ("nmtr_gmf", "run")])
def test_it_starts_from_nothing(request, shop, new, old):
    origin = request.getfixturevalue(old)
    with pytest.raises(
        InputError, match=r"^`init_from=.*`: `method=nmtr_linear` is solved at once, from noth"
    ):
        nt.fit(shop, method=new, init_from=origin)


@pytest.mark.parametrize("method", ["nmtr_linear", "nmtr_linear_gmf"])
def test_weights_beyond_memory_are_refused_before_anything_is_written(shop, tmp_path, monkeypatch, method):
    monkeypatch.setattr(checks, "MAX_BYTES", 8 * 40 * 7)
    message = (
        r"^`linear_rank=8` holds two factors of 40 items, 2,560 bytes, where 2,240 are allowed; use "
        r"`linear_rank=7` or less, `method=nmtr_gmf`, or prepare with a `k_core`\.$"
    )
    with pytest.raises(InputError, match=message):
        nt.fit(shop, method=method, linear_rank=8, workdir=tmp_path / "run")
    with pytest.raises(InputError, match=r"^`linear_rank` should be at most the 40 items\. Received: 41\.$"):
        nt.fit(shop, method=method, linear_rank=41, workdir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_more_items_than_dense_weights_take_have_factors(shop, shop_dir, monkeypatch, tmp_path, capsys):
    """Which the config has, and which the command says."""
    monkeypatch.setattr(low_rank, "MAX_DENSE", 39)
    monkeypatch.setattr(low_rank, "DEFAULT_RANK", 6)
    run = nt.fit(shop, method="nmtr_linear", ks=(5, 10), workdir=tmp_path / "run", **OPTIONS)
    assert nt.Run(tmp_path / "run").config.linear.linear_rank == 6
    assert [tuple(one.shape) for one in network(run.model).user_rows.item_weights] == [(40, 6)] * 2
    options = f"--dataset_dir={shop_dir}", "--method=nmtr_linear", f"--workdir={tmp_path}/other"
    assert call(train, *options) == 0
    assert "Item-to-item weights are of rank 6, two factors of 40 items" in capsys.readouterr().out
    assert nt.fit(shop, method="nmtr_gmf", num_epochs=1, ks=(5, 10)).config.linear.linear_rank == 0


def test_of_full_rank_it_is_the_dense_method(shop, run, tmp_path):
    """Its scores, its ranks, its loss and its parts; saved, loaded and exported."""
    options: dict[str, Any] = {"method": "nmtr_linear", "ks": (5, 10), **OPTIONS}
    full = nt.fit(shop, linear_rank=40, workdir=tmp_path / "run", **options)
    assert full.history[0]["train/loss"] == pytest.approx(run.history[0]["train/loss"], rel=1e-4)
    opened = nt.Run(tmp_path / "run")
    users = run.view.user_ids[:9].tolist()
    expected, found = (one.recommend(users, k=40, exclude="none") for one in (run, opened))
    scores = [table.set_index(["user", "item"])["score"].sort_index() for table in (expected, found)]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-3, atol=1e-4)
    item = run.view.item_ids[2]
    for user in users:
        parts = [one.explain(user, [item]).sort_values("history_item")["part"] for one in (run, opened)]
        np.testing.assert_allclose(parts[1], parts[0], rtol=1e-3, atol=1e-4)


def all_scores(run, num_items) -> pd.Series:
    """The score of every user and item."""
    table = run.recommend(k=num_items, exclude="none")
    return table.set_index(["user", "item"])["score"].sort_index()


def test_the_diagonal_is_that_of_the_dense_method_at_any_rank(shop):
    """What was touched and not bought comes first."""
    options: dict[str, Any] = {"method": "nmtr_linear", "ks": (5, 10), "mask": "target", **OPTIONS}
    one, other = (nt.fit(shop, linear_diagonal=0.7, linear_rank=rank, **options) for rank in (0, 40))
    np.testing.assert_allclose(all_scores(one, 40), all_scores(other, 40), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("rank", [0, 40])
def test_a_discount_divides_the_scores_of_what_many_touched(shop, rank):
    """At any rank; neither the loss nor the weight of an item for itself has it."""
    options: dict[str, Any] = {"method": "nmtr_linear", "ks": (5, 10), "linear_rank": rank, **OPTIONS}
    own = 0.7 if rank == 0 else 0.0
    run = nt.fit(shop, linear_discount=0.4, linear_diagonal=own, **options)
    touched, target = dense(run.view)
    counts = np.maximum(touched.sum(axis=0), 1)
    scales = (counts / counts.mean()) ** -0.4
    weights = plain(touched, target, **OF_EASE) * scales + own * np.eye(len(scales))
    scores = all_scores(run, 40).to_numpy().reshape(touched.shape)
    by_name = np.argsort(run.view.item_ids), np.argsort(run.view.user_ids)
    np.testing.assert_allclose(scores, (touched @ weights)[by_name[1]][:, by_name[0]], rtol=1e-3, atol=1e-4)
    assert run.history[0]["train/loss"] == nt.fit(shop, **options).history[0]["train/loss"]
    with pytest.raises(InputError, match="`linear_discount` should be finite"):
        nt.fit(shop, linear_discount=float("nan"), **options)


def test_few_users_have_weights_of_their_number_and_as_exact(tmp_path, capsys):
    rng = np.random.default_rng(4)
    data = make_dataset({name: rng.random((5, 24)) < 0.3 for name in ("view", "buy")})
    options: dict[str, Any] = {"method": "nmtr_linear", "validation": "none", "ks": (5, 10), **OPTIONS}
    few, dense_one = (nt.fit(data, linear_rank=rank, **options) for rank in (0, 24))
    assert few.config.linear.linear_rank == 5
    assert [tuple(one.shape) for one in network(few.model).user_rows.item_weights] == [(24, 5)] * 2
    np.testing.assert_allclose(all_scores(few, 24), all_scores(dense_one, 24), rtol=1e-3, atol=1e-4)
    data.save(tmp_path / "data")
    flags = f"--dataset_dir={tmp_path}/data", "--validation=none", f"--workdir={tmp_path}/run"
    assert call(train, *flags, "--method=nmtr_linear", "--ks=5,10") == 0
    assert "are of rank 5, two factors of 24 items: no less than there are users" in capsys.readouterr().out


def test_too_little_regularization_is_one_line():
    alike = make_dataset({"view": np.ones((4, 3)), "buy": np.eye(4, 3)})
    options: dict[str, Any] = {"linear_lambda": 1e-30, "linear_dropout": 0.0, "validation": "none"}
    with pytest.raises(InputError, match=r"^`linear_lambda` is too small for these data"):
        nt.fit(alike, method="nmtr_linear", **options)


@pytest.mark.slow
def test_it_is_compared_and_reported(shop, run, in_memory):
    options: dict[str, Any] = {**OPTIONS, **dataclasses.asdict(run.config.evaluation), "mask": "target"}
    other = nt.fit(shop, method="nmtr_linear", **options)
    other.evaluate("test")
    compared = repr(nt.compare([other, in_memory]))
    assert "nmtr_linear" in compared
    assert "nmtr_gmf" in compared
    page = run.report(run.workdir / "page.html").read_text()
    assert "NMTR-Linear" in page
    assert "linear_lambda" in page


@pytest.mark.slow
def test_the_commands(shop_dir, tmp_path, capsys):
    workdir, quiet = f"--workdir={tmp_path}/run", "--quiet"
    options = ["--method=nmtr_linear", f"--dataset_dir={shop_dir}", workdir, "--linear_lambda=3"]
    printed = refused(capsys, train, *options, "--dropout=0.1")
    assert "--dropout has no meaning for --method=nmtr_linear" in printed
    assert not (tmp_path / "run").exists()
    assert call(train, *options, quiet) == 0
    assert call(evaluate, workdir, quiet) == 0
    assert call(train, f"--final_of={tmp_path}/run", f"--workdir={tmp_path}/final", quiet) == 0
    final = f"--workdir={tmp_path}/final"
    assert call(recommend, final, "--all_users", f"--output={tmp_path}/all.csv", quiet) == 0
    assert call(export, final, f"--export_dir={tmp_path}/models", quiet) == 0
    assert call(report, workdir, quiet) == 0
    assert (tmp_path / "models" / "1" / "saved_model.pb").is_file()
