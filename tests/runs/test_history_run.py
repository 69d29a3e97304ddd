"""A method whose users are read from their histories is a run like any other, and knows new users at once."""

import dataclasses
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS, call, refused

import nmtr_tf as nt
from nmtr_tf.cli import evaluate, export, recommend, report, train
from nmtr_tf.config import RunConfig
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.errors import InputError
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.models.network import network
from runs.given_histories import histories

OPTIONS: dict[str, Any] = {
    "method": "nmtr_gmf",
    "objective": "whole_data",
    "user_rows": "history",
    "embedding_dim": 8,
    "learning_rate": 0.1,
    "embedding_stddev": 0.1,
    "batch_size": 20,
    "ks": (5, 10),
}
FLAGS = [f"--{name}={value}" for name, value in OPTIONS.items() if name != "ks"]


@pytest.fixture(scope="module")
def run(shop, tmp_path_factory):
    """A run with a directory; to be read only."""
    workdir = tmp_path_factory.mktemp("history") / "run"
    return nt.fit(shop, workdir=workdir, num_epochs=6, **OPTIONS)


def test_it_learns_and_repeats_bit_for_bit(shop, run):
    again = nt.fit(shop, num_epochs=6, **OPTIONS)
    assert [logs["train/loss"] for logs in again.history] == [logs["train/loss"] for logs in run.history]
    for one, other in zip(run.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    losses = [logs["train/loss"] for logs in run.history]
    assert losses[-1] < 0.8 * losses[0]
    gates = network(run.model).user_rows.gates[0].numpy()
    assert len(set(gates)) == len(BEHAVIORS)  # they were learned


def test_its_directory_opens_again(run):
    opened = nt.Run(str(run.workdir))
    assert opened.config == run.config
    users = run.view.user_ids[:5].tolist()
    table = opened.recommend(users, k=4, probabilities=True)
    assert table.equals(run.recommend(users, k=4, probabilities=True))
    shapes = [tuple(weight.shape) for weight in opened.model.trainable_variables]
    assert not any(run.view.num_users in shape for shape in shapes)  # the size is that of the items


ROWS = [0, 5, 11, 30]


@pytest.fixture(scope="module")
def exported(shop, run, tmp_path_factory):
    """The run fitted on everything, and the directory of its export, which leaves out what was touched."""
    run.evaluate("test")
    final = nt.fit(shop, final_of=run)
    return final, final.export(tmp_path_factory.mktemp("models"), k=5)


@pytest.mark.slow
def test_a_new_user_gets_what_the_same_history_in_training_would(exported):
    final, version = exported
    served = tf.saved_model.load(str(version)).signatures
    known = served["serving_default"](user_id=tf.constant(final.view.user_ids[ROWS].tolist()))
    new = served["recommend_for_history"](
        **{name: tf.constant(lists) for name, lists in histories(final.view, ROWS).items()}
    )
    for name in ("item_ids", "num_items", "known_user"):
        np.testing.assert_array_equal(new[name], known[name])
    np.testing.assert_allclose(new["scores"], known["scores"], rtol=1e-5, atol=1e-6)
    nothing = served["recommend_for_history"](
        item_id=tf.constant([["", "never seen"]]), behavior=tf.constant([["", "buy"]])
    )
    popular = served["serving_default"](user_id=tf.constant(["nobody"]))
    for name, values in popular.items():
        np.testing.assert_array_equal(nothing[name], values)
    empty = served["recommend_for_history"](
        item_id=tf.zeros([0, 3], tf.string), behavior=tf.zeros([0, 3], tf.string)
    )
    assert empty["item_ids"].shape == (0, 5)
    assert "`recommend_for_history` knows them" in (version / "MODEL_CARD.md").read_text()


@pytest.mark.slow
def test_a_user_left_out_of_training_gets_what_the_same_history_gives(shop):
    """A model that never saw user 11 gives for his events the scores of a model that stores them."""
    view = shop.training_view()
    keep = np.delete(np.arange(view.num_users), 11)
    without = dataclasses.replace(
        view,
        user_ids=view.user_ids[keep],
        matrices={name: matrix[keep] for name, matrix in view.matrices.items()},
    )
    assert without.num_users == view.num_users - 1
    rows = {}
    for name, one in (("with", view), ("without", without)):
        plan = resolve(RunConfig().with_options(**OPTIONS), one.behaviors)
        model = build_model(plan, one.num_users, one.num_items, 3, histories_of(one))
        rows[name] = network(model).user_rows
    (expected,) = rows["with"].rows(tf.constant([11]), [0])
    bits = histories_of(view)[[11]]
    found = rows["without"].sums(bits.indices, np.zeros(bits.nnz, int), 1, [0], tf.constant(bits.data))
    np.testing.assert_array_equal(found[0], expected)
    assert np.any(expected)


def test_behaviors_count_differently(exported):
    """The gates tell a purchase from a view."""
    final, version = exported
    ask = tf.saved_model.load(str(version)).signatures["recommend_for_history"]
    item = tf.constant([[final.view.item_ids[3]]])
    scores = [ask(item_id=item, behavior=tf.constant([[name]]))["scores"].numpy() for name in BEHAVIORS]
    assert not np.allclose(scores[0], scores[-1])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="item_id and behavior should have the same shap"
    ):
        ask(item_id=item, behavior=tf.constant([["buy", "view"]]))


