"""The graph of an exported model whose users are sums over their histories: new users are known at once.

Beside the signatures of `nmtr_tf.serving.served_model`, with inputs of strings, there is

recommend_for_history   item_id [B, N], behavior [B, N]        as serving_default
explain                 user_id [B], item_id [B]               history_item_ids string [B, n],
                                                               history_behaviors string [B, n],
                                                               history_parts float32 [B, n], rest_of_history,
                                                               item_bias, user_vector, score float32 [B],
                                                               num_items int32 [B], known bool [B]

A row of recommend_for_history is what one user did, filled up with "". What is no item or no behavior of the
data set is passed over, and what comes again counts once. Of its items those are not recommended that the
export leaves out (`exclude`): the bought, the touched, also by behaviors that the run does not use, of which
the model is not told, or none.
A user of the training data whose history it is would get the same, where what he touched is left out of his
and he has no vector of his own besides (`user_rows=both`), nor weights by age (`history_half_life`): what is
given has none, and counts as what is done today. Without an item that the model has learned of, known_user is
false and the most purchased items are given. The linear method does not tell behaviors apart without
`linear_gates`, and has no input `behavior` then: whatever is listed counts, and is not recommended but with
`exclude=none`.

explain says why a user of the training data has the score that he has: the n items of his history that add
most to the target's logit, best first, what he did to each ("view, buy"), and what each adds. n is
`EXPLAINED`, or all items of a smaller catalogue. Where his history is shorter, ids end in "" and parts in 0;
num_items counts the real ones. history_parts, rest_of_history (what the others of his history add), item_bias
and user_vector (of the vector of his own) add up to score, the logit. Where the user or the item is unknown,
known is false, and all is "" or 0.
"""

from collections.abc import Callable

import tensorflow as tf
from typing_extensions import override

from nmtr_tf.data.pairs import histories_of
from nmtr_tf.models.history import StoredHistories
from nmtr_tf.serving.exported_items import kept
from nmtr_tf.serving.score_parts import ScoreParts, adds_up
from nmtr_tf.serving.served_model import ServedModel
from nmtr_tf.serving.signatures import look_up

EXPLAINED = 5
"""Items of a history that an explanation names at most."""


