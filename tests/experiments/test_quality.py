"""The benchmark's part "quality": its clock and rows by hand, and a small shop; no test asserts a time."""

import importlib.util
import json

import pytest
from conftest import call, refused

from experiments import benchmark
from experiments.benchmarks import training_curve
from experiments.benchmarks.contenders import BASELINES, CONTENDERS, Contender
from experiments.benchmarks.quality import Fitted, fit_baseline, until_row
from experiments.benchmarks.training_curve import Curve, TrainingClock
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.evaluation.baselines import evaluate_baseline
from nmtr_tf.methods.plan import resolve
from nmtr_tf.runs.checks import set_up

EASE = Fitted("EASE", {}, 4.0, 0.2)


class Model:
    """What a callback sees of one."""

    stop_training = False


def test_the_clock_leaves_evaluations_out_and_stops(monkeypatch):
    times = iter([100, 103, 105, 108, 110, 111, 112, 119])
    monkeypatch.setattr(training_curve.time, "perf_counter", lambda: next(times))
    clock, model = TrainingClock(limit=8.5), Model()
    clock.set_model(model)
    clock.on_train_batch_end(0)  # 103
    clock.on_train_batch_end(1)  # 105, and then until 108 an evaluation
    clock.on_epoch_end(0)
    clock.on_train_batch_end(2)  # 110, until 111
    clock.on_epoch_end(1)
    assert (clock.seconds, model.stop_training) == ([5, 7], False)
    clock.on_train_batch_end(3)  # 112
    clock.limit = 8
    clock.on_epoch_end(2)
    assert (clock.seconds, model.stop_training) == ([5, 7, 8], True)
    assert Curve({}, clock.seconds, [0.1, 0.3, 0.2]).epoch == 1.5
    assert Curve({}, [5], [0.1]).epoch == 5


def test_when_a_training_is_as_good_as_a_baseline():
    curve = Curve({}, [5, 7, 8], [0.1, 0.19, 0.15])
    row = until_row("gmf", curve, 0.95, EASE)
    assert (row.work, row.value, row.unit, row.ratio) == ("gmf: 95 % of EASE", 7, "s", 7 / 4)
    assert row.baseline == "fit of EASE: 4 s"
    row = until_row("gmf", curve, 1, EASE)
    assert (row.work, row.value) == ("gmf: 100 % of EASE: not reached in 8 s, 3 epochs", None)


@pytest.mark.parametrize(("count", "weights"), [(1, [1]), (2, [1 / 3, 2 / 3]), (3, [1 / 6, 1 / 6, 2 / 3])])
def test_the_target_has_two_thirds_of_the_loss(count, weights):
    aimed = Contender({"embedding_dim": 8}, is_aimed=True).options_for(count)
    assert aimed["loss_weights"] == pytest.approx(weights)
    assert aimed["embedding_dim"] == 8
    assert Contender({}).options_for(count) == {}


@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize("behaviors", [("buy",), ("cart", "buy"), ("view", "cart", "buy")])
def test_the_settings_of_every_contender_fit_together(name, behaviors):
    options = CONTENDERS[name].options_for(len(behaviors))
    resolve(RunConfig().with_options(**options), behaviors)


def test_baselines_are_ranked_as_everywhere_else(shop_dir):
    dataset = Dataset.load(shop_dir)
    found = fit_baseline(set_up(RunConfig(), dataset), dataset, "ease_all", BASELINES["ease_all"])
    other = evaluate_baseline(dataset, "ease_all", "validation", **BASELINES["ease_all"])
    assert found.quality == other.metrics["NDCG@20"] > 0


@pytest.mark.slow
def test_rows_of_a_small_shop(tmp_path, shop_dir):
    flags = ["--parts=quality", f"--dataset_dirs={shop_dir}", "--contenders=als_64,nmtr_linear,sampled"]
    flags += ["--num_epochs=2", "--ease_lambda=7", "--quick", f"--output_dir={tmp_path}"]
    assert call(benchmark, *flags) == 0
    rows = {row["work"]: row for row in json.loads((tmp_path / "benchmark.json").read_text())["rows"]}
    found = json.loads((tmp_path / "quality_shop.json").read_text())
    assert (found["protocol"], found["mask"], found["monitor"]) == ("strict", "all", "NDCG@20")
    lambdas = {name: one["options"].get("ease_lambda") for name, one in found["baselines"].items()}
    fitted: dict[str, int | None] = {"ease_all": 7, "ease_aimed": 7}
    if importlib.util.find_spec("implicit"):  # else its row says that it is skipped
        fitted["ials_all"] = None
    assert lambdas == fitted
    best = max(found["baselines"].values(), key=lambda one: one["quality"])
    users = Dataset.load(shop_dir).training_view().num_held_out_users("validation")
    for name, curve in found["contenders"].items():
        assert len(curve["seconds"]) == len(curve["values"]) == (1 if name == "nmtr_linear" else 2)
        row = rows[f"shop, strict, mask all: {name}: NDCG@20 of {users:,} users"]
        assert row["value"] == pytest.approx(100 * max(curve["values"]))
        assert row["ratio"] == pytest.approx(max(curve["values"]) / best["quality"])
        assert len([work for work in rows if f"{name}: 90 % of {best['label']}" in work]) == 1
    assert len([work for work in rows if work.endswith(": fit")]) == len(fitted)
    assert len([work for work in rows if "iALS (all): skipped, it needs" in work]) == 3 - len(fitted)


def test_bad_input(capsys):
    assert "--contenders should name some of sampled, softmax, " in refused(
        capsys, benchmark, "--contenders=svd"
    )
    line = refused(capsys, benchmark, "--knn_neighbors=3")
    assert "--knn_neighbors is an option of item_knn, item_knn_all" in line
