"""The linear baselines on a data set whose right answer is known, and iALS."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_dataset

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import BASELINES, build_baseline
from nmtr_tf.evaluation.baselines.ials import fit_ials
from nmtr_tf.evaluation.ranking import rank_held_out

LINEAR = [name for name, row in BASELINES.items() if row.kind == "linear"]
IALS: dict[str, Any] = {"ials_alpha": 10.0, "ials_factors": 64, "ials_regularization": 10.0}
OPTIONS = {"ease": {"ease_lambda": 10}, "ease_all": {"ease_lambda": 10}}


def scores(scorer, num_users):
    return np.asarray(scorer.scores(tf.range(num_users), scorer.item_side()))


def checkerboard(num=50):
    """Users want the items of their own parity; the one on the diagonal is held out."""
    rows, columns = np.indices((num, num))
    wanted = (rows + columns) % 2 == 0
    np.fill_diagonal(wanted, False)
    return make_dataset({"view": np.eye(num), "buy": wanted}, test=[(user, user) for user in range(num)])


@pytest.mark.parametrize("name", LINEAR)
def test_they_fill_in_the_checkerboard(name):
    if name.startswith("ials"):
        pytest.importorskip("implicit")
    dataset = checkerboard()
    view = dataset.training_view((), "strict")
    scorer = build_baseline(name, dataset, view, **OPTIONS.get(name, {}))
    ranks = rank_held_out(scorer, view, "test", EvaluationConfig()).ranks
    np.testing.assert_array_equal(ranks, np.zeros(50))


@pytest.mark.parametrize("other", [{"ials_alpha": 1.0}, {"ials_factors": 8}, {"ials_regularization": 1.0}])
def test_ials_repeats_and_its_options_matter(other):
    pytest.importorskip("implicit")
    target = checkerboard().target
    first = scores(fit_ials(target, **IALS), 50)
    np.testing.assert_array_equal(scores(fit_ials(target, **IALS), 50), first)
    assert (scores(fit_ials(target, **{**IALS, **other}), 50) != first).any()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"ials_alpha": -1.0}, r"`ials_alpha` should be at least 0\. Received: -1"),
        ({"ials_alpha": float("nan")}, "`ials_alpha` should be at least 0"),
        ({"ials_factors": 0}, "`ials_factors` should be at least 1"),
        ({"ials_regularization": 0.0}, "`ials_regularization` should be positive"),
    ],
)
def test_options_out_of_their_range(bad, message):
    with pytest.raises(InputError, match=message):
        fit_ials(checkerboard(4).target, **{**IALS, **bad})
