"""Recommendations as tables on the terminal, one for each user."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy import sparse

from nmtr_tf.reporting.tables import format_table
from nmtr_tf.texts import counted

if TYPE_CHECKING:  # they import TensorFlow, which comes after the flags are checked
    from nmtr_tf.runs import Run
    from nmtr_tf.serving.new_histories import NewHistories

_NOTHING = "nothing is left to recommend."


def for_unknown(who: str, trained: "Run", found: list[dict[str, Any]]) -> str:
    """What is popular, for a user of whom nothing is known.

    Args:
        who: How the user is called.
        trained: The run.
        found: His rows of what `Run.recommend` gives.
    """
    if not found:
        return f"{who}: {_NOTHING}"
    rows = [[line["rank"], line["item"], *_title(line), int(line["score"])] for line in found]
    columns = ["rank", "item", *_title_column(found), f"{trained.view.target_behavior} rows in training"]
    return format_table(f"{who}, what is popular:", columns, rows)


def for_known(
    trained: "Run",
    user_id: str,
    user: int,
    found: list[dict[str, Any]],
    behaviors: Sequence[str],
    reasons: Sequence[str],
) -> str:
    """The recommendations to a user, with what the user did before.

    Args:
        trained: The run.
        user_id: His id.
        user: His row.
        found: His rows of what `Run.recommend` gives, with the item's row under "row".
        behaviors: Whose probabilities are shown; empty: the score is.
        reasons: Why each item is there, as `Explanation.reasons` says it; empty: it is not asked.
    """
    history = trained.dataset.whole
    done = ", ".join(f"{matrix[[user]].nnz} {name}" for name, matrix in history.items())
    if not found:
        return f"For {user_id}, who did {done}: {_NOTHING}"
    more = [[_shown(history, user, line["row"])] for line in found]
    return _table(f"For {user_id}, who did {done}:", found, behaviors, ["shown before"], more, reasons)


def for_new(
    user_id: str, count: int, found: list[dict[str, Any]], behaviors: Sequence[str], reasons: Sequence[str]
) -> str:
    """The recommendations to a user who is known by the events of a file alone.

    Args:
        user_id: His id.
        count: Items of his history.
        found: As for `for_known`.
        behaviors: As for `for_known`.
        reasons: As for `for_known`.
    """
    if not found:
        return f"For {user_id}, by {counted(count, 'item')}: {_NOTHING}"
    title = f"For {user_id}, by {counted(count, 'item')}:"
    return _table(title, found, behaviors, [], [[] for _ in found], reasons)


def _table(
    title: str,
    found: list[dict[str, Any]],
    behaviors: Sequence[str],
    names: Sequence[str],
    more: Sequence[Sequence[str]],
    reasons: Sequence[str],
) -> str:
    """A table of items, with more columns and with reasons."""
    asked = {f"probability of {name}": f"probability_{name}" for name in behaviors} or {"score": "score"}
    values = [[line[column] for column in asked.values()] for line in found]
    whys = [[why] for why in reasons] or [[] for _ in found]
    rows = [
        [line["rank"], line["item"], *_title(line), *own, *others, *why]
        for line, own, others, why in zip(found, values, more, whys, strict=True)
    ]
    columns = ["rank", "item", *_title_column(found), *asked, *names, *(["because of"] if reasons else [])]
    return format_table(title, columns, rows)


def passed_over(history: "NewHistories", trained: "Run") -> str:
    """What does not count of the events of new users, and who has none that does; "": all is well."""
    text = ""
    if history.num_passed_over:
        text += f"\n{history.num_passed_over:,} events passed over: no item or no behavior of the data"
    if unknown := int((~trained.learned.of_histories(history.matrix).users).sum()):
        text += f"\n{unknown:,} users get what is popular: the run has learned of none of their events"
    return text


def _title_column(found: list[dict[str, Any]]) -> list[str]:
    return ["title"] if "title" in found[0] else []


def _title(line: dict[str, Any]) -> list[str]:
    """The title of an item, on one line, where titles are given; "" where it has none."""
    if "title" not in line:
        return []
    return ["" if pd.isna(line["title"]) else " ".join(line["title"].split())]


def _shown(history: Mapping[str, sparse.csr_array], user: int, item: int) -> str:
    return ", ".join(name for name, matrix in history.items() if matrix[user, item]) or "-"
