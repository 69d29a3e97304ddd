"""A run whose negatives are shared is like any other: what it learned as cosines is served as ranked."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import BEHAVIORS

import nmtr_tf as nt
from nmtr_tf.models.network import network

OPTIONS: dict[str, Any] = {
    "method": "nmtr_gmf",
    "embedding_dim": 8,
    "num_negatives": 20,
    "batch_size": 128,
    "learning_rate": 0.1,
    "embedding_stddev": 0.1,
    "loss_reduction": "mean",
    "ks": (5, 10),
}
CONTRAST: dict[str, Any] = {"objective": "contrastive", "margin": 0.4, "negative_weight": 20.0}
COSINE: dict[str, Any] = {**CONTRAST, "user_rows": "both"}


@pytest.fixture(scope="module")
def run(shop, tmp_path_factory):
    """A run with a directory; to be read only."""
    return nt.fit(shop, workdir=tmp_path_factory.mktemp("cosine") / "run", num_epochs=4, **OPTIONS, **COSINE)


def losses(run):
    return [logs["train/loss"] for logs in run.history]


@pytest.mark.slow
def test_it_learns_and_opens_again(run):
    assert losses(run)[-1] < 0.9 * losses(run)[0]
    rows = network(run.model).item_rows
    assert not any(np.any(bias) for bias in rows.all_biases(range(len(BEHAVIORS))))
    opened = nt.Run(str(run.workdir))
    np.testing.assert_allclose(
        tf.norm(network(opened.model).item_rows.all_rows([2])[0], axis=1), 1, rtol=1e-5
    )
    users = run.view.user_ids[:5].tolist()
    assert opened.recommend(users, k=4).equals(run.recommend(users, k=4))
    explained = run.explain(users[0], run.recommend(users[:1], k=1)["item"].tolist())
    assert explained["part"].sum() == pytest.approx(run.recommend(users[:1], k=1)["score"][0], rel=1e-4)


@pytest.mark.slow
def test_the_export_gives_the_scores_that_were_ranked(run, tmp_path):
    version = run.export(tmp_path, k=5, exclude="none")
    served = tf.saved_model.load(str(version)).signatures
    users = run.view.user_ids[:7].tolist()
    found = served["serving_default"](user_id=tf.constant(users))
    expected = run.recommend(users, k=5, exclude="none")
    assert [one.decode() for one in found["item_ids"].numpy().ravel()] == expected["item"].tolist()
    np.testing.assert_allclose(found["scores"].numpy().ravel(), expected["score"], rtol=1e-4, atol=1e-5)
    items = served["item_embeddings"](item_id=tf.constant(run.view.item_ids.tolist()))["embedding"].numpy()
    np.testing.assert_allclose(np.linalg.norm(items[:, :-1], axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(items[:, -1], 0)  # no bias


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"objective": "softmax"},
        {"objective": "softmax", "method": "nmtr_neumf", "num_layers": 2, "train_mode": "sequential"},
        {"objective": "softmax", "method": "nmtr_mlp", "num_layers": 2, "user_rows": "history"},
        {**CONTRAST, "method": "cmf"},
        {"objective": "sampled", "user_rows": "history"},
        {"objective": "sampled", "method": "mc_bpr", "user_rows": "both"},
    ],
    ids=str,
)
def test_others_learn_and_repeat_bit_for_bit(shop, options):
    """In sequential training the last losses are of another behavior."""
    one, other = (nt.fit(shop, num_epochs=3, **{**OPTIONS, **options}) for _ in range(2))
    assert losses(one) == losses(other)
    assert losses(one)[2] < losses(one)[0]
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
