"""The baselines of Table III."""

import dataclasses

import pytest

from nmtr_tf.evaluation.baselines import BASELINES
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
