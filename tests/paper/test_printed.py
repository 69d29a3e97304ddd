"""The paper's tables as data."""

import itertools

import pytest

from nmtr_tf.methods.table import PAPER_METHODS
from nmtr_tf.paper import printed as paper

KS = (50, 80, 100, 200)
# Where a metric falls with K, which cannot be: the misprints that are noted.
NOTED = {("tmall", "bpr", "HR", 80), ("beibei", "mlp", "NDCG", 80)}


@pytest.mark.parametrize(
    ("dataset", "method", "metric", "value"),
    [
        ("beibei", "nmtr_neumf", "HR@50", "0.2079"),
        ("beibei", "nmtr_gmf", "NDCG@80", "0.0688"),
        ("beibei", "mc_mlp", "NDCG@200", "0.0834"),
        ("beibei", "bpr", "HR@200", "0.3039"),
        ("beibei", "mlp", "NDCG@80", "0.0459"),
        ("tmall", "nmtr_gmf", "HR@100", "0.1196"),
        ("tmall", "cmf", "NDCG@50", "0.0234"),
        ("tmall", "bpr", "HR@50", "0.6666"),
        ("tmall", "neumf", "NDCG@200", "0.0377"),
        ("taobao", "neumf", "NDCG@200", ""),
        ("tmall", "popularity", "NDCG@200", ""),
        ("tmall", "neumf", "NDCG@10", ""),
    ],
)
def test_table_three_as_printed(dataset, method, metric, value):
    assert paper.table_three(dataset, method, metric) == value


def test_table_three_is_whole_and_grows_with_k_but_for_the_noted_misprints():
    falls = set()
    for dataset in paper.BEHAVIORS:
        for method, kind in itertools.product(PAPER_METHODS, ("HR", "NDCG")):
            values = [float(paper.table_three(dataset, method, f"{kind}@{k}")) for k in KS]
            falls |= {
                (dataset, method, kind, k)
                for k, (low, high) in zip(KS[1:], itertools.pairwise(values), strict=True)
                if high < low
            }
    assert falls == NOTED
    assert "0.6666" in paper.table_three_notes("tmall")[0]
    assert "0.0459" in paper.table_three_notes("beibei")[0]
    assert paper.table_three_notes("taobao") == []


def test_table_two():
    settings = paper.best_settings("tmall", "nmtr_neumf")
    assert settings == {
        "optimizer": "Adagrad",
        "learning rate": "0.05",
        "layers": "3",
        "loss coefficients": "[0.4,0.6]",
        "regularization": "[0,0]",
    }
    assert paper.best_settings("tmall", "nmtr_gmf")["regularization"] == "[0.5e-5]"
    assert "[0.5e-5]" in paper.TABLE_TWO_NOTES["tmall"][0]
    assert paper.best_settings("tmall", "bpr") == {}


@pytest.mark.parametrize(
    ("subset", "method", "metric", "value"),
    [
        ("cart-buy", "nmtr_mlp", "HR@100", "0.2770"),
        ("view-buy", "nmtr_gmf", "NDCG@100", "0.0726"),
        ("cart_0.5-buy", "nmtr_neumf", "HR@100", "0.2778"),
        ("view_0.5-buy", "nmtr_neumf", "NDCG@100", "0.0737"),
        ("view_0.25-buy", "nmtr_neumf", "NDCG@100", ""),
    ],
)
def test_table_four_as_printed(subset, method, metric, value):
    assert paper.table_four("beibei", subset, method, metric) == value
    assert paper.table_four("tmall", subset, method, metric) == ""


def test_table_five_repeats_table_three_for_multi_task_training():
    for dataset, method, metric in itertools.product(
        paper.BEHAVIORS, ("nmtr_gmf", "nmtr_mlp", "nmtr_neumf"), ("HR@100", "NDCG@100")
    ):
        value = paper.table_five(dataset, "multitask", method, metric)
        assert value == paper.table_three(dataset, method, metric)
    assert paper.table_five("beibei", "sequential", "nmtr_gmf", "HR@100") == "0.2730"
    assert paper.table_five("tmall", "sequential", "nmtr_neumf", "NDCG@100") == "0.0304"
    assert paper.table_five("tmall", "separate", "nmtr_neumf", "NDCG@100") == ""


def test_table_one():
    assert paper.TABLE_ONE["beibei"]["view"] == "2,412,586"
    assert "304,576" in paper.TABLE_ONE_NOTES["beibei"][0]
