"""The linear baselines, against the closed form and a data set whose right answer is known."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_dataset, make_view

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import BASELINES, build_baseline
from nmtr_tf.evaluation.baselines.linear import all_as_one, fit_ease, fit_ials
from nmtr_tf.evaluation.ranking import rank_held_out

LINEAR = [name for name, row in BASELINES.items() if row.kind == "linear"]


def scores(scorer, num_users):
    return np.asarray(scorer.scores(tf.range(num_users), scorer.item_side()))


def checkerboard(num=50):
    """Users want the items of their own parity; the one on the diagonal is held out."""
    rows, columns = np.indices((num, num))
    wanted = (rows + columns) % 2 == 0
    np.fill_diagonal(wanted, False)
    return make_dataset({"view": np.eye(num), "buy": wanted}, test=[(user, user) for user in range(num)])


def test_ease_is_its_closed_form():
    rng = np.random.default_rng(0)
    dense = (rng.random((40, 12)) < 0.3).astype(float)
    inverse = np.linalg.inv(dense.T @ dense + 3 * np.eye(12))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    scorer = fit_ease(make_view({"buy": dense}).target, 3.0)
    np.testing.assert_allclose(scores(scorer, 40), dense @ weights, rtol=1e-4, atol=1e-5)


def test_there_are_four():
    assert LINEAR == ["ials", "ials_all", "ease", "ease_all"]


@pytest.mark.parametrize("name", LINEAR)
def test_they_fill_in_the_checkerboard(name):
    if name.startswith("ials"):
        pytest.importorskip("implicit")
    dataset = checkerboard()
    view = dataset.training_view((), "strict")
    (option,) = BASELINES[name].options
    scorer = build_baseline(name, dataset, view, **{option: 10.0})
    ranks = rank_held_out(scorer, view, "test", EvaluationConfig()).ranks
    np.testing.assert_array_equal(ranks, np.zeros(50))


def test_of_all_behaviors_or_of_the_target():
    dataset = make_dataset({"view": [[1, 0, 1], [1, 1, 0]], "buy": [[0, 1, 1], [1, 0, 0]]})
    view = dataset.training_view()
    np.testing.assert_array_equal(all_as_one(view).toarray(), [[1, 1, 1], [1, 1, 0]])
    for name, matrix in {"ease": view.target, "ease_all": all_as_one(view)}.items():
        built = build_baseline(name, dataset, view, ease_lambda=2)
        np.testing.assert_array_equal(scores(built, 2), scores(fit_ease(matrix, 2.0), 2))


def test_ials_repeats_and_alpha_matters():
    pytest.importorskip("implicit")
    target = checkerboard().target
    first = scores(fit_ials(target, 10.0), 50)
    np.testing.assert_array_equal(scores(fit_ials(target, 10.0), 50), first)
    assert (scores(fit_ials(target, 1.0), 50) != first).any()


def test_what_they_cannot_regularize_or_trust():
    target = checkerboard(4).target
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match=r"`ease_lambda` should be positive\. Received"):
            fit_ease(target, bad)
    for bad in (-1.0, float("nan")):
        with pytest.raises(InputError, match=r"`ials_alpha` should be at least 0\. Received"):
            fit_ials(target, bad)
