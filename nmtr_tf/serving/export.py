"""A trained model as a versioned SavedModel, for TensorFlow Serving or any program with TensorFlow.

What its signatures take and give is said in `nmtr_tf.serving.served_model`; nothing of this package or of
Keras is needed to load it.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.folders import new_directory
from nmtr_tf.methods.plan import Plan
from nmtr_tf.models.network import network
from nmtr_tf.serving.card_files import write_model_card
from nmtr_tf.serving.left_out import resolved_exclude
from nmtr_tf.serving.model_card import ModelCard, ModelFacts
from nmtr_tf.serving.product_vectors import all_item_vectors
from nmtr_tf.serving.request import EXPORTED, resolve_k
from nmtr_tf.serving.served_histories import ServedHistories
from nmtr_tf.serving.served_model import ServedModel
from nmtr_tf.serving.two_stages import TwoStages, fit_two_stages
from nmtr_tf.serving.vector_index import check_index, write_index


def export_model(
    export_dir: str | Path,
    model: keras.Model,
    plan: Plan,
    view: TrainingView,
    left_out: sparse.csr_array,
    k: int,
    facts: ModelFacts,
    offered: np.ndarray | None = None,
    candidates: int = 0,
    index: str | None = None,
) -> Path:
    """Writes the next version of a model, with its card, whole or not at all.

    Args:
        export_dir: Directory of the versions 1, 2, ...; none is ever replaced.
        model: A model made by `nmtr_tf.methods.model.build_model`.
        plan: Its plan.
        view: The training view that it was trained on.
        left_out: Binary [num_users, num_items], the items that are never recommended to a user:
            `nmtr_tf.serving.left_out.excluded_items` of `facts.exclude`.
        k: Items that a recommendation has at most.
        facts: What else its card says.
        offered: bool [num_items], the items that may be recommended to anybody; None: all.
        candidates: Items that are found first, and alone ranked by the model; 0: it ranks all.
        index: "faiss": with an index of the item vectors, see `nmtr_tf.serving.vector_index`; None: without.

    Returns:
        The directory of the version.

    Raises:
        InputError: If the model cannot be exported, or `export_dir` is a file.
    """
    facts.config.to_json()  # refused where a part has no name, before anything is written
    target, stages, agreement, found = next_version(export_dir), None, None, None
    scorer = ModelScorer(model)
    check_index(index, scorer.network, candidates)
    if candidates:
        stages, agreement = fit_two_stages(scorer, view, candidates, k, facts.config.training.seed)
    with new_directory(target) as directory:
        exclude = resolved_exclude(facts.exclude, facts.config.evaluation.mask)
        signatures = save_model(directory, model, view, k, left_out, offered, stages, exclude)
        if index:
            some = slice(None) if offered is None else offered
            found = write_index(directory, all_item_vectors(scorer, stages)[some], view.item_ids[some])
        card = ModelCard(plan, view, facts, int(target.name), k, signatures, agreement, found)
        write_model_card(directory, card)
        if target.exists():
            raise InputError(f"{target} was written by another export meanwhile; try again.")
    return target


def next_version(export_dir: str | Path) -> Path:
    """The directory of the version after the largest in `export_dir`.

    Raises:
        InputError: If `export_dir` is a file.
    """
    directory = Path(export_dir)
    if directory.exists() and not directory.is_dir():
        raise InputError(f"`export_dir={directory}` should be a directory, new or of exported versions.")
    names = [path.name for path in directory.iterdir()] if directory.exists() else []
    versions = [int(name) for name in names if name.isascii() and name.isdecimal()]
    return directory / str(max(versions, default=0) + 1)


def save_model(
    directory: str | Path,
    model: keras.Model,
    view: TrainingView,
    k: int,
    left_out: sparse.csr_array,
    offered: np.ndarray | None = None,
    stages: TwoStages | None = None,
    exclude: str = "touched",
) -> dict[str, Any]:
    """Saves a model with its vocabularies and the training pairs that it needs.

    Args:
        directory: Where to write the SavedModel.
        model: A model made by `nmtr_tf.methods.model.build_model`.
        view: The training view that it was trained on.
        k: Items that a recommendation has at most.
        left_out: Binary [num_users, num_items], the items that are never recommended to a user.
        offered: bool [num_items], the items that may be recommended to anybody; None: all.
        stages: Both stages, where candidates are found first; None: all items are ranked.
        exclude: What of given histories is not recommended: "bought", "touched" or "none".

    Returns:
        Signature name -> {"inputs" and "outputs": name -> {"dtype", "shape"}}.

    Raises:
        InputError: If k does not fit the catalogue, or ids, behaviors or weights cannot be exported.
    """
    resolve_k(k, view.num_items, EXPORTED)
    if "known" in network(model).behaviors:
        raise InputError("A behavior named 'known' cannot be exported: the outputs of score have that name.")
    with tempfile.TemporaryDirectory() as folder:  # saving copies the vocabularies
        vocabularies = Path(folder, "user_ids.txt"), Path(folder, "item_ids.txt")
        for path, ids in zip(vocabularies, (view.user_ids, view.item_ids), strict=True):
            lines = id_lines(ids, path.stem)
            path.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")
        kind = ServedHistories if network(model).from_history else ServedModel
        served = kind(model, view, left_out, k, vocabularies, offered, stages, exclude)
        if not all(np.isfinite(weight.numpy()).all() for weight in served.weights):
            raise InputError("The model has weights that are NaN or infinite; it cannot be exported.")
        signatures = served.signatures()
        tf.saved_model.save(served, str(directory), signatures)
    return {name: _description(function) for name, function in signatures.items()}


def id_lines(ids: np.ndarray, kind: str) -> list[str]:
    """Raw ids as the lines of a file.

    Args:
        ids: str [n].
        kind: What the ids are, for the error.

    Raises:
        InputError: If an id is empty or spans lines.
    """
    lines = ids.tolist()
    for one in lines:
        if one == "" or "\n" in one or "\r" in one:
            raise InputError(f"{kind} should not be empty or contain line breaks. Received: {one!r}.")
    return lines


def _description(function: Any) -> dict[str, Any]:
    def shapes(specs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for name, spec in specs.items()
        }

    inputs = {spec.name: spec for spec in function.structured_input_signature[0]}
    return {"inputs": shapes(inputs), "outputs": shapes(function.structured_outputs)}
