"""EASE, in both of its forms, against a plain solution item by item and numbers worked by hand."""

from typing import Any

import numpy as np
import pytest
from conftest import call, make_dataset, make_view
from numpy_ease import plain, random_pair

from nmtr_tf.cli import prepare
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import all_as_one
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import build_baseline, ease, evaluate_baseline
from nmtr_tf.evaluation.baselines.ease import UserWeightScorer, fit_ease
from nmtr_tf.evaluation.baselines.item_weights import ItemWeightScorer
from nmtr_tf.methods import closed_form

WIDE, TALL = (9, 14), (40, 12)
OPTIONS: list[dict[str, float]] = [
    {"ease_lambda": 3.0},
    {"ease_lambda": 3.0, "ease_beta": 0.4},
    {"ease_lambda": 0.5, "ease_dropout": 0.5},
    {"ease_lambda": 2.0, "ease_beta": 0.3, "ease_dropout": 0.3},
]


def close(actual, expected, rtol=1e-4, atol=2e-5):
    np.testing.assert_allclose(actual, np.array(expected), rtol, atol)


def csr(dense):
    return make_view({"buy": dense}).target


def scores(scorer, num_users):
    found = scorer.scores(np.arange(num_users))
    assert found.dtype == np.float32
    return found


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("shape", "kind"), [(TALL, ItemWeightScorer), (WIDE, UserWeightScorer)])
@pytest.mark.parametrize("theta", [0.0, 0.3, 2.0])
def test_aimed_it_is_the_constrained_least_squares(shape, kind, options, theta):
    all_of, target = random_pair(shape)
    scorer = fit_ease(csr(all_of), target=csr(target), ease_theta=theta, **options)
    assert isinstance(scorer, kind)
    expected = all_of @ plain(all_of, target, ease_theta=theta, **options)
    close(scores(scorer, len(all_of)), expected)
    np.testing.assert_array_equal(scorer.scores(np.array([2, 0])), scores(scorer, len(all_of))[[2, 0]])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("shape", [TALL, WIDE])
def test_without_a_target_it_is_ease(shape, options):
    all_of, _ = random_pair(shape, seed=1)
    expected = all_of @ plain(all_of, 0 * all_of, **options)
    close(scores(fit_ease(csr(all_of), **options), shape[0]), expected)
    aimed_at_all = fit_ease(csr(all_of), target=csr(all_of), ease_theta=2.0, **options)
    close(scores(aimed_at_all, shape[0]), 3 * expected, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 5, 512])
def test_both_forms_give_the_same_scores_in_chunks_of_any_size(monkeypatch, chunk):
    monkeypatch.setattr(closed_form, "CHUNK", chunk)
    all_of, target = random_pair((13, 13), seed=2)
    options: dict[str, Any] = {**OPTIONS[3], "target": csr(target)}
    by_items = fit_ease(csr(all_of), **options)
    monkeypatch.setattr(ease, "_by_items", ease._by_users)
    by_users = fit_ease(csr(all_of), **options)
    assert (type(by_items), type(by_users)) == (ItemWeightScorer, UserWeightScorer)
    close(scores(by_items, 13), scores(by_users, 13))


def test_by_hand():
    # X'X = [[2, 1], [1, 1]]; lambda 1: P = [[3, 1], [1, 2]]^-1 = [[2, -1], [-1, 3]] / 5, B_ij = -P_ij / P_jj.
    matrix = csr([[1, 1], [1, 0], [0, 0]])
    close(fit_ease(matrix, 1.0).weights, [[0, 1 / 3], [1 / 2, 0]])
    # User 0 bought item 1: B_01 = w minimises (w - 1)^2 + w^2 (he and the other) + w^2: 1/3; B_10 = 0.
    bought = csr([[0, 1], [0, 0], [0, 0]])
    aimed = fit_ease(matrix, 1.0, target=bought, ease_theta=0.0)
    close(aimed.weights, [[0, 1 / 3], [0, 0]])
    # Of two items he counts half at beta 1: 1/2 (w - 1)^2 + w^2 + w^2 has its minimum at 1/5.
    aimed = fit_ease(matrix, 1.0, ease_beta=1.0, target=bought, ease_theta=0.0)
    close(aimed.weights, [[0, 1 / 5], [0, 0]])
    # Dropout of a half adds the diagonal of X'X, 2, to lambda: (w - 1)^2 + w^2 + 3 w^2.
    aimed = fit_ease(matrix, 1.0, ease_dropout=0.5, target=bought, ease_theta=0.0)
    close(aimed.weights, [[0, 1 / 5], [0, 0]])


