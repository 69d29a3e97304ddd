"""Small models of random weights, and the losses of observed pairs as plain sums over pairs.

Every pair has the history of its user as it is without the pair, made anew from dense matrices.
"""

import numpy as np
import tensorflow as tf
from all_pairs import ITEMS, USERS, random_view
from conftest import BEHAVIORS

from nmtr_tf.config import RunConfig
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.times import times_of
from nmtr_tf.models.network import network
from nmtr_tf.training.objectives import make_objective

VIEW = random_view()
DONE = np.stack([VIEW.matrices[name].toarray() for name in BEHAVIORS]).astype(np.float32)


class Setup:
    """A model with random weights, its objective and a batch of it."""

    def __init__(self, objective, batch_size=20, num_negatives=4, **options):
        own = {"method": "nmtr_gmf", "embedding_dim": 4, "history_dropout": 0.0} | options
        if "user_rows" not in options:
            del own["history_dropout"]
        self.config = RunConfig().with_options(
            objective=objective, batch_size=batch_size, num_negatives=num_negatives, **own
        )
        self.plan = resolve(self.config, BEHAVIORS)
        times, histories = times_of(VIEW, self.plan), histories_of(VIEW)
        self.model = build_model(self.plan, USERS, ITEMS, 0, histories, times)
        self.weights = np.ones((USERS, ITEMS), np.float32)  # of what is in histories
        if times.entry_weights is not None:
            self.weights[histories.nonzero()] = times.entry_weights
        rng = np.random.default_rng(1)
        for weight in self.model.trainable_variables:
            weight.assign(rng.normal(scale=0.7, size=weight.shape))
        self.net, self.objective = network(self.model), make_objective(self.plan)
        self.sampler = self.objective.sampler(VIEW, self.config.training, self.plan.predicted)

    @property
    def values(self):
        return [variable.value for variable in self.model.trainable_variables]

    def batch(self, step=0):
        return self.sampler.sample(tf.constant(step, tf.int64))

    def vectors(self, users, items):
        """Of each user without the item beside him: float32 [m, E] for each behavior."""
        rows, terms = self.net.user_rows, range(len(self.net.behaviors))
        if not self.net.from_history:
            return rows.rows(tf.constant(users, tf.int32), terms)
        left = DONE[:, users] * (np.arange(ITEMS) != items[:, None])  # [behaviors, m, items]
        left = left * self.weights[users]
        numbers = left.sum(axis=(0, 2))
        scale = np.where(numbers > 0, np.maximum(numbers, 1) ** -rows.alpha, 0).astype(np.float32)
        sums = tf.einsum("s,smi,ie->me", rows.gate.value, left, rows.items.tables[0].value)
        own = 0.0 if rows.own is None else tf.gather(rows.own.tables[0].value, users)
        return [scale[:, None] * sums + own] * len(terms)

    def scores(self, r, users, items, cosine=False, bucket=None):
        """Logits or cosines of behavior r for pairs int [m], by the layers of the functional model.

        With a bucket of time it has the biases of that one.
        """
        vectors = self.vectors(users, items)
        q, biases = self.net.item_rows(tf.constant(items, tf.int32))
        if bucket is not None:
            everything = range(len(self.net.behaviors))
            biases = self.net.item_rows.bias_rows(tf.constant(items, tf.int32), everything, bucket)
        logits = self.net.cascade((vectors, q, biases))[self.net.behaviors[r]]
        if not cosine:
            return logits
        terms = self.net.cascade.terms(r)
        parts = self.net.cascade.user_parts([vectors[s] for s in terms], terms)
        return logits / tf.norm(tf.add_n(parts), axis=1)

    def plain_loss(self, r, batch):
        """The loss of behavior r on a batch, row by row and negative by negative."""
        users, items = batch.user_ids.numpy(), batch.items.numpy()
        cosine = self.plan.objective == "contrastive"
        options, losses = self.plan.contrast, []
        shown = VIEW.matrices[self.plan.predicted[r]].toarray() > 0
        for u, i in zip(users, batch.positives.numpy(), strict=True):
            positive = self.scores(r, np.array([u]), np.array([i]), cosine)[0]
            places = np.flatnonzero(~shown[u, items])
            negative = self.scores(r, np.full(len(places), u), items[places], cosine)
            if cosine:
                above = tf.reduce_sum(tf.maximum(negative - options.margin, 0))
                losses.append(1 - positive + options.negative_weight * above / max(1, len(places)))
                continue
            weights = batch.weights.numpy()[places]
            rest = tf.reduce_sum(weights * tf.exp(negative / options.temperature))
            positive = positive / options.temperature
            losses.append(-tf.math.log(tf.exp(positive) / (tf.exp(positive) + rest)))
        return tf.add_n([tf.constant(0.0), *losses])

    def plain_sampled_loss(self, r, batch):
        """Log loss of behavior r on a batch of pairs with negatives of their own."""
        total, n = tf.constant(0.0), len(batch.user_ids)
        buckets = [None] * n if batch.buckets is None else batch.buckets.numpy()
        for u, i, negatives, weight, bucket in zip(
            *(part.numpy() for part in batch[:3]), batch[4].numpy(), buckets, strict=True
        ):
            items = np.array([i, *negatives])
            logits = self.scores(r, np.full(len(items), u), items, bucket=bucket)
            total -= tf.math.log_sigmoid(logits[0]) + weight * tf.reduce_sum(tf.math.log_sigmoid(-logits[1:]))
        return total


def assert_same_loss_and_gradient(setup, batch, plain):
    """Of all behaviors, by the objective and by `plain(r, batch of r)`."""
    places = range(len(setup.plan.predicted))
    with tf.GradientTape(persistent=True) as tape:
        found = [loss for loss, _ in setup.objective.losses(setup.net, places, batch)]
        expected = [plain(r, part) for r, part in zip(places, batch, strict=True)]
        total, plain_total = tf.add_n(found), tf.add_n(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert np.all(np.array(expected) > 0)
    ours, theirs = (tape.gradient(one, setup.values) for one in (total, plain_total))
    for one, other in zip(ours, theirs, strict=True):
        other = tf.convert_to_tensor(other)
        assert np.any(other)
        np.testing.assert_allclose(tf.convert_to_tensor(one), other, rtol=1e-3, atol=2e-4)
