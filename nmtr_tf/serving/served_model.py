"""The graph of an exported model: the ids of the log in and out.

Ids are text on the wire, whole numbers as their digits. B users are asked about at once, K is fixed at
export, the predicted behaviors keep their names.

signature             inputs, string                           outputs
serving_default       user_id [B]                              item_ids string [B, K], scores float32 [B, K],
                                                               num_items int32 [B], known_user bool [B]
recommend_excluding   user_id [B], exclude_item_ids [B, E]     as serving_default
recommend_among       user_id [B], candidate_item_ids [B, C]   as serving_default
score                 user_id [B], item_id [B]                 float32 [B] per behavior, known bool [B]
user_embeddings       user_id [B]                              embedding float32 [B, D], known bool [B]
item_embeddings       item_id [B]                              embedding float32 [B, D], known bool [B]

Models whose users are sums over their histories have two more: see `nmtr_tf.serving.served_histories`.

- Recommendations come best first, by target logit, without what is left out of the user's and of everybody's
  (`left_out` and `offered` of `nmtr_tf.serving.export.save_model`): what the user bought, say. Where fewer
  than K are left, item_ids ends in "" and scores in 0; num_items counts the real ones.
- Users without a training row that the model learns from (known_user is false) get the most purchased items
  of those with one. Their scores are numbers of training purchases, not to be compared with logits. Equal
  scores stand in the order of the item vocabulary.
- Rows of exclude_item_ids and candidate_item_ids are filled up with "". Ids that are no items are passed
  over, repeated ones count once.
- score gives probabilities (Eq. 5) of the behaviors that the model predicts. Where the user or the item is
  unknown, known is false and they are 0.
- The embeddings exist for models of MF and GMF units alone. Their inner product is the target logit (the
  item's biases are the last dimension), so any index for inner products serves the model. Where candidates
  are found first, they are those of the first stage, whatever the units. Unknown ids: known is false, zeros.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.serving.chunked import chunked
from nmtr_tf.serving.exported_items import exported_items, kept
from nmtr_tf.serving.learned import Learned
from nmtr_tf.serving.product_vectors import item_vectors, user_vectors
from nmtr_tf.serving.recommender import penalty
from nmtr_tf.serving.signatures import concrete, embedding, line_table, look_up
from nmtr_tf.serving.two_stages import TwoStages, with_one


class ServedModel(tf.Module):
    """The graph of the signatures and the variables and tables that it needs.

    What is as large as the data is a variable or a file beside the graph, never a constant in it.

    Args:
        model: A model made by `nmtr_tf.methods.model.build_model`.
        view: The training view that it was trained on.
        left_out: Binary [num_users, num_items], the items not to recommend.
        k: Items to recommend.
        vocabularies: Text files of the user and of the item ids, one a line, in the order of the rows.
        offered: bool [num_items], the items that may be recommended to anybody; None: all.
        stages: Both stages, where candidates are found first; None: all items are ranked.
        exclude: As for `save_model`.
    """

    def __init__(
        self,
        model: keras.Model,
        view: TrainingView,
        left_out: sparse.csr_array,
        k: int,
        vocabularies: tuple[Path, Path],
        offered: np.ndarray | None = None,
        stages: TwoStages | None = None,
        exclude: str = "touched",
    ):
        super().__init__()
        self.stages, self.exclude = stages, exclude
        self.k, self.num_items = k, view.num_items
        self.scorer = ModelScorer(model)
        self.network = net = self.scorer.network
        self.items = exported_items(net)
        own = (*net.user_rows.variables, *net.cascade.variables)
        self.weights = [*(v.value for v in own), *self.items.weights]
        users, items = vocabularies
        self.user_rows = line_table(users, tf.string, tf.int64, -1)
        self.item_rows = line_table(items, tf.string, tf.int64, -1)
        self.ids_of_items = line_table(items, tf.int64, tf.string, "")
        self.indptr, self.indices = kept(left_out.indptr.astype(np.int64)), kept(left_out.indices)
        learned = Learned.of(net, view)
        self.is_known, self.popularity = kept(learned.users), kept(learned.popularity)
        self.penalty = None if offered is None or offered.all() else kept(penalty(offered))

    def recommend(self, user_id):
        """Signature serving_default."""
        users, known = self._known(user_id)
        return self._best(self._scores(users, known), self._left_out(user_id), known, users)

    def recommend_excluding(self, user_id, exclude_item_ids):
        """Signature recommend_excluding."""
        users, known = self._known(user_id)
        _, excluded = self._listed(exclude_item_ids)
        hidden = tf.concat([self._left_out(user_id), excluded], axis=0)
        return self._best(self._scores(users, known), hidden, known, users)

    def recommend_among(self, user_id, candidate_item_ids):
        """Signature recommend_among."""
        users, known = self._known(user_id)
        items, _ = look_up(self.item_rows, candidate_item_ids)
        # However many candidates there are, repeated ones aside, they are at most all items.
        floats = self.num_items * self.scorer.pair_floats
        logits = chunked(self._logits_with, (users, items), None, floats)
        scores = tf.where(known[:, None], logits, tf.gather(self.popularity, items))
        places, among = self._listed(candidate_item_ids)
        nothing = tf.fill([tf.size(user_id), self.num_items], -np.inf)
        scores = tf.tensor_scatter_nd_update(nothing, among, tf.gather_nd(scores, places))
        return self._best(scores, self._left_out(user_id), known)

    def score(self, user_id, item_id):
        """Signature score."""
        users, known_user = self._known(user_id)
        items, known_item = look_up(self.item_rows, item_id)
        known = known_user & known_item
        logits = self._logits_of_pairs(users, items[:, None])
        probabilities = [tf.where(known, tf.sigmoid(x[:, 0]), 0.0) for x in logits]
        return {**dict(zip(self.network.behaviors, probabilities, strict=True)), "known": known}

    def user_embeddings(self, user_id):
        """Signature user_embeddings."""
        users, known = self._known(user_id)
        if self.stages:
            return embedding(with_one(self._logits_of_anchors(users, self.stages)), known)
        parts = self.network.user_parts(users, self.scorer.terms)
        return embedding(user_vectors(self.network, parts), known)

    def item_embeddings(self, item_id):
        """Signature item_embeddings."""
        items, known = look_up(self.item_rows, item_id)
        if self.stages:
            return embedding(tf.transpose(tf.gather(self.stages.weights, items, axis=1)), known)
        return embedding(item_vectors(self.network, *self.items.some(items, self.scorer.terms)), known)

    def _known(self, user_id):
        """Rows int32 [B] of users, 0 for those that the data does not have, and who is known, bool [B]."""
        users, there = look_up(self.user_rows, user_id)
        return users, there & tf.gather(self.is_known, users)

    def _scores(self, users, known):
        """Float32 [B, num_items]: target logits, or their first stage, or popularity for unknown users."""
        if self.stages:
            logits = self.stages.first(self._logits_of_anchors(users, self.stages))
        else:
            logits = self._of_all_items(self.scorer.scores, users)
        return tf.where(known[:, None], logits, self.popularity)

    def _of_all_items(self, scores, *inputs):
        """Target logits float32 [B, num_items] by a function of inputs [B, ...] and the item side."""
        item_side = self.items.all(self.scorer.terms)
        if self.network.has_one_product:  # which holds nothing but what it gives
            return scores(*inputs, item_side)
        floats = self.num_items * self.scorer.pair_floats
        return chunked(lambda *some: scores(*some, item_side), inputs, self.num_items, floats)

    def _logits_of_anchors(self, users, stages):
        """Target logits float32 [B, r] of users [B] with the anchors of the first stage."""
        anchors, width = stages.anchors.read_value()[None], stages.anchors.shape[0]
        floats = self.scorer.pair_floats * width
        return chunked(lambda some: self._logits_with(some, anchors), (users,), width, floats)

    def _logits_with(self, users, items):
        """Target logits float32 [B, C] of users [B] with items [B or 1, C]."""
        everyone = tf.broadcast_to(items, [tf.size(users), tf.shape(items)[1]])
        return self._logits_of_pairs(users, everyone)[-1]

    def _logits_of_pairs(self, users, items):
        """R logits float32 [B, C] of users [B] with their items [B, C], weakest behavior first."""
        everything = range(len(self.network.behaviors))
        user_parts = self.network.user_parts(users[:, None], everything)
        logits = self.network.cascade.logits(user_parts, *self.items.some(items, everything))
        return [x[:, 0] for x in logits]

    def _left_out(self, user_id):
        """Int64 [n, 2]: (place in the batch, item) of what users are not to be shown, known or not."""
        users, there = look_up(self.user_rows, user_id)
        first = tf.gather(self.indptr, users)
        spans = tf.ragged.range(first, tf.where(there, tf.gather(self.indptr, users + 1), first))
        items = tf.cast(tf.gather(self.indices, spans.flat_values), tf.int64)
        return tf.stack([spans.value_rowids(), items], axis=1)

    def _listed(self, item_ids):
        """Known ids of lists [B, C], int64 [n, 2] each: their places, and (place in the batch, item)."""
        items, known = look_up(self.item_rows, item_ids)
        places = tf.where(known)
        found = tf.cast(tf.gather_nd(items, places), tf.int64)
        return places, tf.stack([places[:, 0], found], axis=1)

    def _best(self, scores, hidden, known, users=None):
        """The K best of scores [B, num_items] but for the hidden (place in the batch, item) int64 [n, 2].

        Of `users` the scores may be those of a first stage.
        """
        scores = scores if self.penalty is None else scores + self.penalty
        nothing = tf.fill([tf.shape(hidden)[0]], -np.inf)
        scores = tf.tensor_scatter_nd_update(scores, hidden, nothing)
        if self.stages and users is not None:
            width = self.stages.candidates
            values, items = self.stages.best(
                scores, lambda found: self._exact(users, found, width, known), self.k
            )
        else:
            values, items = tf.math.top_k(scores, self.k)
        real = tf.math.is_finite(values)
        return {
            "item_ids": self.ids_of_items.lookup(tf.where(real, tf.cast(items, tf.int64), -1)),
            "scores": tf.where(real, values, 0.0),
            "num_items": tf.math.count_nonzero(real, axis=1, dtype=tf.int32),
            "known_user": known,
        }

    def _exact(self, users, items, width, known):
        """Target logits of users [B] with items [B, width], or popularity for unknown users."""
        logits = chunked(self._logits_with, (users, items), width, self.scorer.pair_floats * width)
        return tf.where(known[:, None], logits, tf.gather(self.popularity, items))

    @property
    def functions(self) -> dict[str, tuple[Callable, dict[str, int]]]:
        """Signature name -> its function, and its inputs: name -> number of axes."""
        functions: dict[str, tuple[Callable, dict[str, int]]] = {
            "serving_default": (self.recommend, {"user_id": 1}),
            "recommend_excluding": (self.recommend_excluding, {"user_id": 1, "exclude_item_ids": 2}),
            "recommend_among": (self.recommend_among, {"user_id": 1, "candidate_item_ids": 2}),
            "score": (self.score, {"user_id": 1, "item_id": 1}),
        }
        if self.network.is_inner_product or self.stages:
            functions["user_embeddings"] = self.user_embeddings, {"user_id": 1}
            functions["item_embeddings"] = self.item_embeddings, {"item_id": 1}
        return functions

    def signatures(self) -> dict[str, Any]:
        """A concrete function per signature."""
        return {name: concrete(function, axes) for name, (function, axes) in self.functions.items()}
