"""Losses of observed pairs against negatives that all pairs of a batch share."""

from collections.abc import Sequence

import tensorflow as tf
from typing_extensions import override

from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import Plan
from nmtr_tf.models.network import Network
from nmtr_tf.training.objective import Objective, l2_of_batch
from nmtr_tf.training.pair_scores import shared_scores
from nmtr_tf.training.shared_sampling import SharedBatch, SharedSampler
from nmtr_tf.training.trained import TrainedPart


class SharedNegatives(Objective):
    """Base of these losses: a subclass says what its scores are, and its loss of them.

    Args:
        plan: What is trained.

    Raises:
        InputError: If the scores are cosines, and the items of the model are not of unit length.
    """

    in_batch = False
    """Whether the positives of the other pairs are negatives, too."""
    cosine = False
    """Whether scores are cosines; else logits."""

    def __init__(self, plan: Plan):
        if self.cosine and not plan.normalizes_items:
            raise InputError(
                f"`objective` should be 'contrastive' where scores are cosines. Received: {plan.objective!r}."
            )
        super().__init__(plan)

    @override
    def sampler(self, view: TrainingView, training: TrainingConfig, behaviors: Sequence[str]):
        options = training.batch_size, training.num_negatives, training.seed
        return SharedSampler(view, *options, behaviors, self.in_batch)

    @override
    def loss(self, net: Network, r: int, batch: SharedBatch):
        positive, negative = shared_scores(net, r, batch, self.cosine)
        return self.of_scores(positive, negative, batch), tf.cast(tf.size(positive), tf.float32)

    def of_scores(self, positive: tf.Tensor, negative: tf.Tensor, batch: SharedBatch) -> tf.Tensor:
        """The sum of the losses of the rows, a float32 scalar.

        Args:
            positive: float32 [n].
            negative: float32 [n, c], of every row with every one of the items.
            batch: Weights of the items, and which are no negatives of a row.
        """
        raise NotImplementedError

    @override
    def penalty(self, trained: TrainedPart, batch: Sequence[SharedBatch], training: TrainingConfig):
        users = [part.user_ids for part in batch]
        items = [tf.concat([part.positives, part.items], axis=0) for part in batch]
        sides = ([(ids[:, None], tf.ones_like(ids)) for ids in side] for side in (users, items))
        return l2_of_batch(trained, training, *sides)


class Softmax(SharedNegatives):
    """Sampled softmax of each positive i among the negatives j, of logits l over the temperature.

    A row's loss is

        - l_ui + log(exp(l_ui) + sum over j of n_j / E[n_j] exp(l_uj)).

    n_j is how often j was drawn, E[n_j] how often that is to be expected: by its popularity among the other
    positives of the batch and uniformly beside (log-Q correction: l - log E[n]). Then the sum is, in
    expectation, that over all items on which the user did not show the behavior, so that the loss tends to
    the full softmax as the samples grow [Bengio and Senecal 2008; Blanc and Rendle 2018]. The row's own
    positive is always there once, with no correction; nothing else on which its user showed the behavior is.
    """

    in_batch = True

    @override
    def of_scores(self, positive, negative, batch):
        temperature = self.plan.contrast.temperature
        positive, negative = positive / temperature, negative / temperature + tf.math.log(batch.weights)
        nothing = tf.fill([tf.shape(batch.hits)[0]], -float("inf"))
        negative = tf.tensor_scatter_nd_update(negative, batch.hits, nothing)
        among = tf.concat([positive[:, None], negative], axis=1)
        return tf.reduce_sum(tf.reduce_logsumexp(among, axis=1) - positive)


class Contrastive(SharedNegatives):
    """Cosine contrastive loss of each positive i and its negatives N [Mao et al., "SimpleX", 2021].

    A row's loss is

        1 - cos(u, i) + w / |N| sum over j in N of max(0, cos(u, j) - margin).

    What the cosine of a cascade is, `nmtr_tf.training.pair_scores.Scores` says. N are the shared items
    without those on which the user showed the behavior.

    Differs from its source, which draws negatives for each pair.
    """

    cosine = True

    @override
    def of_scores(self, positive, negative, batch):
        options = self.plan.contrast
        nothing = tf.zeros([tf.shape(batch.hits)[0]])
        above = tf.nn.relu(negative - options.margin)
        above = tf.reduce_sum(tf.tensor_scatter_nd_update(above, batch.hits, nothing), axis=1)
        hits = tf.math.unsorted_segment_sum(tf.ones_like(nothing), batch.hits[:, 0], tf.size(positive))
        mean = tf.math.divide_no_nan(above, tf.cast(tf.size(batch.items), tf.float32) - hits)
        return tf.reduce_sum(1.0 - positive) + options.negative_weight * tf.reduce_sum(mean)
