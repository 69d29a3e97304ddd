"""Item-based nearest neighbours against a dense version and numbers worked by hand."""

import numpy as np
import pytest
from conftest import make_dataset, make_view

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import build_baseline, neighbors
from nmtr_tf.evaluation.baselines.neighbors import fit_item_knn


def csr(dense):
    return make_view({"buy": dense}).target


def weights(dense, *options):
    return fit_item_knn(csr(dense), *options).weights.toarray()


def test_by_hand():
    # Items are bought by 4, 2, 1 and 0 users; 0 and 1 share two, 0 and 2 one, 1 and 2 one.
    dense = [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    a, b, c = 2 / np.sqrt(4 * 2), 1 / np.sqrt(4 * 1), 1 / np.sqrt(2 * 1)
    np.testing.assert_allclose(
        weights(dense, 3, 0.0), [[0, a, b, 0], [a, 0, c, 0], [b, c, 0, 0], [0, 0, 0, 0]], rtol=1e-6
    )
    # The nearest of 2 is 1; those of 0 and 1 are level, and the first one counts.
    np.testing.assert_allclose(
        weights(dense, 1, 0.0), [[0, a, 0, 0], [a, 0, c, 0], [0, 0, 0, 0], [0, 0, 0, 0]], rtol=1e-6
    )
    shrunk = weights(dense, 3, 2.0)
    assert shrunk[0, 1] == pytest.approx(2 / (np.sqrt(8) + 2))
    assert shrunk[1, 2] == pytest.approx(1 / (np.sqrt(2) + 2))


@pytest.mark.parametrize("chunk", [7, 512])
@pytest.mark.parametrize("count", [1, 4, 30])
def test_a_dense_version_gives_the_same(monkeypatch, chunk, count):
    monkeypatch.setattr(neighbors, "_CHUNK", chunk)
    dense = (np.random.default_rng(0).random((50, 25)) < 0.3).astype(float)
    shared = dense.T @ dense
    cosines = shared / (np.sqrt(np.outer(np.diag(shared), np.diag(shared))) + 0.5)
    np.fill_diagonal(cosines, 0)
    expected = np.zeros_like(cosines)
    for j in range(25):
        nearest = np.argsort(-cosines[:, j].astype(np.float32), kind="stable")[:count]
        expected[nearest, j] = cosines[nearest, j]
    scorer = fit_item_knn(csr(dense), count, 0.5)
    np.testing.assert_allclose(scorer.weights.toarray(), expected, rtol=1e-5)
    found = scorer.scores(np.array([3, 0])).toarray()
    np.testing.assert_allclose(found, dense[[3, 0]] @ expected, rtol=1e-5)


def test_of_the_target_or_of_all_behaviors():
    dataset = make_dataset({"view": [[1, 0, 1], [1, 1, 0]], "buy": [[0, 1, 1], [1, 0, 0]]})
    view = dataset.training_view()
    for name, dense in {"item_knn": [[0, 1, 1], [1, 0, 0]], "item_knn_all": [[1, 1, 1], [1, 1, 0]]}.items():
        built = build_baseline(name, dataset, view, knn_neighbors=2, knn_shrinkage=1)
        np.testing.assert_array_equal(built.weights.toarray(), weights(dense, 2, 1.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((0, 1.0), r"`knn_neighbors` should be at least 1\. Received: 0"),
        ((5, -1.0), r"`knn_shrinkage` should be at least 0\. Received: -1"),
        ((5, float("nan")), "`knn_shrinkage` should be at least 0"),
    ],
)
def test_what_there_is_not(options, message):
    with pytest.raises(InputError, match=message):
        fit_item_knn(csr([[1, 1]]), *options)
