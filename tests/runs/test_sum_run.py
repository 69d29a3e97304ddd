"""The sum of a linear part and a cascade that is read from histories is a run like any other."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import call, refused

import nmtr_tf as nt
from nmtr_tf.cli import evaluate, export, recommend, report, train
from nmtr_tf.errors import InputError
from nmtr_tf.models.network import network
from nmtr_tf.training.summed import COARSE
from runs.given_histories import histories

GMF: dict[str, Any] = {
    "embedding_dim": 8,
    "learning_rate": 0.1,
    "embedding_stddev": 0.1,
    "batch_size": 20,
    "ks": (5, 10),
    "monitor": "NDCG@10",
    "num_epochs": 4,
    "history_items": "shared",
}
LINEAR: dict[str, Any] = {"linear_lambda": 3.0, "linear_theta": 0.5}
OPTIONS: dict[str, Any] = {"method": "nmtr_linear_gmf", **GMF, **LINEAR}
ROWS = [0, 5, 11, 30]


@pytest.fixture(scope="module")
def run(shop, tmp_path_factory):
    """A run with a directory, evaluated; to be read only."""
    run = nt.fit(shop, workdir=tmp_path_factory.mktemp("sum") / "run", **OPTIONS)
    run.evaluate("test")
    return run


def scores_of(run, weight=None):
    """Logits of the target for all users and items."""
    if weight is not None:
        network(run.model).cascade.units[-1].linear_weight.assign(weight)
    view = run.view
    users, items = (x.ravel().astype(np.int32) for x in np.indices((view.num_users, view.num_items)))
    logits = run.model({"user_ids": users, "item_ids": items})[view.target_behavior]
    return logits.numpy().reshape(view.num_users, view.num_items)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["whole_data", "softmax"])
def test_it_is_the_sum_of_the_two_methods(shop, run, objective):
    """Each part learns what its method learns alone."""
    if objective != "whole_data":
        run = nt.fit(shop, objective=objective, **OPTIONS)
    alone = [
        nt.fit(shop, method="nmtr_gmf", objective=objective, user_rows="history", **GMF),
        nt.fit(shop, method="nmtr_linear", ks=(5, 10), monitor="NDCG@10", **LINEAR),
    ]
    gmf, linear = map(scores_of, alone)
    weight = run.info.chosen["linear_weight"]
    assert weight == network(run.model).cascade.units[-1].linear_weight.numpy()
    np.testing.assert_allclose(scores_of(run), gmf + weight * linear, rtol=1e-3, atol=1e-4)
    assert run.info.chosen["num_epochs"] == alone[0].info.best_epoch
    losses = [[logs["train/loss"] for logs in one.history] for one in (run, *alone)]
    assert losses[0] == losses[1] + losses[2]


@pytest.mark.slow
def test_the_weight_is_the_best_of_those_tried(run):
    chosen, key = run.info.chosen["linear_weight"], f"validation/{GMF['monitor']}"
    opened = nt.Run(str(run.workdir))
    values = {}
    for weight in (*COARSE, chosen / 2, chosen * 2, chosen):
        network(opened.model).cascade.units[-1].linear_weight.assign(weight)
        values[weight] = opened.evaluate("validation").loc["all", GMF["monitor"]]
    assert values[chosen] == max(values.values())
    assert values[chosen] == pytest.approx(run.info.best_value) == pytest.approx(run.history[-1][key])
    assert len(set(values.values())) > 1
    assert run.info.best_epoch == len(run.history)


def test_its_directory_opens_again_and_holds_the_weights_once(run):
    opened = nt.Run(str(run.workdir))
    users = run.view.user_ids[:5].tolist()
    table = run.recommend(users, k=4, probabilities=True)
    assert opened.recommend(users, k=4, probabilities=True).equals(table)
    assert [path.name for path in (run.workdir / "checkpoints").iterdir()] == ["best.keras"]


@pytest.mark.slow
@pytest.mark.parametrize("option", ["refit_of", "final_of"])
def test_fitted_again_it_keeps_what_was_chosen(shop, run, option):
    again = nt.fit(shop, **{option: run})
    chosen = run.info.chosen
    assert again.info.chosen == chosen
    assert len(again.history) == chosen["num_epochs"] + 1
    assert network(again.model).cascade.units[-1].linear_weight.numpy() == np.float32(chosen["linear_weight"])


@pytest.mark.slow
def test_a_new_user_gets_what_the_same_history_in_training_would(shop, run, tmp_path):
    final = nt.fit(shop, final_of=run)
    version = final.export(tmp_path / "models", k=5)
    served = tf.saved_model.load(str(version)).signatures
    users = final.view.user_ids[ROWS].tolist()
    known = served["serving_default"](user_id=tf.constant(users))
    asked = {name: tf.constant(lists) for name, lists in histories(final.view, ROWS).items()}
    new = served["recommend_for_history"](**asked)
    for name in ("item_ids", "num_items", "known_user"):
        np.testing.assert_array_equal(new[name], known[name])
    np.testing.assert_allclose(new["scores"], known["scores"], rtol=1e-4, atol=1e-5)
    expected = final.recommend(users, k=5)["item"].tolist()
    assert [item.decode() for item in known["item_ids"].numpy().ravel()] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": "none"}, "with `validation=none` give `linear_weight`"),
        (
            {"user_rows": "table", "history_items": "own"},
            "reads users from their histories: `user_rows=history` or `both`",
        ),
        ({"train_mode": "sequential"}, "`method=nmtr_linear_gmf` needs `train_mode=multitask`"),
        ({"learner": "als"}, "goes with `learner=gradient` and one of the objectives"),
        ({"linear_weight": -1.0}, "`linear_weight` should be at least 0"),
        ({"units": ("mlp",) * 3, "history_items": "own"}, "needs units that are inner products"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_one_line(shop, options, message):
    with pytest.raises(InputError, match=message) as caught:
        nt.fit(shop, **{**OPTIONS, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["nmtr_gmf", "nmtr_linear"])
def test_the_weight_is_of_the_sum_alone(shop, method):
    with pytest.raises(InputError, match="`linear_weight` is an option of `method=nmtr_linear_gmf`"):
        nt.fit(shop, method=method, linear_weight=2.0)


@pytest.mark.slow
def test_a_weight_may_be_given(shop):
    run = nt.fit(shop, **{**OPTIONS, "num_epochs": 1}, validation="none", linear_weight=3.0)
    assert run.info.chosen == {"num_epochs": 1, "linear_weight": 3.0}
    assert run.info.best_epoch is None
    assert network(run.model).cascade.units[-1].linear_weight.numpy() == 3


@pytest.mark.slow
def test_the_commands(shop_dir, tmp_path, capsys):
    workdir, quiet = f"--workdir={tmp_path}/run", "--quiet"
    options = ["--method=nmtr_linear_gmf", "--embedding_dim=4", "--batch_size=20", "--num_epochs=1"]
    options += [f"--dataset_dir={shop_dir}", workdir]
    printed = refused(capsys, train, *options, "--user_rows=table")
    assert "Received: --user_rows=table" in printed
    assert call(train, *options) == 0
    assert "linear part times" in capsys.readouterr().out
    assert call(evaluate, workdir, quiet) == 0
    assert call(recommend, workdir, "--all_users", f"--output={tmp_path}/all.csv", quiet) == 0
    assert call(export, workdir, f"--export_dir={tmp_path}/models", quiet) == 0
    assert call(report, workdir, quiet) == 0
    assert (tmp_path / "models" / "1" / "saved_model.pb").is_file()
