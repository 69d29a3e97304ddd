"""The item vectors of an exported model in files, and an index of them, for those who have a vector store.

They stand in the folder `index` of the version, which TensorFlow Serving passes over:

item_vectors.npy    float32 [n, D], rows as in item_ids.txt; items that nobody is recommended are not there
item_ids.txt        ids of the log, UTF-8, one a line
items.faiss         FAISS's IndexFlatIP of the vectors: exact, an inner product with each of them

The signature user_embeddings of the model gives the vector to search with; the inner product is the score, or
that of the first stage of two. Equal scores come in any order.
"""

import dataclasses
import importlib
import importlib.util
from pathlib import Path

import numpy as np

from nmtr_tf.errors import InputError
from nmtr_tf.models.network import Network
from nmtr_tf.serving.two_stages import has_towers

FOLDER, KIND = "index", "IndexFlatIP"


@dataclasses.dataclass(frozen=True)
class VectorIndex:
    """What was written.

    Attributes:
        num_items: Items that are in it.
        dimensions: Of their vectors, the bias included.
        kind: The class of FAISS.
        user_vectors: The signature that gives what to search with.
    """

    num_items: int
    dimensions: int
    kind: str = KIND
    user_vectors: str = "user_embeddings"


def check_index(index: str | None, net: Network, candidates: int) -> None:
    """Checks that a model has vectors for an index, and that it can be written.

    Args:
        index: "faiss", or None: there is to be no index, which is always possible.
        net: The parts of the model.
        candidates: Items that are found first; 0: the model ranks all.

    Raises:
        InputError: If not.
    """
    if index is None:
        return
    if index != "faiss":
        raise InputError(f"`index` should be 'faiss', or None. Received: {index!r}.")
    if not (candidates or net.is_inner_product):
        otherwise = "which `recommend` and the export rank as they are"
        if has_towers(net):
            otherwise = "but with `candidates=1000`, say, the index finds the candidates that it ranks"
        raise InputError(
            f"`index={index}` goes with scores that are inner products of a user's and an item's vector; "
            f"those of this model are not, {otherwise}."
        )
    if importlib.util.find_spec("faiss") is None:
        raise InputError(f"`index={index}` needs the package faiss: pip install 'faiss-cpu>=1.14.2'")


def write_index(directory: Path, vectors: np.ndarray, item_ids: np.ndarray) -> VectorIndex:
    """Writes the folder.

    Args:
        directory: Of the version.
        vectors: float32 [n, D].
        item_ids: str [n], without line breaks.
    """
    faiss = importlib.import_module("faiss")
    folder = directory / FOLDER
    folder.mkdir()
    np.save(folder / "item_vectors.npy", vectors)
    lines = "\n".join([*item_ids, ""])
    (folder / "item_ids.txt").write_text(lines, encoding="utf-8", newline="\n")
    found = faiss.IndexFlatIP(vectors.shape[1])
    found.add(vectors)
    (folder / "items.faiss").write_bytes(faiss.serialize_index(found))  # a full disk is an OSError then
    return VectorIndex(*vectors.shape)
