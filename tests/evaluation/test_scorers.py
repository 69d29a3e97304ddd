"""Scores that come as arrays: ranked like the same scores in TensorFlow, and checked."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_view
from scipy import sparse

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.ranking import HeldOutRanking, rank_held_out
from nmtr_tf.evaluation.scorers import ArrayScorer, Scorer, as_scorer

RNG = np.random.default_rng(0)
NUM_USERS, NUM_ITEMS = 60, 30
VIEW = make_view(
    {"view": RNG.random((NUM_USERS, NUM_ITEMS)) < 0.3, "buy": RNG.random((NUM_USERS, NUM_ITEMS)) < 0.2},
    validation=[(user, int(RNG.integers(NUM_ITEMS))) for user in range(0, NUM_USERS, 2)],
    test=[(user, int(RNG.integers(NUM_ITEMS))) for user in range(0, NUM_USERS, 2)],
)
SCORES = RNG.integers(0, 9, (NUM_USERS, NUM_ITEMS)) / 3  # with ties, and not exact in float32


class InTensorFlow(Scorer):
    """The scores as part of a graph."""

    def item_side(self):
        return tf.constant(SCORES, tf.float32)

    def scores(self, user_ids, item_side):
        return tf.gather(item_side, user_ids)


class InNumPy:
    """The scores as an array of some kind."""

    def __init__(self, convert=np.asarray):
        self.convert = convert
        self.asked: list[np.ndarray] = []

    def scores(self, user_ids):
        self.asked.append(user_ids)
        return self.convert(SCORES[user_ids])


@pytest.mark.parametrize(
    "convert",
    [np.asarray, np.float32, sparse.csr_array, tf.constant, np.ndarray.tolist],
    ids=["float64", "float32", "sparse", "tensor", "lists"],
)
@pytest.mark.parametrize("mask", ["target", "none"])
def test_arrays_rank_as_the_same_scores_in_tensorflow(convert, mask):
    # 7 users at once in 1 MiB.
    config = EvaluationConfig(ks=(4,), metrics=("HR", "coverage"), mask=mask, eval_memory_mb=1)
    for split in ("validation", "test"):
        expected = rank_held_out(InTensorFlow(), VIEW, split, config)
        found = rank_held_out(InNumPy(convert), VIEW, split, config)
        np.testing.assert_array_equal(found.ranks, expected.ranks)
        np.testing.assert_array_equal(found.num_candidates, expected.num_candidates)
        np.testing.assert_array_equal(found.top_items, expected.top_items)


def test_whole_numbers_and_truth_values_are_numbers():
    for convert in (lambda scores: (3 * scores).astype(int), lambda scores: scores > 1):
        ranks = rank_held_out(InNumPy(convert), VIEW, "test", EvaluationConfig()).ranks
        assert ranks.shape == (NUM_USERS // 2,)
        assert len(np.unique(ranks)) > 1


def test_a_source_is_asked_for_rows_of_the_view_once_for_all_splits():
    source = InNumPy()
    HeldOutRanking(VIEW, ["validation", "test"], EvaluationConfig()).rank(source)
    (asked,) = source.asked
    assert isinstance(asked, np.ndarray)
    assert asked.dtype == np.int32
    np.testing.assert_array_equal(asked, np.arange(0, NUM_USERS, 2))


@pytest.mark.parametrize(
    ("convert", "received"),
    [
        (lambda scores: scores[:-1], r"float64 \(29, 30\)"),
        (lambda scores: scores[:, :-1], r"float64 \(30, 29\)"),
        (lambda scores: scores.sum(), r"float64 \(\)"),
        (lambda scores: scores.astype(str), r"<U\d+ \(30, 30\)"),
        (lambda scores: scores.astype(object), r"object \(30, 30\)"),
        (lambda scores: scores.astype(complex), r"complex128 \(30, 30\)"),
        (lambda scores: [[1.0], [2.0, 3.0]], "object"),
        (lambda scores: None, "object"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(convert, received):
    message = (
        rf"InNumPy.scores should give numbers of the shape \(30, 30\), users x items\. Received: {received}"
    )
    with pytest.raises(InputError, match=message):
        rank_held_out(InNumPy(convert), VIEW, "test", EvaluationConfig())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_scores_that_are_not_finite_in_float32_are_refused(bad):
    def convert(scores):
        scores = scores.copy()
        scores[-1, -1] = bad
        return scores

    with pytest.raises(InputError, match="NaN or infinite"):
        rank_held_out(InNumPy(convert), VIEW, "test", EvaluationConfig())


@pytest.mark.parametrize("source", [np.ones((3, 3)), "popularity", None, InNumPy])
def test_what_has_no_method_scores_is_refused(source):
    with pytest.raises(InputError, match=r"should have a method scores\(user_ids\)"):
        as_scorer(source, NUM_ITEMS)


def test_a_scorer_is_one_of_itself():
    scorer = InTensorFlow()
    assert as_scorer(scorer, NUM_ITEMS) is scorer
    assert isinstance(as_scorer(InNumPy(), NUM_ITEMS), ArrayScorer)
