"""The linear baselines on a data set whose right answer is known, and iALS."""

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


def test_ials_repeats_and_alpha_matters():
    pytest.importorskip("implicit")
    target = checkerboard().target
    first = scores(fit_ials(target, 10.0), 50)
    np.testing.assert_array_equal(scores(fit_ials(target, 10.0), 50), first)
    assert (scores(fit_ials(target, 1.0), 50) != first).any()


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_confidence_that_is_none(bad):
    with pytest.raises(InputError, match=r"`ials_alpha` should be at least 0\. Received"):
        fit_ials(checkerboard(4).target, bad)