class ServedHistories(ServedModel):
    """The graph of the signatures, for a model with `StoredHistories`; arguments as for `ServedModel`."""

    @override
    def __init__(self, model, view, *args, **kwargs):
        super().__init__(model, view, *args, **kwargs)
        self.behaviors, self.every_behavior = tuple(view.behaviors), tuple(view.every)
        self.parts = ScoreParts(self.network, self.items.some)
        # The linear method does not store what was done, but whoever asks why wants to know.
        self.kinds = None if self.parts.rows.tells_behaviors else kept(histories_of(view).data)

    def recommend_for_items(self, item_id):
        """Signature recommend_for_history where behaviors are not told apart."""
        _, listed = self._listed(item_id)
        places, _ = tf.unique(tf.sort(listed[:, 0] * self.num_items + listed[:, 1]))
        hidden = listed[:0] if self.exclude == "none" else listed
        return self._for_entries(places, None, hidden, tf.shape(item_id)[0])

    def recommend_for_events(self, item_id, behavior):
        """Signature recommend_for_history where they are."""
        message = "item_id and behavior should have the same shape."
        tf.debugging.assert_equal(tf.shape(item_id), tf.shape(behavior), message)
        where, listed = self._listed(item_id)
        shown = tf.gather_nd(behavior, where)[:, None]
        names = {"none": (), "bought": self.behaviors[-1:], "touched": self.every_behavior}[self.exclude]
        is_hidden = tf.reduce_any(shown == tf.constant(names, tf.string, [len(names)]), axis=1)
        is_kind = shown == tf.constant(self.behaviors)
        is_known = tf.reduce_any(is_kind, axis=1)
        keys = tf.boolean_mask(listed[:, 0] * self.num_items + listed[:, 1], is_known)
        order = tf.argsort(keys, stable=True)
        places, entry = tf.unique(tf.gather(keys, order))
        bits = tf.cast(tf.gather(tf.boolean_mask(is_kind, is_known), order), tf.int32)
        shown = tf.maximum(tf.math.unsorted_segment_max(bits, entry, tf.size(places)), 0)
        kinds = tf.reduce_sum(shown * [1 << s for s in range(len(self.behaviors))], axis=1)
        return self._for_entries(places, kinds, tf.boolean_mask(listed, is_hidden), tf.shape(item_id)[0])

    def _for_entries(self, places, kinds, hidden, count):
        """The best items for histories.

        Args:
            places: int64 [n], ascending, different: history * num_items + item of each entry.
            kinds: As for `StoredHistories.sums`.
            hidden: int64 [m, 2], (history, item) of what is not recommended.
            count: Number of histories.
        """
        rows, terms = self.network.user_rows, self.scorer.terms
        assert isinstance(rows, StoredHistories)
        owners, items = places // self.num_items, places % self.num_items
        told = tf.boolean_mask(owners, tf.math.is_finite(tf.gather(self.popularity, items)))
        known = tf.math.bincount(tf.cast(told, tf.int32), minlength=count, maxlength=count) > 0
        sums = self.network.cascade.user_parts(rows.sums(items, owners, count, terms, kinds), terms)
        logits = self._of_all_items(lambda *inputs: self.scorer.logits(list(inputs[:-1]), inputs[-1]), *sums)
        scores = tf.where(known[:, None], logits, self.popularity)
        return self._best(scores, hidden, known)

    def explain(self, user_id, item_id):
        """Signature explain."""
        users, known_user = self._known(user_id)
        items, known_item = look_up(self.item_rows, item_id)
        known, number = known_user & known_item, min(EXPLAINED, self.num_items)
        lists = {"entries": tf.int32, "kinds": tf.int32, "history_parts": tf.float32}
        sums = dict.fromkeys(("rest_of_history", "item_bias", "user_vector"), tf.TensorSpec([], tf.float32))
        found = (
            tf.map_fn(  # one by one: what an item adds by the linear method is a row as long as the catalogue
                lambda pair: self._reasons(pair[0], pair[1], number),
                (users, items),
                parallel_iterations=1,
                fn_output_signature={
                    **{name: tf.TensorSpec([number], kind) for name, kind in lists.items()},
                    **sums,
                    "num_items": tf.TensorSpec([], tf.int32),
                },
            )
        )
        count = tf.where(known, found.pop("num_items"), 0)
        is_real = tf.range(number) < count[:, None]
        entries = tf.where(is_real, tf.cast(found.pop("entries"), tf.int64), -1)
        parts = tf.where(is_real, found.pop("history_parts"), 0.0)
        found["score"] = self._logits_of_pairs(users, items[:, None])[-1][:, 0]
        return {
            "history_item_ids": self.ids_of_items.lookup(entries),
            "history_behaviors": self._names(tf.where(is_real, found.pop("kinds"), 0)),
            "history_parts": parts,
            **{name: tf.where(known, values, 0.0) for name, values in found.items()},
            "num_items": count,
            "known": known,
        }

    def _reasons(self, user, item, number):
        """What one score is made of, as `explain` says it, but that items and behaviors are numbers."""
        rows, chosen = self.parts.rows, tf.reshape(item, [1])
        places = tf.range(*(tf.gather(rows.starts.value, user + step) for step in (0, 1)))
        entries, kinds, weights = rows.some(places)
        kinds = tf.gather(self.kinds, places) if kinds is None else kinds
        parts = self.parts.of_history(entries, kinds, chosen, weights)[:, 0]
        order = tf.argsort(parts, direction="DESCENDING", stable=True)
        best = order[:number]

        def filled(values):
            found = tf.gather(values, best)
            return tf.ensure_shape(tf.pad(found, [[0, number - tf.size(best)]]), [number])

        return {
            "entries": filled(entries),
            "kinds": filled(kinds),
            "history_parts": filled(parts),
            "rest_of_history": tf.reduce_sum(tf.gather(parts, order[number:])),
            "item_bias": self.parts.of_items(chosen)[0],
            "user_vector": self.parts.of_user(user, entries, kinds, chosen, weights)[0],
            "num_items": tf.size(best),
        }

    def _names(self, kinds):
        """The behaviors whose bits are set, such as "view, buy"."""
        text = tf.fill(tf.shape(kinds), "")
        for s, name in enumerate(self.behaviors):
            comma = tf.where(text == "", "", ", ")
            is_shown = tf.bitwise.bitwise_and(kinds, 1 << s) != 0
            text = tf.where(is_shown, tf.strings.join([text, comma, tf.fill(tf.shape(kinds), name)]), text)
        return text

    @property
    @override
    def functions(self) -> dict[str, tuple[Callable, dict[str, int]]]:
        rows = self.network.user_rows
        assert isinstance(rows, StoredHistories)
        one: tuple[Callable, dict[str, int]] = (self.recommend_for_items, {"item_id": 2})
        if rows.tells_behaviors:
            one = self.recommend_for_events, {"item_id": 2, "behavior": 2}
        found = {**super().functions, "recommend_for_history": one}
        if adds_up(self.network):
            found["explain"] = self.explain, {"user_id": 1, "item_id": 1}
        return found
