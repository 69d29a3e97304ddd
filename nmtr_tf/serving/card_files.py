"""The card of an exported model in files: MODEL_CARD.md for people, model.json for programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from nmtr_tf.files import new_file, write_json
from nmtr_tf.methods.plan import Plan
from nmtr_tf.serving.index_card import index_part
from nmtr_tf.serving.model_card import ModelCard
from nmtr_tf.texts import counted, printable
from nmtr_tf.training.objectives import gives_probabilities, loss_name, objective_name


def write_model_card(directory: str | Path, card: ModelCard) -> None:
    """Writes model.json and MODEL_CARD.md.

    Args:
        directory: Where the model is.
        card: What they say.
    """
    write_json(Path(directory) / "model.json", card.to_json())
    with new_file(Path(directory) / "MODEL_CARD.md") as path:
        path.write_text(printable(card_text(card), keep="\n"), encoding="utf-8")


def card_text(card: ModelCard) -> str:
    """MODEL_CARD.md."""
    parts = (_head, _use, _data, _metrics, _examples, _signatures, index_part, _settings)
    return "\n\n".join(text for part in parts if (text := part(card))) + "\n"


def _head(card: ModelCard) -> str:
    exported = card.exported_with
    return (
        f"# {card.plan.name}, version {card.version}\n\n"
        f"Recommends items for the behavior `{card.view.target_behavior}`{_origin(card.plan)}. Exported "
        f"{card.created} with nmtr_tf {exported['nmtr_tf']}, TensorFlow {exported['tensorflow']}, Keras "
        f"{exported['keras']}. `model.json` has the same facts for programs."
    )


def _origin(plan: Plan) -> str:
    """What the recommendations come from."""
    if plan.has_cascade:
        return f" from the cascade {plan.order} (NMTR, arXiv 1809.08161)"
    return f" by the method {plan.method.label}, learned from {', '.join(plan.learned_from)}"


_LEFT_OUT = {
    "none": "nothing is left out, bought or not",
    "bought": "everything that the user bought (`{target}`), in the whole data set, is left out",
    "touched": "everything that the user touched by any behavior, in the whole data set, is left out",
}


def _use(card: ModelCard) -> str:
    facts = card.facts
    left_out = (
        f"{_LEFT_OUT[card.left_out]} (`exclude={facts.exclude}`, `mask={facts.config.evaluation.mask}`)"
    )
    left_out = left_out.format(target=card.view.target_behavior)
    if facts.exclude_items:
        items = counted(len(facts.exclude_items), "item")
        left_out += f", and for everybody {items} (`exclude_items` of model.json)"
    return f"""## Intended use and limits

- Made to recommend up to {card.k} items to users of the training data, who are known by their ids.
  Of the catalogue, {left_out}.
- What users did later is unknown to the model: pass what is not to be shown as `exclude_item_ids`. Items
  that the data set does not have are never recommended; train again to add them.
- Users without a training row to learn from get the most popular items, of those that have one, with numbers
  of training rows as scores{_new(card.plan)}.