LOADER = """
import json, sys
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1]).signatures
asked = {name: tf.constant(lists) for name, lists in json.loads(sys.argv[2]).items()}
found = served["recommend_for_history"](**asked)["item_ids"].numpy().tolist()
assert not any(name.startswith("nmtr_tf") for name in sys.modules)
print(json.dumps([[item.decode() for item in row] for row in found]))
"""


@pytest.mark.slow
def test_the_export_answers_in_a_process_without_this_package(exported, tmp_path):
    final, version = exported
    users = final.view.user_ids[ROWS].tolist()
    command = [sys.executable, "-c", LOADER, str(version), json.dumps(histories(final.view, ROWS))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    expected = final.recommend(users, k=5).groupby("user", sort=False)["item"].apply(list).tolist()
    assert json.loads(done.stdout) == expected


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"history_items": "shared"}, {"user_rows": "both"}], ids=str)
def test_the_other_rows_train_and_open_again(shop, options, tmp_path):
    run = nt.fit(shop, workdir=tmp_path / "run", num_epochs=3, **{**OPTIONS, **options})
    users = run.view.user_ids[:3].tolist()
    assert nt.Run(tmp_path / "run").recommend(users, k=4).equals(run.recommend(users, k=4))
    assert run.history[-1]["train/loss"] < run.history[0]["train/loss"]
    version = run.export(tmp_path / "models", k=4)
    served = tf.saved_model.load(str(version)).signatures
    items = served["serving_default"](user_id=tf.constant(users))["item_ids"].numpy().ravel()
    assert [item.decode() for item in items] == run.recommend(users, k=4)["item"].tolist()


def test_it_starts_from_nothing(shop, run):
    with pytest.raises(InputError, match=r"^`init_from=.*`: `user_rows=history` reads users from their hist"):
        nt.fit(shop, method="nmtr_gmf", embedding_dim=8, init_from=run)


@pytest.mark.slow
def test_the_commands(shop_dir, tmp_path, capsys):
    workdir, quiet = f"--workdir={tmp_path}/run", "--quiet"
    options = [*FLAGS, f"--dataset_dir={shop_dir}", workdir, "--num_epochs=2"]
    printed = refused(capsys, train, *options, "--learner=als")
    assert "--user_rows=history goes with " in printed
    assert "--learner=gradient" in printed
    assert not (tmp_path / "run").exists()
    assert call(train, *options, quiet) == 0
    assert call(evaluate, workdir, quiet) == 0
    assert call(recommend, workdir, "--all_users", f"--output={tmp_path}/all.csv", quiet) == 0
    assert call(export, workdir, f"--export_dir={tmp_path}/models", quiet) == 0
    assert call(report, workdir, quiet) == 0
    assert (tmp_path / "models" / "1" / "saved_model.pb").is_file()
