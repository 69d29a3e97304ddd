"""Why an item is recommended: exactly, where the score is a sum over what a user did."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy import sparse

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.ids import as_given
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.models.history import StoredHistories
from nmtr_tf.models.network import network
from nmtr_tf.serving.learned import Learned
from nmtr_tf.serving.score_parts import ScoreParts, adds_up
from nmtr_tf.serving.users import asked_users

NO_HISTORIES = (
    "an explanation needs a run whose users are read from their histories, `user_rows=history` or `both`, or "
    "`method=nmtr_linear` or `nmtr_linear_gmf`"
)
REASONS = 2
"""Items of a history that are named to people for each recommended one."""


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The parts of the scores of k items for one user, which add up to them.

    Attributes:
        history_items: int32 [n], the items of his history.
        kinds: int32 [n], bit s says that he showed behavior s.
        history: float32 [n, k], the part of each.
        bias: float32 [k], that of the item's biases.
        own: float32 [k], that of the user's own vector (`user_rows=both`), else 0.
    """

    history_items: np.ndarray
    kinds: np.ndarray
    history: np.ndarray
    bias: np.ndarray
    own: np.ndarray

    def strongest(self, place: int, count: int | None = None) -> np.ndarray:
        """The entries that added most to the score of the item at a place, best first; None: all of them."""
        return np.argsort(-self.history[:, place], kind="stable")[:count]

    def behaviors_of(self, entry: int, behaviors: Sequence[str]) -> list[str]:
        """Names of what was done to an entry."""
        return [name for s, name in enumerate(behaviors) if self.kinds[entry] >> s & 1]

    def table(self, items: Sequence[str], item_ids: np.ndarray, behaviors: Sequence[str]) -> pd.DataFrame:
        """A row for each item and part, the strongest of the history first.

        Args:
            items: Raw ids of the k items.
            item_ids: Raw ids of all item rows.
            behaviors: Names of all behaviors.

        Returns:
            Columns item, because ("history", "item bias" or "user vector"), history_item, behaviors ("" each
            where it is not the history) and part (float32).
        """
        rows = []
        for place, item in enumerate(items):
            for entry in self.strongest(place):
                names = ", ".join(self.behaviors_of(entry, behaviors))
                other = item_ids[self.history_items[entry]]
                rows.append((item, "history", other, names, self.history[entry, place]))
            rows.append((item, "item bias", "", "", self.bias[place]))
            rows.append((item, "user vector", "", "", self.own[place]))
        return pd.DataFrame(rows, columns=["item", "because", "history_item", "behaviors", "part"])

    def reasons(
        self, item_ids: np.ndarray, behaviors: Sequence[str], titles: Mapping[str, str] | None = None
    ) -> list[str]:
        """The strongest parts of each item's score, for people; "-": none.

        Such as "item-3 (view, buy) +0.12; item-9 (view) +0.05". What lowers a score is no reason.

        Args:
            item_ids: Raw ids of all item rows.
            behaviors: Names of all behaviors.
            titles: Item id -> title, which stands in place of the id.
        """
        texts = []
        for place in range(self.history.shape[1]):
            best = [entry for entry in self.strongest(place, REASONS) if self.history[entry, place] > 0]
            ids = [item_ids[self.history_items[entry]] for entry in best]
            done = [", ".join(self.behaviors_of(entry, behaviors)) for entry in best]
            values = [self.history[entry, place] for entry in best]
            parts = [
                f"{(titles or {}).get(one) or one} ({own}) {value:+.3g}"
                for one, own, value in zip(ids, done, values, strict=True)
            ]
            texts.append("; ".join(parts) or "-")
        return texts


def explain(
    model: keras.Model, history: sparse.csr_array, items: Collection[int], user: int | None = None
) -> Explanation:
    """What the target logits of some items are made of.

    Args:
        model: A model made by `nmtr_tf.methods.model.build_model`.
        history: CSR int32 [1, num_items] of one user: bit s of an entry says that he showed behavior s. Of
            one whom the model knows it is the stored one, whose entries may have weights.
        items: k item rows.
        user: His row, whose own vector counts, too; None: the model does not know him.

    Raises:
        InputError: If its users are not sums over histories, or its logits not sums over theirs.
    """
    net = network(model)
    rows: object = net.user_rows
    if not isinstance(rows, StoredHistories):
        raise InputError(f"`explain`: {NO_HISTORIES}. This one has a vector for each user, and no reasons.")
    if not adds_up(net):
        raise InputError("`explain` needs units mf or gmf: the logit of a tower is no sum over a history.")
    parts, chosen = ScoreParts(net), tf.constant(list(items), tf.int32)
    entries, kinds = tf.constant(history.indices, tf.int32), tf.constant(history.data, tf.int32)
    own, weights = np.zeros(len(items), np.float32), None
    if user is not None:
        weights = rows.weights_of(tf.constant(user))
        own = parts.of_user(tf.constant(user), entries, kinds, chosen, weights).numpy()
    found = parts.of_history(entries, kinds, chosen, weights).numpy()
    return Explanation(history.indices, history.data, found, parts.of_items(chosen).numpy(), own)


def explained(
    model: keras.Model, dataset: Dataset, view: TrainingView, user_id: Any, item_ids: Iterable[Any]
) -> pd.DataFrame:
    """What the scores of some items are made of for a user of the training data: see `Explanation.table`.

    Args:
        model: As for `explain`.
        dataset: The data set.
        view: The training view that the model was trained on.
        user_id: An id of the log.
        item_ids: Likewise.

    Raises:
        InputError: If an id is not of the data set, nothing was learned of the user, or as `explain` does.
    """
    items, (user,) = as_given("item_ids", item_ids).to_pylist(), asked_users(dataset, [user_id]).rows
    places = pd.Index(view.item_ids).get_indexer(items)
    if user < 0:
        raise InputError(f"`explain`: {user_id!r} is no user of the data set.")
    if unknown := [item for item, place in zip(items, places, strict=True) if place < 0]:
        raise InputError(f"`explain`: {unknown[0]!r} is no item of the data set.")
    if not Learned.of(network(model), view).users[user]:
        raise InputError(
            f"`explain`: expected a user with a training row that the run learns from; {user_id!r} has none, "
            "and gets what is popular."
        )
    found = explain(model, histories_of(view)[[user]], places.tolist(), user)
    return found.table(items, view.item_ids, view.behaviors)
