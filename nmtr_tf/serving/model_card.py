"""The card of an exported model: what it is, for people (MODEL_CARD.md) and programs (model.json)."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tabulate import tabulate

import nmtr_tf
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.files import new_file, read_json, write_json
from nmtr_tf.models.methods import get_method, predicted_behaviors
from nmtr_tf.training.run import Run

_DATA = ("source", "behaviors", "target_behavior", "num_users", "num_items", "rows", "filters", "table_one")


def model_facts(run: Run, view: Interactions, version: int, dataset_dir: str = "") -> dict[str, Any]:
    """What is known of a trained model.

    Args:
        run: The run that trained it.
        view: Its training view.
        version: Version that is exported.
        dataset_dir: Where the run's data set is now; "": where it was when the run trained.

    Returns:
        Entries of model.json; "metrics" and "audit" are None where nothing was evaluated or audited.
    """
    config, about = run.config(), run.about()
    directory = Path(dataset_dir or config.data.dataset_dir)
    header = read_json(directory / "dataset.json")
    metrics = run.workdir / "metrics_test.json"
    return {
        "model": about["method"],
        "version": version,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "data": {
            "name": directory.resolve().name,
            "fingerprint": view.fingerprint,
            **{name: header[name] for name in _DATA if name in header},
        },
        "behaviors": list(view.behaviors),
        "predicted_behaviors": list(predicted_behaviors(config.model, view.behaviors)),
        "target_behavior": view.target_behavior,
        "protocol": view.protocol,
        "training_rows": {name: int(matrix.nnz) for name, matrix in view.matrices.items()},
        "best_epoch": about.get("best_epoch"),
        "metrics": read_json(metrics) if metrics.is_file() else None,
        "audit": _audit_verdict(directory, view.fingerprint),
        "config": config.to_json(),
        "versions": {
            "trained": about.get("versions"),
            "exported": {
                "nmtr_tf": nmtr_tf.__version__,
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
            },
        },
    }


def _audit_verdict(directory: Path, fingerprint: str) -> str | None:
    """The sentence that experiments.audit came to, if it was about this data."""
    path = directory / "audit.json"
    found = read_json(path) if path.is_file() else {}
    return found.get("verdict") if found.get("dataset_fingerprint") == fingerprint else None


def write_model_card(directory: str | Path, facts: Mapping[str, Any]) -> None:
    """Writes model.json and MODEL_CARD.md.

    Args:
        directory: Where the model is.
        facts: What `model_facts` gave, with "k", "exclude" and "signatures" of the export.
    """
    write_json(Path(directory) / "model.json", facts)
    with new_file(Path(directory) / "MODEL_CARD.md") as path:
        path.write_text(card_text(facts), encoding="utf-8")


def card_text(facts: Mapping[str, Any]) -> str:
    """MODEL_CARD.md of the facts that `write_model_card` takes."""
    parts = (_head, _use, _data, _metrics, _signatures, _settings)
    return "\n\n".join(part(facts) for part in parts) + "\n"


def _head(facts: Mapping[str, Any]) -> str:
    exported = facts["versions"]["exported"]
    return (
        f"# {facts['model']}, version {facts['version']}\n\n"
        f"Recommends items for the behavior `{facts['target_behavior']}`{_origin(facts)}. Exported "
        f"{facts['created']} with nmtr_tf {exported['nmtr_tf']}, TensorFlow {exported['tensorflow']}, Keras "
        f"{exported['keras']}. `model.json` has the same facts for programs."
    )


def _origin(facts: Mapping[str, Any]) -> str:
    """What the recommendations come from."""
    method, predicted = get_method(facts["model"]), facts["predicted_behaviors"]
    if method.cascade and len(predicted) > 1:
        return f" from the cascade {' -> '.join(predicted)} (NMTR, arXiv 1809.08161)"
    learned = facts["behaviors"] if method.negatives == "multi_channel" else predicted
    return f" by the method {method.label}, learned from {', '.join(learned)}"


_LEFT_OUT = {
    "none": "nothing is left out, bought or not",
    "target": "items with a `{target}` of the user in training are left out",
    "all": "items that the user touched by any behavior, held-out pairs included, are left out",
}


def _use(facts: Mapping[str, Any]) -> str:
    left_out = _LEFT_OUT[facts["exclude"]].format(target=facts["target_behavior"])
    return f"""## Intended use and limits

