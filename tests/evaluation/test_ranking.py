"""Ranking against sorting by hand."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS, make_view
from scipy import sparse

from nmtr_tf.config import EvaluationConfig, ModelConfig, RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation import ranking
from nmtr_tf.evaluation.masks import masked_items
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import HeldOutRanking, rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer, Scorer, as_scorer
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.models.network import network


class FixedScorer(Scorer):
    """Scores given as a matrix."""

    def __init__(self, scores, pair_floats=1):
        self.matrix = tf.constant(scores, tf.float32)
        self.pair_floats = pair_floats

    def item_side(self):
        return ()

    def scores(self, user_ids, item_side):
        return tf.gather(self.matrix, user_ids)


VIEW = make_view(
    {"cart": [[1, 1, 0, 0, 0], [0, 0, 0, 1, 1]], "buy": [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]},
    validation=[(0, 1), (1, 3)],
    test=[(0, 2), (1, 0)],
)
SCORES = [[9, 8, 5, 5, 1], [2, 3, 2, 2, 9]]


def ranks(mask="target", split="test", view=VIEW, scores=SCORES, **options):
    return rank_held_out(FixedScorer(scores), view, split, EvaluationConfig(mask=mask), **options)


@pytest.mark.parametrize(
    ("mask", "split", "expected", "candidates"),
    [
        # User 0 at test, item 2 (score 5): 9 and 8 above, another 5 level.
        ("none", "test", [(2, 2), (2, 3)], [5, 5]),
        # Purchases 0 (user 0), 4 (user 1) and validation purchases 1 and 3 are hidden.
        ("target", "test", [(0, 2), (1, 2)], [3, 3]),
        # At validation the validation pair is ranked, the test item is a candidate: item 1 (8), then 5, 5, 1.
        ("target", "validation", [(0, 1), (1, 3)], [4, 4]),
    ],
)
def test_by_hand(mask, split, expected, candidates):
    result = ranks(mask, split)
    np.testing.assert_array_equal(result.ranks, [rank for rank, _ in expected])
    np.testing.assert_array_equal(result.tied, [tied for _, tied in expected])
    np.testing.assert_array_equal(result.num_candidates, candidates)
    np.testing.assert_array_equal(result.users, [0, 1])


def test_all_scores_equal_is_one_tie():
    result = ranks("none", scores=np.ones((2, 5)))
    np.testing.assert_array_equal(result.ranks, [0, 0])
    np.testing.assert_array_equal(result.tied, [5, 5])


def random_case(seed):
    rng = np.random.default_rng(seed)
    num_users, num_items = rng.integers(1, 12), rng.integers(2, 20)
    buy = rng.random((num_users, num_items)) < 0.3
    buy[:, 0] = False
    held_out = rng.integers(0, num_items, num_users)
    buy[np.arange(num_users), held_out] = False
    view = make_view({"buy": buy}, test=[*enumerate(held_out)])
    return view, rng.integers(0, 6, (num_users, num_items)), buy, held_out


@pytest.mark.parametrize("seed", range(20))
def test_against_sorting(seed):
    view, scores, buy, held_out = random_case(seed)
    result = ranks(view=view, scores=scores)
    for user, item in enumerate(held_out):
        candidates = np.flatnonzero(~buy[user])
        order = np.sort(-scores[user, candidates])
        places = np.flatnonzero(order == -scores[user, item])
        assert (result.ranks[user], result.tied[user]) == (places[0], len(places))
        assert result.num_candidates[user] == len(candidates)


def test_chunks_do_not_change_the_ranks():
    rng = np.random.default_rng(0)
    num_users, num_items = 300, 50
    view = make_view(
        {"buy": rng.random((num_users, num_items)) < 0.1},
        test=[(user, int(rng.integers(num_items))) for user in range(num_users)],
    )
    scores = rng.normal(size=(num_users, num_items))
    whole = rank_held_out(FixedScorer(scores), view, "test", EvaluationConfig())
    done: list[int] = []
    tight = FixedScorer(scores, pair_floats=2**20 // 4 // num_items // 7)  # 7 users in 1 MiB
    config = EvaluationConfig(eval_memory_mb=1)
    chunked = rank_held_out(tight, view, "test", config, progress=done.append)
    np.testing.assert_array_equal(chunked.ranks, whole.ranks)
    np.testing.assert_array_equal(chunked.num_candidates, whole.num_candidates)
    assert sum(done) == num_users
    assert max(done) == 7


class CompiledScorer(FixedScorer):
    """Whose shapes follow from those of the ids."""

    worth_compiling = True


@pytest.mark.parametrize("decimals", [1, 3, 6])
def test_scores_with_many_some_or_no_ties_are_ranked_in_one_pass_or_two(decimals):
    rng = np.random.default_rng(3)
    view = make_view(
        {"buy": rng.random((200, 60)) < 0.1}, test=[(user, int(rng.integers(60))) for user in range(200)]
    )
    scores = np.round(rng.normal(size=(200, 60)), decimals)
    floats = 2**20 // 4 // 60 // 50  # 50 users in 1 MiB
    config = EvaluationConfig(eval_memory_mb=1)
    plain, compiled = (
        rank_held_out(kind(scores, floats), view, "test", config) for kind in (FixedScorer, CompiledScorer)
    )
    for field in dataclasses.fields(plain):
        np.testing.assert_array_equal(getattr(compiled, field.name), getattr(plain, field.name))


def test_a_sample_ranks_just_those():
    np.testing.assert_array_equal(ranks(sample=np.array([1])).ranks, ranks().ranks[1:])


class CountingScorer(FixedScorer):
    """Says how many users were scored."""

    def __init__(self, *args):
        super().__init__(*args)
        self.num_scored = tf.Variable(0)

    def scores(self, user_ids, item_side):
        self.num_scored.assign_add(tf.size(user_ids))
        return super().scores(user_ids, item_side)


def test_splits_of_the_same_users_are_ranked_from_one_scoring():
    rng = np.random.default_rng(0)
    bought = rng.random((30, 40)) < 0.2
    items = rng.integers(0, 40, (2, 30))
    view = make_view({"buy": bought}, validation=[*enumerate(items[0])], test=[*enumerate(items[1])])
    scorer = CountingScorer(rng.integers(0, 9, (30, 40)), 2**20 // 4 // 40 // 7)  # 7 users in 1 MiB
    for mask, sample in itertools.product(("target", "none"), (None, np.arange(3, 14))):
        config = EvaluationConfig(mask=mask, eval_memory_mb=1)
        scorer.num_scored.assign(0)
        together = HeldOutRanking(view, ["validation", "test"], config, [sample, sample]).rank(scorer)
        assert int(scorer.num_scored) == (35 if sample is None else 14)  # whole chunks
        for split, found in zip(["validation", "test"], together, strict=True):
            alone = rank_held_out(scorer, view, split, config, sample)
            for field in dataclasses.fields(found):
                np.testing.assert_array_equal(getattr(found, field.name), getattr(alone, field.name))


def several_items(seed, num_users=23, num_items=31):
    """Some users have no item in a split, others several; scores have many ties."""
    rng = np.random.default_rng(seed)
    held_out = rng.random((2, num_users, num_items)) < 0.08
    bought = rng.random((num_users, num_items)) < 0.2
    view = make_view(
        {"buy": bought},
        validation=[*map(tuple, np.argwhere(held_out[0] & ~bought))],
        test=[*map(tuple, np.argwhere(held_out[1] & ~held_out[0] & ~bought))],
    )
    return view, rng.integers(0, 6, (num_users, num_items))


@pytest.mark.parametrize("memory", [1, 2**20 // 4 // 31 // 12])
@pytest.mark.parametrize("mask", ["none", "target"])
def test_several_items_a_user_and_splits_of_different_users_against_sorting(mask, memory):
    view, scores = several_items(0)
    config = EvaluationConfig(mask=mask, eval_memory_mb=1, ks=(5,), metrics=("HR", "coverage"))
    scorer = CountingScorer(scores, memory)
    found = HeldOutRanking(view, ["validation", "test"], config).rank(scorer)
    assert int(scorer.num_scored) <= 2 * view.num_users
    for split, ranked in zip(["validation", "test"], found, strict=True):
        pairs = view.held_out[split]
        np.testing.assert_array_equal(np.stack([ranked.users, ranked.items], axis=1), pairs)
        assert len(np.unique(ranked.users)) < len(ranked)
        assert ranked.top_items is not None
        hidden = masked_items(view, split, mask).toarray()
        for place, (user, item) in enumerate(pairs):
            candidates = scores[user][~hidden[user]]
            assert ranked.ranks[place] == (candidates > scores[user, item]).sum()
            assert ranked.tied[place] == (candidates == scores[user, item]).sum()
            assert ranked.num_candidates[place] == len(candidates)
            order = np.argsort(np.where(hidden[user], np.inf, -scores[user]), kind="stable")
            assert ranked.top_items[place].tolist() == order[:5].tolist()


def test_samples_are_of_users_and_of_each_split():
    view, scores = several_items(1)
    whole = HeldOutRanking(view, ["validation", "test"], EvaluationConfig())
    some = [np.array([2, 3, 5, 7]), np.array([3, 11])]
    sampled = HeldOutRanking(view, ["validation", "test"], EvaluationConfig(), some)
    assert sampled.num_users < whole.num_users
    for split, sample, one, other in zip(
        whole.splits, some, whole.rank(FixedScorer(scores)), sampled.rank(FixedScorer(scores)), strict=True
    ):
        chosen = one.of(np.isin(one.users, sample))
        for name in ("users", "items", "ranks", "tied", "num_candidates"):
            np.testing.assert_array_equal(getattr(other, name), getattr(chosen, name))
        assert sampled.num_ranked[split] == len(np.unique(chosen.users))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    scores = np.array(SCORES, float)
    scores[1, 1] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        ranks(scores=scores)


def test_mask_all_hides_touched_items_and_is_refused_under_a_leak():
    view = dataclasses.replace(VIEW, held_out={**VIEW.held_out, "test": np.array([[0, 2], [1, 2]], np.int32)})
    np.testing.assert_array_equal(masked_items(view, "test", "all").toarray()[0], [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(ranks("all", view=view).num_candidates, [3, 3])
    with pytest.raises(InputError, match=r"`mask=all` would hide 2 of the 2 validation items.*'cart'"):
        ranks("all", "validation")


def test_the_mask_is_what_the_protocol_asks():
    view, scores = several_items(2)
    for protocol, mask in (("released", "target"), ("strict", "all")):
        assert EvaluationConfig(mask="auto").mask_under(protocol) == mask
        assert EvaluationConfig(mask="none").mask_under(protocol) == "none"
    touched = sparse.csr_array(np.indices((23, 31)).sum(axis=0) % 2 == 0)
    keep = [(user, item) for user, item in view.held_out["test"] if not touched[user, item]]
    strict = dataclasses.replace(
        view,
        protocol="strict",
        every={"view": touched, "buy": view.target},
        held_out={"validation": np.zeros((0, 2), np.int32), "test": np.array(keep, np.int32)},
    )
    auto, by_name = (rank_held_out(FixedScorer(scores), strict, "test", config) for config in CONFIGS)
    np.testing.assert_array_equal(auto.num_candidates, by_name.num_candidates)
    # What the run does not use is left out too: no behavior of the view is "view".
    assert list(strict.matrices) == ["buy"]
    hidden = (touched + view.target).toarray()
    assert auto.num_candidates.tolist() == [31 - hidden[user].sum() for user in auto.users]


CONFIGS = (EvaluationConfig(mask="auto"), EvaluationConfig(mask="all"))


def test_empty_split():
    with pytest.raises(InputError, match="no validation pairs"):
        ranks(split="validation", view=make_view({"buy": [[0, 1]]}, test=[(0, 0)]))


def top_items(scores, mask="target", k=3, split="test", **options):
    config = EvaluationConfig(ks=(1, k), metrics=("HR", "coverage"), mask=mask, **options)
    return rank_held_out(FixedScorer(scores), VIEW, split, config)


@pytest.mark.parametrize(
    ("mask", "split", "expected"),
    [
        ("none", "test", [[0, 1, 2, 3], [4, 1, 0, 2]]),  # what is level goes by its row
        # User 0 is left with 2, 3 and 4, user 1 with 0, 1 and 2; the fourth place stays empty.
        ("target", "test", [[2, 3, 4, -1], [1, 0, 2, -1]]),
        ("target", "validation", [[1, 2, 3, 4], [1, 0, 2, 3]]),
    ],
)
def test_lists_by_hand(mask, split, expected):
    found = top_items(SCORES, mask, 4, split)
    np.testing.assert_array_equal(found.top_items, expected)
    assert found.top_items.dtype == np.int32
    np.testing.assert_array_equal(found.ranks, ranks(mask, split).ranks)


def test_a_masked_held_out_item_is_ranked_and_listed():
    pairs = np.array([[0, 0], [1, 4]], np.int32)  # bought in training
    view = dataclasses.replace(VIEW, held_out={**VIEW.held_out, "test": pairs})
    config = EvaluationConfig(ks=(2,), metrics=("coverage",))
    found = rank_held_out(FixedScorer(SCORES), view, "test", config)
    np.testing.assert_array_equal(found.ranks, [0, 0])
    np.testing.assert_array_equal(found.top_items, [[0, 2], [4, 1]])


def test_lists_end_with_the_catalogue_and_coverage_counts_it():
    found = top_items(SCORES, "none", 50)
    assert found.top_items.shape == (2, 5)
    config = EvaluationConfig(ks=(1, 2, 50), metrics=("coverage",))
    metrics = mean_metrics(found, config)
    assert metrics == {"coverage@1": 2 / 5, "coverage@2": 3 / 5, "coverage@50": 1.0}


def test_lists_against_sorting_in_chunks():
    rng = np.random.default_rng(0)
    bought = rng.random((50, 40)) < 0.3
    items = rng.integers(0, 40, 50)
    bought[np.arange(50), items] = False
    view = make_view({"buy": bought}, test=[*enumerate(items)])
    scores = rng.normal(size=(50, 40))
    config = EvaluationConfig(ks=(6,), metrics=("coverage",), eval_memory_mb=1)
    tight = FixedScorer(scores, pair_floats=2**20 // 4 // 40 // 7 - 1)  # 7 users in 1 MiB, with the lists
    done: list[int] = []
    found = rank_held_out(tight, view, "test", config, progress=done.append)
    assert max(done) == 7
    expected = np.argsort(np.where(bought, np.inf, -scores), axis=1)[:, :6]
    np.testing.assert_array_equal(found.top_items, expected)


def test_nothing_is_sorted_unless_lists_are_asked_for():
    def operations(metrics):
        scorer = FixedScorer(SCORES)
        rank_held_out(scorer, VIEW, "test", EvaluationConfig(ks=(3,), metrics=metrics))
        graph: Any = scorer.graphs.popitem()[1]
        return {operation.type for operation in graph.get_concrete_function().graph.get_operations()}

    assert "TopKV2" not in operations(("HR", "NDCG", "MRR"))
    assert "TopKV2" in operations(("HR", "coverage"))


UNITS = [("gmf",) * 3, ("mlp",) * 3, ("neumf",) * 3, ("gmf", "neumf", "mlp")]
MODELS: list[dict[str, Any]] = [
    {"units": units, "share_embeddings": share} for units in UNITS for share in (True, False)
]
MODELS += [{"method": "cmf", "item_bias": True}, {"method": "neumf"}]


def random_model(behaviors, num_users, num_items, **options):
    """A model with weights far from 0, so that no two items are level."""
    config = RunConfig(model=ModelConfig(**options, embedding_dim=8, num_layers=2))
    model = build_model(resolve(config, behaviors), num_users, num_items, seed=0)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return model


@pytest.mark.parametrize("options", MODELS, ids=lambda options: "-".join(map(str, options.values())))
def test_scores_of_all_items_are_the_models_logits_of_pairs(options):
    model = random_model(BEHAVIORS, 7, 9, **options)
    users, items = np.divmod(np.arange(7 * 9), 9)
    logits = model({"user_ids": users, "item_ids": items})
    for behavior in (*logits, None):
        scorer = ModelScorer(model, behavior)
        scores = scorer.scores(tf.range(7), scorer.item_side())
        pairs = logits[behavior or "buy"]
        np.testing.assert_allclose(np.asarray(scores).ravel(), pairs, rtol=1e-5, atol=1e-5)


def random_view(num_users=30, num_items=40):
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, num_items, (2, num_users))
    return make_view(
        {"cart": rng.random((num_users, num_items)) < 0.3, "buy": rng.random((num_users, num_items)) < 0.2},
        validation=[*enumerate(pairs[0])],
        test=[*enumerate(pairs[1])],
    )


@pytest.mark.parametrize("method", ["nmtr_gmf", "nmtr_neumf"])
@pytest.mark.parametrize("metrics", [("HR",), ("HR", "coverage")])
def test_small_rankings_are_not_compiled_and_large_ones_give_the_same_ranks(monkeypatch, method, metrics):
    view = random_view()
    scorer = ModelScorer(random_model(view.behaviors, 30, 40, method=method))
    held_out = HeldOutRanking(view, ["validation", "test"], EvaluationConfig(ks=(7,), metrics=metrics))
    plain = held_out.rank(scorer)
    monkeypatch.setattr(ranking, "_SCORES_WORTH_COMPILING", 30 * 40)
    compiled = held_out.rank(scorer)
    graphs: list[Any] = list(scorer.graphs.values())
    first, second = graphs
    assert not first.function_spec.jit_compile
    assert second.function_spec.jit_compile
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_array_equal(one.ranks, other.ranks)
        np.testing.assert_array_equal(one.top_items, other.top_items)
        assert (one.top_items is None) == (metrics == ("HR",))


def test_a_scorer_sees_later_weights():
    config = RunConfig(model=ModelConfig(method="nmtr_gmf", embedding_dim=4))
    model = build_model(resolve(config, ("cart", "buy")), 2, 5, seed=0)
    scorer, evaluation = ModelScorer(model), EvaluationConfig(mask="none")
    rank_held_out(scorer, VIEW, "test", evaluation)
    network(model).item_rows.biases[1].assign([5.0, 4.0, 9.0, 1.0, 0.0])
    np.testing.assert_array_equal(rank_held_out(scorer, VIEW, "test", evaluation).ranks, [0, 1])
    assert len(scorer.graphs) == 1  # traced once


def test_scores_in_arrays_are_counted_in_one_graph_whatever_the_chunks(monkeypatch):
    view, scores = random_view(), np.random.default_rng(0).random((30, 40), np.float32)

    class Table:
        def scores(self, user_ids):
            return scores[user_ids]

    scorer, held_out = as_scorer(Table(), 40), HeldOutRanking(view, ["test"], EvaluationConfig(ks=(7,)))
    (whole,) = held_out.rank(scorer)
    monkeypatch.setattr(held_out, "_chunk_size", lambda scorer: 4)
    (found,) = held_out.rank(scorer)
    np.testing.assert_array_equal(found.ranks, whole.ranks)
    graph: Any
    (graph,) = scorer.graphs.values()
    assert graph.experimental_get_tracing_count() <= 2  # a size of chunks each


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"method": "nmtr_gmf"}, 8),  # one product of 8 factors, however many behaviors add up
        ({"method": "nmtr_gmf", "share_embeddings": False}, 3 * 8),
        ({"method": "gmf"}, 8),
        ({"method": "nmtr_mlp"}, 3 * (8 * 4 + 4)),
    ],
)
def test_the_cost_of_a_pair_is_that_of_how_it_is_scored(options, expected):
    assert ModelScorer(random_model(BEHAVIORS, 3, 4, **options)).pair_cost == expected
