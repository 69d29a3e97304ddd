"""The evaluation after an epoch: on what, and what is made once."""

import dataclasses

import numpy as np
import pytest

from nmtr_tf.config import EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.data.pairs import contained, without
from nmtr_tf.evaluation import ranking
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.monitoring import EpochEvaluation, evaluation_sample
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve

CONFIG = RunConfig(
    model=ModelConfig(method="nmtr_gmf", embedding_dim=4),
    training=TrainingConfig(monitor="NDCG@5", curve_split="test", eval_users=0),
    evaluation=EvaluationConfig(ks=(5, 10), metrics=("NDCG", "coverage"), mask="target"),
)
EVERYTHING = 1e18
"""An epoch's arithmetic beside which every ranking is cheap."""


@pytest.fixture(scope="module")
def view(shop):
    return shop.training_view()


@pytest.fixture(scope="module")
def model(view):
    return build_model(resolve(CONFIG, view.behaviors), view.num_users, view.num_items, seed=0)


def set_weights(model, seed):
    rng = np.random.default_rng(seed)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))


def expected_logs(model, view):
    logs: dict[str, float] = {}
    for split in ("validation", "test"):
        ranks = rank_held_out(ModelScorer(model), view, split, CONFIG.evaluation)
        metrics = mean_metrics(ranks, CONFIG.evaluation)
        logs |= {f"{split}/{name}": value for name, value in metrics.items()}
    return logs


def test_it_gives_what_an_evaluation_of_each_split_gives_with_the_weights_of_the_moment(model, view):
    evaluate = EpochEvaluation(model, view, CONFIG, EVERYTHING)
    for seed in (1, 2):
        set_weights(model, seed)
        logs = evaluate()
        assert list(logs)[:3] == ["validation/NDCG@5", "validation/coverage@5", "validation/NDCG@10"]
        assert logs == expected_logs(model, view)
    assert evaluate.num_users == {split: len(view.held_out[split]) for split in ("validation", "test")}


def shown_without(view, pairs):
    """The view as if users had never carted some of its validation pairs."""
    assert contained(pairs, view.shown["cart"]).all()
    return dataclasses.replace(view, shown={**view.shown, "cart": without(view.shown["cart"], pairs)})


def assert_ranks(evaluate, model, ranked):
    """The head of the carts ranks the validation pairs of this view."""
    ranks = rank_held_out(ModelScorer(model, "cart"), ranked, "validation", CONFIG.evaluation)
    expected = mean_metrics(ranks, CONFIG.evaluation)
    assert evaluate() == {f"validation_cart/{name}": value for name, value in expected.items()}
    assert evaluate.num_users == {"validation": len(ranked.held_out["validation"])}


def test_a_stage_is_validated_on_the_pairs_that_had_its_behavior(model, view):
    set_weights(model, 1)
    pairs = view.held_out["validation"]
    some = shown_without(view, pairs[::2])
    head = some.head("cart")
    assert head.held_out["validation"].tolist() == pairs[1::2].tolist()
    assert_ranks(EpochEvaluation(model, some, CONFIG, EVERYTHING, "cart"), model, head)


def test_a_stage_without_such_pairs_is_validated_on_the_targets(model, view, shop):
    """By its own head; under released, where the pairs are trained on, always."""
    set_weights(model, 1)
    for one in (shown_without(view, view.held_out["validation"]), shop.training_view(protocol="released")):
        assert_ranks(EpochEvaluation(model, one, CONFIG, EVERYTHING, "cart"), model, one)


def test_masks_and_candidates_are_made_once(model, view, monkeypatch):
    made: list[str] = []
    for name in ("masked_items", "_num_candidates"):
        original = getattr(ranking, name)

        def counted(*args, name=name, original=original):
            made.append(name)
            return original(*args)

        monkeypatch.setattr(ranking, name, counted)
    evaluate = EpochEvaluation(model, view, CONFIG, EVERYTHING)
    assert sorted(made) == ["_num_candidates"] * 2 + ["masked_items"] * 2  # of both splits
    evaluate()
    evaluate()
    assert len(made) == 4


