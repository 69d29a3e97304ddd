"""Who is served better: the test that goes with Figure 5."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from conftest import make_dataset
from scipy import stats

from nmtr_tf.config import EvaluationConfig, RunConfig
from nmtr_tf.evaluation.metrics import metric_values
from nmtr_tf.evaluation.significance import Trend
from nmtr_tf.paper.served import Served, who_is_served
from paper.made_up import places_of, result_of

NUM_USERS, NUM_ITEMS = 12, 30
# User u has bought u + 1 items, but for the last one, who has no test item.
BOUGHT = np.arange(NUM_ITEMS) < np.arange(1, NUM_USERS + 1)[:, None]
DATASET = make_dataset(
    {"cart": BOUGHT, "buy": BOUGHT}, test=[(user, 29) for user in range(NUM_USERS - 1)], validation=[(3, 28)]
)
PURCHASES = np.arange(1, NUM_USERS) + (np.arange(NUM_USERS - 1) == 3)  # those held out for validation too
FALLING, RISING = np.arange(NUM_USERS - 1) * 3, 40 - np.arange(NUM_USERS - 1) * 3
METRIC = "NDCG@50"


def of(name, ranks, value=0.5):
    history = [{"epoch": 1, "train/loss": 0.5, "validation/HR@50": 0.5, f"validation/{METRIC}": value}]
    changes: dict[str, Any] = {"places": places_of(np.asarray(ranks)), "best_epoch": 1, "history": history}
    return dataclasses.replace(result_of(name), **changes)


def test_the_method_itself_and_its_difference_to_the_best_on_validation():
    results = {
        "neumf": of("neumf", RISING, 0.1),  # worse on validation
        "cmf": of("cmf", [7] * 11, 0.2),
        "nmtr_neumf": of("nmtr_neumf", FALLING),
    }
    found = who_is_served(DATASET, results, METRIC)
    assert [(one.method, one.baseline) for one in found] == [
        ("neumf", None),
        ("cmf", None),
        ("nmtr_neumf", None),
        ("nmtr_neumf", "cmf"),
    ]
    values = {name: metric_values(result.places, METRIC) for name, result in results.items()}
    difference = values["nmtr_neumf"] - values["cmf"]
    rhos = [
        np.corrcoef(stats.rankdata(own), stats.rankdata(PURCHASES))[0, 1]
        for own in (values["neumf"], values["nmtr_neumf"], difference)
    ]
    assert [found[place].trend.correlation for place in (0, 2, 3)] == pytest.approx(rhos)
    assert found[1].trend == Trend(0.0, 1.0)  # the same for everybody
    alone = stats.spearmanr(values["neumf"], PURCHASES).pvalue
    assert found[0].trend.p_value >= alone  # Holm's correction
    assert rhos[1] < -0.9 < 0.9 < rhos[0]


def test_users_whose_pairs_the_mask_leaves_out_are_not_of_the_test():
    """Under protocol time with mask all: users 2 and 5 had carted what they bought."""
    carted = BOUGHT.copy()
    carted[[2, 5], 29] = True
    test = [(user, 29) for user in range(NUM_USERS - 1)]
    dataset = dataclasses.replace(make_dataset({"cart": carted, "buy": BOUGHT}, test=test), protocol="time")
    left = np.setdiff1d(np.arange(NUM_USERS - 1), [2, 5])
    values = np.arange(len(left)) * 3
    config = RunConfig(evaluation=EvaluationConfig(ks=(50,), mask="all"))
    result = dataclasses.replace(of("neumf", values), protocol="time", config=config)
    (found,) = who_is_served(dataset, {"neumf": result}, METRIC)
    by_hand = stats.spearmanr(metric_values(result.places, METRIC), left + 1)
    assert found.trend.correlation == pytest.approx(by_hand.statistic)


def test_numbers_of_purchases_are_put_beside_the_results_by_id():
    """With an id that is text, rows go by text; results go by number, as all held-out ids are numbers."""
    names = [*sorted(map(str, range(1, NUM_USERS + 1))), "somebody"]
    bought = np.array([np.arange(NUM_ITEMS) < (int(name) if name.isdecimal() else 1) for name in names])
    dataset = make_dataset({"buy": bought}, test=[(row, 29) for row in range(NUM_USERS)])
    events = dataclasses.replace(dataset.events, users=np.array(names, dtype=object))
    dataset = dataclasses.replace(dataset, events=events)
    (found,) = who_is_served(dataset, {"nmtr_gmf": of("nmtr_gmf", np.arange(NUM_USERS) * 3)}, METRIC)
    assert found.trend.correlation == pytest.approx(-1)  # the more purchases, the worse


def test_methods_of_one_group_have_no_other_to_be_compared_with():
    found = who_is_served(DATASET, {"nmtr_gmf": of("nmtr_gmf", FALLING)}, METRIC)
    assert [(one.method, one.baseline) for one in found] == [("nmtr_gmf", None)]


@pytest.mark.parametrize(
    ("baseline", "trend", "sentence"),
    [
        (
            None,
            (-0.25, 0.001),
            "Users with few 'buy' rows are served better by NMTR-GMF than those with many "
            "(Spearman's rho -0.250, p 0.001 after Holm).",
        ),
        (
            None,
            (0.25, 0.001),
            "Users with many 'buy' rows are served better by NMTR-GMF than those with few (",
        ),
        ("cmf", (-0.25, 0.001), "Users with few 'buy' rows gain more, or lose less, by NMTR-GMF over CMF ("),
        ("cmf", (0.25, 0.001), "Users with many 'buy' rows gain more, or lose less, by NMTR-GMF over CMF ("),
        (
            "cmf",
            (-0.25, 0.05),
            "No dependence of the difference of NDCG@50 between NMTR-GMF and CMF on a user's number of 'buy' "
            "rows was found (",
        ),
        (
            None,
            (0.0, 1.0),
            "No dependence of NMTR-GMF's NDCG@50 on a user's number of 'buy' rows was found (",
        ),
    ],
)
def test_the_verdict_in_words(baseline, trend, sentence):
    assert Served("nmtr_gmf", baseline, Trend(*trend)).sentence(METRIC, "buy").startswith(sentence)