def test_no_item_speaks_for_itself():
    all_of, target = random_pair(TALL)
    weights = fit_ease(csr(all_of), 1.0, target=csr(target)).weights
    assert not np.diag(weights).any()
    assert np.count_nonzero(weights) > 100


def test_rows_of_the_table():
    dataset = make_dataset(
        {"view": [[1, 0, 1], [1, 1, 0], [0, 1, 1]], "buy": [[0, 1, 1], [1, 0, 0], [0, 0, 1]]}
    )
    view = dataset.training_view()
    np.testing.assert_array_equal(all_as_one(view).toarray(), [[1, 1, 1], [1, 1, 0], [0, 1, 1]])
    options = {"ease_lambda": 2, "ease_beta": 0.5, "ease_dropout": 0.2}
    fitted = {
        "ease": fit_ease(view.target, **options),
        "ease_all": fit_ease(all_as_one(view), **options),
        "ease_aimed": fit_ease(all_as_one(view), target=view.target, ease_theta=0.5, **options),
    }
    for name, expected in fitted.items():
        more = {"ease_theta": 0.5} if name == "ease_aimed" else {}
        built = build_baseline(name, dataset, view, **options, **more)
        np.testing.assert_array_equal(scores(built, 3), scores(expected, 3))
    assert not np.allclose(scores(fitted["ease_aimed"], 3), scores(fitted["ease_all"], 3), atol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ease_lambda": 0.0}, r"`ease_lambda` should be positive\. Received: 0\.0"),
        ({"ease_lambda": -1.0}, "`ease_lambda` should be positive"),
        ({"ease_lambda": float("nan")}, "`ease_lambda` should be positive"),
        ({"ease_beta": -0.1}, "`ease_beta` should be at least 0"),
        ({"ease_dropout": 1.0}, r"`ease_dropout` should be in \[0, 1\)"),
        ({"ease_theta": -1.0}, "`ease_theta` should be at least 0"),
        ({"ease_lambda": 1e-30}, "`ease_lambda` is too small for these data"),
    ],
)
def test_what_it_cannot_do(options, message):
    with pytest.raises(InputError, match=message):
        fit_ease(csr(np.ones((4, 3))), **{"ease_lambda": 1.0, **options})


@pytest.mark.realdata
def test_on_taobao_it_is_what_an_independent_program_measured(datasets, tmp_path):
    folder = datasets / "taobao"
    files = ",".join(f"{name}:{folder}/{name}.train.txt" for name in ("view", "cart", "buy"))
    flags = [f"--input={files}", f"--heldout={folder}/buy.test.txt", "--protocol=strict", "--quiet"]
    assert call(prepare, "--source=adjacency", *flags, f"--dataset_dir={tmp_path}/data") == 0
    options: dict[str, Any] = {"ease_lambda": 10, "ease_beta": 0.2, "ease_dropout": 0.5, "ease_theta": 1}
    found = evaluate_baseline(Dataset.load(tmp_path / "data"), "ease_aimed", **options)
    assert found.mask == "all"
    assert found.metrics["HR@100"] == pytest.approx(0.3200, abs=5e-4)
    assert found.metrics["NDCG@100"] == pytest.approx(0.1194, abs=5e-4)