def with_validation(view, pairs):
    return dataclasses.replace(view, held_out={**view.held_out, "validation": pairs})


def test_splits_are_scored_together_and_graphs_are_traced_once(model, view, monkeypatch):
    traced: list[int] = []
    ranked: list[tuple[str, ...]] = []
    scores, rank = ModelScorer.scores, ranking.HeldOutRanking.rank

    def counted_scores(self, *args):
        traced.append(1)
        return scores(self, *args)

    def counted_rank(self, *args):
        ranked.append(self.splits)
        return rank(self, *args)

    monkeypatch.setattr(ModelScorer, "scores", counted_scores)
    monkeypatch.setattr(ranking.HeldOutRanking, "rank", counted_rank)
    users, items = view.held_out["test"].T
    together = with_validation(view, np.stack([users, (items + 1) % view.num_items], axis=1))
    apart = with_validation(view, together.held_out["validation"][1:])
    set_weights(model, 3)
    for one in (together, apart):
        evaluate = EpochEvaluation(model, one, CONFIG, EVERYTHING)
        traced.clear()
        ranked.clear()
        logs = [evaluate(), evaluate()]
        assert ranked == [("validation", "test")] * 2
        assert len(traced) == 1
        assert logs == [expected_logs(model, one)] * 2


def test_splits_follow_the_data_and_the_curves(model, view):
    only = CONFIG.with_options(curve_split="validation")
    assert EpochEvaluation(model, view, only, EVERYTHING).num_users.keys() == {"validation"}
    none = with_validation(view, np.zeros((0, 2), np.int32))
    assert EpochEvaluation(model, none, CONFIG, EVERYTHING).num_users.keys() == {"test"}
    assert EpochEvaluation(model, none, only, EVERYTHING)() == {}


def test_a_dear_ranking_is_of_a_seeded_sample(model, view):
    config = CONFIG.with_options(eval_users=7)
    scorer = ModelScorer(model)
    sample = evaluation_sample(view, "test", config, scorer, epoch_cost=0)
    again, other = (
        evaluation_sample(view, "test", one, scorer, 0) for one in (config, config.with_options(eval_users=8))
    )
    assert sample is not None
    assert len(np.unique(sample)) == 7
    assert (np.diff(sample) > 0).all()
    assert np.isin(sample, view.held_out["test"][:, 0]).all()
    np.testing.assert_array_equal(again, sample)
    of_another_seed = evaluation_sample(view, "test", config.with_options(seed=5), scorer, epoch_cost=0)
    np.testing.assert_array_equal(of_another_seed, sample)  # runs of several seeds see the same users
    assert other is not None
    assert len(other) == 8
    evaluate = EpochEvaluation(model, view, config, epoch_cost=0)
    assert evaluate.num_users == {"validation": 7, "test": 7}
    ranks = rank_held_out(ModelScorer(model), view, "test", config.evaluation, sample)
    logs = evaluate()
    for name, value in mean_metrics(ranks, config.evaluation).items():
        assert logs[f"test/{name}"] == value


@pytest.mark.parametrize("eval_users", [0, 10**6])
def test_everyone_is_ranked_where_that_is_asked_for(model, view, eval_users):
    config = CONFIG.with_options(eval_users=eval_users)
    assert evaluation_sample(view, "test", config, ModelScorer(model), epoch_cost=0) is None


def test_everyone_is_ranked_where_it_costs_no_more_than_an_epoch(model, view):
    config, scorer = CONFIG.with_options(eval_users=7), ModelScorer(model)
    cost = len(view.held_out["test"]) * view.num_items * scorer.pair_cost
    assert evaluation_sample(view, "test", config, scorer, epoch_cost=cost) is None
    sample = evaluation_sample(view, "test", config, scorer, epoch_cost=cost - 1)
    assert sample is not None
    always = config.with_options(eval_sample="always")
    np.testing.assert_array_equal(evaluation_sample(view, "test", always, scorer, EVERYTHING), sample)
