"""The whole-data loss: the squared error of every pair of a user and an item, observed or not, exactly.

For units that are inner products, the sum over all pairs costs E^2 for a user and for an item, not a pair
each (after Chen et al., "Efficient Heterogeneous Collaborative Filtering without Negative Sampling for
Recommendation", 2020, whose cascade is another one).
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.models.network import Network
from nmtr_tf.models.rows import distinct
from nmtr_tf.training.losses import l2_of_weights
from nmtr_tf.training.objective import Objective
from nmtr_tf.training.products import gram, pair_products
from nmtr_tf.training.trained import TrainedPart
from nmtr_tf.training.user_sampling import UserBatch, UserSampler


class WholeData(Objective):
    """Squared error of all pairs, those that were not observed with weight c_r.

    The loss of behavior r, with logits l, is

        sum over observed (1 - l)^2 + c_r sum over the rest l^2
        = c_r sum over all l^2 + sum over observed ((1 - c_r) l^2 - 2 l + 1).

    The first sum goes through Gram matrices: with l = y_u . z_i, it is sum((Y^T Y) * (Z^T Z)). y_u is the sum
    of the user parts of r and its ancestors, followed by 1 for the item bias of each of them, z_i the item's
    vector followed by all its biases.

    L2 is of all users and items, each times its weight (`l2_weights`); a batch of users has its share of
    what is the items' and the units'.
    """

    def sampler(self, view: TrainingView, training: TrainingConfig, behaviors: Sequence[str]) -> UserSampler:
        """Batches of users with all their observed pairs; arguments as those of `Objective.sampler`."""
        places = [self.plan.predicted.index(name) for name in behaviors]
        stage = next(stage for stage in self.plan.stages if stage.behaviors == tuple(behaviors))
        own_weights = l2_weights(
            [view.matrices[name] for name in behaviors],
            stage.weights,
            [self.plan.unobserved_weights[r] for r in places],
            training.l2_power,
        )
        return UserSampler(view, training.batch_size, training.seed, behaviors, own_weights)

    def part(self, batch: UserBatch, number: int, count: int) -> UserBatch:
        """What one of several replicas takes of a batch: some of its users.

        Arguments as those of `Objective.part`.
        """
        return batch.part(number, count)

    def losses(
        self, net: Network, places: Sequence[int], batch: UserBatch
    ) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """The loss of each behavior on the batch's users with all items, and its number of observed pairs.

        Arguments as those of `Objective.losses`.
        """
        tables = distinct([net.item_rows.tables[r] for r in places])
        biases = tf.stack(net.item_rows.all_biases(range(len(net.behaviors))), axis=1)
        items = [tf.concat([table.value, biases], axis=1) for table in tables]
        users = self._user_sides(net, places, batch)
        # Which of the tables each behavior reads, and so where its items begin among all rows of all tables.
        read = [next(t for t, one in enumerate(tables) if one is net.item_rows.tables[r]) for r in places]
        first_rows = tf.repeat(tf.constant(read, tf.int64) * net.item_rows.num_rows, batch.sizes)
        columns = first_rows + batch.items
        logits = pair_products(tf.concat(users, axis=0), tf.concat(items, axis=0), batch.rows, columns)
        observed = tf.split(logits, batch.sizes, num=len(places))
        grams = [gram(side) for side in items]
        return [
            _squared_error(self.plan.unobserved_weights[r], tf.reduce_sum(gram(side) * grams[t]), own)
            for r, side, t, own in zip(places, users, read, observed, strict=True)
        ]

    def _user_sides(self, net: Network, places: Sequence[int], batch: UserBatch) -> list[tf.Tensor]:
        """What is multiplied with an item's vector and biases: float32 [n, E + R] for each behavior."""
        used = sorted(set().union(*map(net.cascade.terms, places)))
        rows = dict(zip(used, net.user_rows.rows(batch.user_ids, used, batch.seed), strict=True))
        sides = []
        for r in places:
            terms = net.cascade.terms(r)
            own = [rows[s] for s in terms]
            if self.plan.dropout:  # the same dimensions of a user for all behaviors
                own = [tf.nn.experimental.stateless_dropout(p, self.plan.dropout, batch.seed) for p in own]
            vector = tf.add_n(net.cascade.user_parts(own, terms))
            ones = tf.broadcast_to(bias_terms(net, r), [tf.shape(vector)[0], len(net.behaviors)])
            sides.append(tf.concat([vector, ones], axis=1))
        return sides

    def penalty(self, trained: TrainedPart, batch: UserBatch, training: TrainingConfig) -> tf.Tensor:
        """L2 of the batch's users, and its share of that of items and units."""
        users = [tf.gather(table.value, batch.user_ids) for table in trained.user_tables]
        items = [table.value for table in trained.item_tables]
        common = training.l2_item * tf.add_n([_weighted_squares(q, batch.item_weights) for q in items])
        common += training.l2_unit * l2_of_weights(trained.unit_weights)
        own = [_weighted_squares(p, batch.user_weights) for p in users]
        nothing = tf.constant(0.0)  # all there is where users are their histories
        return training.l2_user * tf.add_n([nothing, *own]) + batch.share * common


def bias_terms(net: Network, r: int) -> tf.Tensor:
    """Which biases of an item go into the logit of behavior r: float32 [R], 1 and 0."""
    terms = net.cascade.terms(r)
    return tf.constant([float(s in terms) for s in range(len(net.behaviors))])


def _squared_error(weight: float, everything: tf.Tensor, observed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Loss of a behavior and number of its observed pairs.

    Args:
        weight: Weight of a pair that was not observed.
        everything: Sum of the squares of all logits.
        observed: Logits of observed pairs, float32 [num_pairs].
    """
    count = tf.cast(tf.size(observed), tf.float32)
    return weight * everything + tf.reduce_sum((1.0 - weight) * observed**2 - 2.0 * observed) + count, count


def _weighted_squares(rows: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Sum of squares of rows float32 [n, E], each times its weight, float32 [n]."""
    return tf.reduce_sum(weights * tf.reduce_sum(tf.square(rows), axis=1))


def l2_weights(
    matrices: Sequence[sparse.csr_array],
    weights: Sequence[float],
    unobserved: Sequence[float],
    power: float,
) -> tuple[np.ndarray, np.ndarray]:
    """What the L2 of each user and of each item is times: a power of the summed weights of its pairs.

    With power 1 L2 grows as the loss does [Rendle et al., "Revisiting the Performance of iALS on Item
    Recommendation Benchmarks", 2021, where an observed pair counts 1 + c]; with 0 it is the same for all.

    Args:
        matrices: Binary CSR [num_users, num_items] of each behavior.
        weights: Lambda of each behavior.
        unobserved: Weight of an unobserved pair of each behavior, where an observed one has 1.
        power: The power.

    Returns:
        float32 [num_users] and float32 [num_items].
    """
    sides = [0.0, 0.0]
    for matrix, weight, c in zip(matrices, weights, unobserved, strict=True):
        counts = np.diff(matrix.indptr), np.bincount(matrix.indices, minlength=matrix.shape[1])
        for side, (own, others) in enumerate(zip(counts, matrix.shape[::-1], strict=True)):
            sides[side] = sides[side] + weight * (c * others + (1 - c) * own)
    users, items = (np.power(side, power).astype(np.float32) for side in sides)
    return users, items
