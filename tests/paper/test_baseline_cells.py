"""The baselines of Table III."""

import dataclasses

import pytest

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.evaluation.baselines import BASELINES, evaluate_baseline
from nmtr_tf.files import read_json
from nmtr_tf.paper.baseline_cells import baseline_variant, run_baselines
from nmtr_tf.paper.study import Progress
from nmtr_tf.paper.variants import Variant
from paper.conftest import study_of
from paper.made_up import metrics_of_places


def test_names_beside_the_methods():
    assert baseline_variant(Variant("gmf", ("cart", "buy"), seed=2), "ease").name(("cart", "buy")) == (
        "baseline_ease-seed_2"
    )


def test_results_of_baselines(shop_dir, tmp_path, monkeypatch):
    """Two of them: really ranked."""
    chosen = {name: BASELINES[name] for name in ("popularity", "random")}
    monkeypatch.setattr("nmtr_tf.paper.baseline_cells.BASELINES", chosen)
    study = study_of(shop_dir, tmp_path, "--keep=cart:0.5")
    results = run_baselines(study)
    assert list(results) == [f"baseline_{name}-view-cart_0.5-buy" for name in chosen]
    for result, name in zip(results.values(), chosen, strict=True):
        assert (result.method, result.seed, result.epochs, result.num_parameters) == (name, 0, 0, 0)
        assert metrics_of_places(result.places, (5, 10)) == pytest.approx(result.test)
        assert result.places.num_users == result.num_test_users == len(study.dataset.held_out["test"])
        stored = read_json(study.workdir / "baselines" / "strict" / result.name / "metrics_test.json")
        assert stored["method"] == name
    popular, chance = results.values()
    assert popular.test["NDCG@10"] != chance.test["NDCG@10"]


def test_none_is_ranked_twice(study, pretence, monkeypatch):
    first = run_baselines(study)
    possible = [name for name, row in BASELINES.items() if not row.missing(study.dataset)]
    assert list(first) == [f"baseline_{name}" for name in possible]
    monkeypatch.setattr("nmtr_tf.evaluation.baselines.evaluate_baseline", None)
    again = run_baselines(study)
    assert {name: result.test for name, result in again.items()} == {
        name: result.test for name, result in first.items()
    }
    # Only the data and the evaluation determine them.
    other = study_of(study.dataset.directory, study.workdir, "--learning_rate=0.5", "--num_layers=2")
    assert run_baselines(other).keys() == first.keys()
    with pytest.raises(ValueError, match=r"`ks` is .* there and .* here"):
        run_baselines(study_of(study.dataset.directory, study.workdir, "--ks=3", "--monitor=NDCG@3"))
    # Another mask is another question, whose results lie in a folder of their own.
    masked = study_of(study.dataset.directory, study.workdir, "--mask=target")
    assert masked.results_path == study.results_path.with_name("strict-mask_target")


def test_settings_of_a_data_set_and_a_result_that_has_others(shop_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("nmtr_tf.paper.baseline_cells.BASELINES", {"ease_all": BASELINES["ease_all"]})
    flagfile = tmp_path / "flags" / "shop" / "baselines" / "ease_all.flags"
    flagfile.parent.mkdir(parents=True)
    flagfile.write_text("# tuned\n--baselines=ease_all\n--mask=all\n--ease_lambda=3\n--ease_beta=0.5\n")

    def results(where, *flags):
        return run_baselines(study_of(shop_dir, tmp_path / where, *flags))["baseline_ease_all"]

    usual, tuned = results("1"), results("2", f"--flags_dir={tmp_path}/flags")
    assert (usual.options, tuned.options) == ({}, {"ease_lambda": 3.0, "ease_beta": 0.5})
    config = study_of(shop_dir, tmp_path / "2").config
    expected = evaluate_baseline(
        Dataset.load(shop_dir), "ease_all", config=config, ease_lambda=3, ease_beta=0.5
    )
    assert tuned.test == pytest.approx(expected.metrics)
    assert tuned.test != usual.test
    assert results("2", f"--flags_dir={tmp_path}/flags").seconds == tuned.seconds  # it was not ranked again
    with pytest.raises(ValueError, match=r"`ease_lambda` is 3\.0 there and 500\.0 here; `ease_beta` is"):
        results("2")
    assert results("2", "--overwrite").test == usual.test
    flagfile.write_text("--ease_lambda=much\n")
    with pytest.raises(ValueError, match=r"ease_all\.flags: expected numbers\. Found: .*'much'"):
        results("3", f"--flags_dir={tmp_path}/flags")


class Told(Progress):
    """Keeps what it is told."""

    def __init__(self):
        self.lines: list[str] = []

    def say(self, text):
        self.lines.append(text)


def test_what_the_data_set_does_not_allow_is_left_out(leaky_dir, tmp_path, pretence):
    told = Told()
    study = dataclasses.replace(study_of(leaky_dir, tmp_path, "--validation=none"), progress=told)
    assert "baseline_recency_time" not in run_baselines(study)
    assert any(line.startswith("recency (time) is left out: it needs times") for line in told.lines)