- Made to recommend up to {facts["k"]} items to users of the training data, who are known by their ids.
  Of the catalogue, {left_out}.
- What users did later is unknown to the model, and so are the held-out test pairs, which the metrics are
  about: pass what is not to be shown as `exclude_item_ids`. Items that were not in training are never
  recommended; train again to add them.
- Users that were not in training get the most popular items, with numbers of training rows as scores.
- Scores are logits: they order the items of one user. Probabilities of `score` come from training against
  sampled negatives and are no rates at which users act{_probabilities(facts)}.
- The model repeats what the log shows, so what was displayed and popular then is favored.
- The files hold the ids of all users and {_pairs_held(facts)}: treat them as personal data."""


def _probabilities(facts: Mapping[str, Any]) -> str:
    """A warning where the loss was not about probabilities."""
    training = facts["config"]["training"]
    loss = training["loss"] or get_method(facts["model"]).loss
    return "" if loss == "log" else f"; trained by the {loss} loss, they only order, as the logits do"


def _pairs_held(facts: Mapping[str, Any]) -> str:
    return {
        "none": "vectors learned from what they did",
        "target": f"what they did as `{facts['target_behavior']}`",
        "all": "everything that they did",
    }[facts["exclude"]]


def _data(facts: Mapping[str, Any]) -> str:
    data = facts["data"]
    table = data.get("table_one") or {"users": data.get("num_users"), "items": data.get("num_items")}
    rows = ", ".join(f"{name} {count:,}" for name, count in facts["training_rows"].items())
    audit = facts["audit"] or "not audited (see `python -m experiments.audit`)."
    return (
        f"## Data\n\n{data['name']}, read from `{data.get('source', 'unknown')}`; fingerprint "
        f"`{data['fingerprint']}`.\n\n{_table(list(table), [list(table.values())])}\n\n"
        f"Protocol: {facts['protocol']}. Training rows: {rows}. Audit: {audit}"
    )


def _metrics(facts: Mapping[str, Any]) -> str:
    metrics = facts["metrics"]
    if metrics is None:
        return "## Metrics\n\nNot evaluated (see `python -m experiments.evaluate`)."
    names = [name for name in metrics if "@" in name]
    groups = {"all": metrics, **metrics.get("groups", {})}
    lines = [
        [group, f"{row['num_pairs']:,}", *(_number(row.get(name)) for name in names)]
        for group, row in groups.items()
    ]
    return (
        f"## Metrics\n\nHeld-out {metrics['split']} items, ranked among the whole catalogue; protocol "
        f"{metrics['protocol']}, mask {metrics['mask']}.\n\n{_table(['users', 'pairs', *names], lines)}"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _signatures(facts: Mapping[str, Any]) -> str:
    def tensors(specs: Mapping[str, Any]) -> str:
        return ", ".join(f"`{name}` {spec['dtype']} {_shape(spec['shape'])}" for name, spec in specs.items())

    lines = [
        [f"`{name}`", tensors(one["inputs"]), tensors(one["outputs"])]
        for name, one in facts["signatures"].items()
    ]
    return (
        "## Signatures\n\nIds are text; whole numbers are written as their digits. Lists are filled up with "
        f'"".\n\n{_table(["signature", "inputs", "outputs"], lines)}'
    )


def _shape(shape: list[int | None]) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def _settings(facts: Mapping[str, Any]) -> str:
    lines = [
        [f"`{name}`", ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
        for section in facts["config"].values()
        for name, value in section.items()
    ]
    return f"## Settings\n\nBest epoch: {facts['best_epoch']}.\n\n{_table(['setting', 'value'], lines)}"


def _table(columns: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [[f"{x:,}" if isinstance(x, int) else str(x).replace("|", "\\|") for x in row] for row in rows]
    return tabulate(lines, columns, "github", disable_numparse=True)