- {_scores(card.plan)}.{_why(card)}{_two_stages(card)}
- The model repeats what the log shows, so what was displayed and popular then is favored.
- The files hold the ids of all users and {_pairs_held(card)}: treat them as personal data."""


def _new(plan: Plan) -> str:
    """What there is for new users besides."""
    return "; `recommend_for_history` knows them by the items that they touched" if plan.from_history else ""


def _why(card: ModelCard) -> str:
    """Whether scores can be explained."""
    if "explain" not in card.signatures:
        return ""
    return (
        "\n- Why a user of the training data has a score, `explain` says exactly: which items of the history "
        "add\n  most to it, what was done to them, what each adds, and the rest; all together is the score."
    )


def _two_stages(card: ModelCard) -> str:
    """What becomes of the best items where candidates are found first."""
    found = card.two_stages
    if found is None:
        return ""
    return (
        f"\n- Lists are made in two stages: {found.candidates:,} candidates by a product that the logits of "
        f"{found.anchors} items\n  feed, then the model's own ranking of these. Of the {found.k} best items "
        f"by the model alone {100 * found.recall:.2f} %\n  are among the candidates (mean over "
        f"{found.users:,} users{', on whom the first stage was not fitted' * found.held_out})."
    )


def _scores(plan: Plan) -> str:
    """What scores and probabilities are."""
    if plan.is_closed_form:
        rank = f" of rank {plan.linear.linear_rank:,}" if plan.linear.linear_rank else ""
        return (
            f"Scores are sums of weights{rank} over what a user did, fitted by least squares: they order the "
            "items of one user.\n  Probabilities of `score` are their sigmoids, and only order, too"
        )
    return (
        "Scores are logits: they order the items of one user. Probabilities of `score` "
        f"{_probabilities(plan)}"
    )


def _probabilities(plan: Plan) -> str:
    """What they are worth: little where the training was not about them."""
    if gives_probabilities(plan):
        return "come from training against\n  sampled negatives and are no rates at which users act"
    objective = objective_name(plan.objective)
    by, how = f"{_name(objective)} objective", "may only order"
    if objective == "sampled":
        by, how = f"{_name(loss_name(plan.loss))} loss", "only order"
    return f"are their sigmoids;\n  trained by the {by}, they {how}, as the logits do"


def _name(part: Any) -> str:
    return part if isinstance(part, str) else getattr(part, "__name__", str(part))


def _pairs_held(card: ModelCard) -> str:
    if card.plan.from_history:
        return "everything that they did"
    return {
        "none": "vectors learned from what they did",
        "bought": f"what they did as `{card.view.target_behavior}`",
        "touched": "everything that they did",
    }[card.left_out]


def _data(card: ModelCard) -> str:
    data = card.data
    table = data.get("table_one") or {"users": data["num_users"], "items": data["num_items"]}
    rows = ", ".join(f"{name} {count:,}" for name, count in card.training_rows.items())
    return (
        f"## Data\n\n{data['name']}, read from `{data.get('source', 'unknown')}`; fingerprint "
        f"`{data['fingerprint']}`.\n\n{_table(list(table), [list(table.values())])}\n\n"
        f"{_unfinished(card)}{_trained_on(card)}: {rows}. "
        f"Audit: {card.audit or 'not audited (see the command `audit`).'}"
    )


def _unfinished(card: ModelCard) -> str:
    how = card.facts.unfinished
    return f"**Of an unfinished run** ({how}), with its best epoch so far.\n\n" if how else ""


def _trained_on(card: ModelCard) -> str:
    if card.facts.final_of:
        return "Fitted on everything, the rows that are held out of an evaluation included. Training rows"
    return f"Protocol: {card.view.protocol}. Training rows"


_OF_ANOTHER = (
    "**Of the run `{name}`**, which was trained with the same settings, but without the held-out rows. This "
    "model was fitted on them as well and cannot be measured on them."
)


def _metrics(card: ModelCard) -> str:
    evaluation = card.facts.evaluation
    if evaluation is None:
        return "## Metrics\n\nNot evaluated (see the command `evaluate`)."
    found = evaluation.table()
    names = [name for name in found.columns if name != "users"]
    lines = [
        [group, f"{int(row['users']):,}", *(_number(row[name]) for name in names)]
        for group, row in found.iterrows()
    ]
    whose = f"{_OF_ANOTHER.format(name=card.facts.final_of)}\n\n" if card.facts.final_of else ""
    return (
        f"## Metrics\n\n{whose}Held-out {evaluation.split} items, ranked among the whole catalogue; protocol "
        f"{evaluation.protocol}, mask {evaluation.mask}.\n\n{_table(['users', 'pairs', *names], lines)}"
    )


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.4f}"


def _examples(card: ModelCard) -> str:
    """Users with their items; nothing where items have no titles."""
    if not card.facts.examples:
        return ""

    def text(value: str | list[str]) -> str:
        return " ".join(("; ".join(value) or "-").split()) if isinstance(value, list) else value

    lines = [[text(value) for value in one.values()] for one in card.facts.examples]
    return f"## Examples\n\n{_table(list(card.facts.examples[0]), lines)}"


def _signatures(card: ModelCard) -> str:
    def tensors(specs: Mapping[str, Any]) -> str:
        return ", ".join(f"`{name}` {spec['dtype']} {_shape(spec['shape'])}" for name, spec in specs.items())

    lines = [
        [f"`{name}`", tensors(one["inputs"]), tensors(one["outputs"])]
        for name, one in card.signatures.items()
    ]
    return (
        "## Signatures\n\nIds are text; whole numbers are written as their digits. Lists are filled up with "
        f'"".\n\n{_table(["signature", "inputs", "outputs"], lines)}'
    )


def _shape(shape: list[int | None]) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def _settings(card: ModelCard) -> str:
    plan = card.plan  # says what follows from the method where the settings leave it open
    resolved = {"objective": _name(objective_name(plan.objective)), "user_rows": plan.history.user_rows}
    lines = [
        [f"`{name}`", ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
        for section in card.facts.config.to_json().values()
        for name, value in {**section, **resolved}.items()
        if name in section
    ]
    facts = card.facts
    epochs = (
        f"Best epoch: {facts.best_epoch}." if facts.best_epoch else f"The last of {facts.num_epochs} epochs."
    )
    return f"## Settings\n\n{epochs}\n\n{_table(['setting', 'value'], lines)}"


def _table(columns: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [[f"{x:,}" if isinstance(x, int) else str(x).replace("|", "\\|") for x in row] for row in rows]
    return tabulate(lines, columns, "github", disable_numparse=True)
