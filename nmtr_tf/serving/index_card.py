"""What the card of an exported model says of the index of its item vectors: what it is, and how to ask it."""

from nmtr_tf.serving.model_card import ModelCard

_EXAMPLE = """```python
from pathlib import Path
import faiss
import tensorflow as tf

version, user = Path("."), {user}  # this folder, and an id of the log
model = tf.saved_model.load(version).signatures
index = faiss.read_index(str(version / "index" / "items.faiss"))
item_ids = (version / "index" / "item_ids.txt").read_text(encoding="utf-8").split("\\n")
vector = model["{signature}"](user_id=tf.constant([user]))["embedding"]
scores, rows = index.search(vector.numpy(), {count})
found = [item_ids[row] for row in rows[0]]
```

{hidden}; so ask the index for more than you need:

```python
among = tf.constant([found])
best = model["recommend_among"](user_id=tf.constant([user]), candidate_item_ids=among)["item_ids"][0]
```"""


def index_part(card: ModelCard) -> str:
    """The part of the card; nothing where there is no index."""
    found = card.index
    if found is None:
        return ""
    product, count = "the score that the model\nranks by", 2 * card.k
    if card.two_stages:
        product = "the score of the\nfirst stage, which finds candidates for the model to rank"
        count = card.two_stages.candidates
    hidden = (
        "What the user is not to be shown is still among these. `recommend_among` leaves it out, and ranks "
        f"the others by the\nmodel itself, up to {card.k} of them"
    )
    user, count = ascii(str(card.view.user_ids[0])), min(count, found.num_items)
    example = _EXAMPLE.format(user=user, signature=found.user_vectors, count=count, hidden=hidden)
    return (
        f"## Index of item vectors\n\n`index/` has {found.num_items:,} vectors of {found.dimensions} "
        "dimensions, biases among them, for any store of vectors\n(`item_vectors.npy`, float32, rows as in "
        f"`item_ids.txt`), and an index of them for FAISS, {found.kind}, which is exact\n(`items.faiss`). "
        f"`{found.user_vectors}` gives the vector of a user; its inner product with an item's is {product}.\n"
        "Of users that it does not know (`known` is false) the vector is 0: ask `serving_default` for them."
        f"\n\n{example}"
    )
