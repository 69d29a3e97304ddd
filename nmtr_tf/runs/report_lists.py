"""The parts of a run's page about recommendations: those of all users together, and those of some."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import histories_of, pair_keys
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.models.network import network
from nmtr_tf.reporting.page import Headline, PageTable, ShownItem, SpreadPart, UserCard, percent
from nmtr_tf.reporting.page_pictures import popularity_picture
from nmtr_tf.runs.reported import ReportedRun
from nmtr_tf.serving.explanations import explain
from nmtr_tf.serving.score_parts import adds_up
from nmtr_tf.texts import counted

_CHUNK = 20_000  # users whose recommendations are text at one time
_HISTORY = 8  # items of a behavior that a card shows
_TENTHS = 10


@dataclasses.dataclass(frozen=True)
class Lists:
    """The recommendations of all users, in rows of the data set.

    Attributes:
        users: int32 [n].
        items: int32 [n].
        ranks: int32 [n], from 1.
        k: Items that a user gets at most.
    """

    users: np.ndarray
    items: np.ndarray
    ranks: np.ndarray
    k: int


def recommend_all(run: ReportedRun, k: int) -> Lists:
    """Recommends to every user, as `Run.recommend` does without options."""
    view = run.view
    k = min(k, view.num_items)
    user_rows, item_rows = pd.Index(view.user_ids), pd.Index(view.item_ids)
    parts = []
    for first in range(0, view.num_users, _CHUNK):
        table = run.recommend(view.user_ids[first : first + _CHUNK], k)
        users, items = user_rows.get_indexer(table["user"]), item_rows.get_indexer(table["item"])
        parts.append(np.stack([users, items, table["rank"].to_numpy()]).astype(np.int32))
    users, items, ranks = np.concatenate(parts, axis=1)
    return Lists(users, items, ranks, k)


@dataclasses.dataclass(frozen=True)
class Spread:
    """How some rows spread over the items.

    Attributes:
        num_items: Different items among them.
        coverage: Their share of the catalogue.
        top: Percent of the items that are the most popular -> share of the rows that they have.
        tenths: The same of each tenth of the items, the most popular first.
    """

    num_items: int
    coverage: float
    top: Mapping[int, float]
    tenths: list[float]

    @classmethod
    def of(cls, counts: np.ndarray, order: np.ndarray) -> "Spread":
        """The spread of rows.

        Args:
            counts: Rows of each item, int [num_items].
            order: Item rows, the most popular first.
        """
        shares = counts[order] / max(int(counts.sum()), 1)
        different = int((counts > 0).sum())
        top = {percent: float(shares[: -(-len(order) * percent // 100)].sum()) for percent in (1, 10)}
        tenths = [float(part.sum()) for part in np.array_split(shares, _TENTHS)]
        return cls(different, different / len(order), top, tenths)


def spread_part(dataset: Dataset, view: TrainingView, lists: Lists) -> tuple[SpreadPart, list[Headline]]:
    """What the lists of all users hold, and the headlines about them.

    Args:
        dataset: The data set.
        view: The run's training view; popular is what has many training rows of the target.
        lists: The recommendations.
    """
    bought = np.bincount(view.target.indices, minlength=view.num_items)
    order = np.argsort(-bought, kind="stable")
    target = Spread.of(bought, order)
    ks = sorted({1, min(5, lists.k), lists.k})
    spreads = {
        k: Spread.of(np.bincount(lists.items[lists.ranks <= k], minlength=view.num_items), order) for k in ks
    }
    columns = ["", "different items", "coverage", "the top 1 %", "the top 10 %"]
    lines = [[f"first {k}", *_spread_cells(one)] for k, one in spreads.items()]
    lines.append([f"training rows of {view.target_behavior}", *_spread_cells(target)])
    caption = "Coverage of the catalogue, and the share that the most popular items have"
    whole = spreads[lists.k]
    drawn = view.num_items >= _TENTHS
    pictures = [popularity_picture(whole.tenths, target.tenths, view.target_behavior)] if drawn else []
    headlines = [
        Headline(
            f"Coverage at {lists.k}",
            percent(whole.coverage),
            f"{counted(whole.num_items, 'item')} recommended to somebody",
        ),
        Headline(
            "Share of the top 10 %",
            percent(whole.top[10]),
            f"of the recommendations; {percent(target.top[10])} of the training rows",
        ),
    ]
    return SpreadPart(
        _held_sentences(dataset, lists), PageTable(caption, columns, lines), pictures
    ), headlines


def _spread_cells(spread: Spread) -> list[str]:
    return [f"{spread.num_items:,}", *(percent(x) for x in (spread.coverage, spread.top[1], spread.top[10]))]


def _held_sentences(dataset: Dataset, lists: Lists) -> list[str]:
    events, count = dataset.events, len(lists.users)
    keys = pair_keys(lists.users, lists.items, dataset.num_items)
    all_keys = pair_keys(events.user, events.item, dataset.num_items)
    target = events.behavior == len(events.behaviors) - 1
    bought = int(np.isin(keys, all_keys[target]).sum())
    touched = int(np.isin(keys, all_keys).sum()) - bought
    name, total = dataset.target_behavior, max(count, 1)
    sentences = [
        f"Every user gets the {lists.k} best items, as the command recommend gives them by default: "
        f"{count:,} recommendations. Of these, {percent((count - bought - touched) / total)} are new to "
        f"their user and {percent(touched / total)} were touched before, without a {name}."
    ]
    if bought:
        sentences.append(
            f"{percent(bought / total)} have a {name} of their user in the data set already: those that were "
            "held out, which training did not see."
        )
    return sentences


def user_cards(
    run: ReportedRun, evaluation: Evaluation, lists: Lists, titles: Mapping[str, str], count: int
) -> list[UserCard]:
    """Some users that have a held-out item, drawn with the run's seed, in the order of the data set."""
    rows = np.unique(pd.Index(run.view.user_ids).get_indexer(evaluation.users))
    chosen = np.random.default_rng(run.info.seed).choice(rows, min(count, len(rows)), replace=False)
    histories = histories_of(run.view) if adds_up(network(run.model)) else None
    cards = []
    for user in np.sort(chosen):
        items, whys = lists.items[lists.users == user], None
        if histories is not None:
            found = explain(run.model, histories[[user]], items.tolist(), int(user))
            whys = found.reasons(run.view.item_ids, run.view.behaviors, titles)
        shown = dict(zip(items.tolist(), whys or [""] * len(items), strict=True))
        cards.append(_card(run.dataset, evaluation, shown, titles, int(user)))
    return cards


def _card(
    dataset: Dataset, evaluation: Evaluation, whys: Mapping[int, str], titles: Mapping[str, str], user: int
) -> UserCard:
    """The card of a user; `whys` has the items that he is recommended, and why each."""
    events = dataset.events
    first, end = np.searchsorted(events.user, [user, user + 1])
    items, behaviors, splits = events.item[first:end], events.behavior[first:end], dataset.split[first:end]
    order = np.arange(len(items))
    if events.timestamp is not None:
        order = np.argsort(-events.timestamp[first:end], kind="stable")

    def shown(item: int, *marks: str, why: str = "") -> ShownItem:
        text = dataset.item_ids[item]
        return ShownItem(text, titles.get(text, ""), marks, why)

    history = {}
    for code in reversed(range(len(events.behaviors))):
        own = [place for place in order if behaviors[place] == code]
        some = [shown(items[place], *_HELD[: int(splits[place] > 0)]) for place in own[:_HISTORY]]
        history[events.behaviors[code]] = (len(own), some)
    recommended = []
    for item, why in whys.items():
        found = np.flatnonzero(items == item)
        marks = [events.behaviors[behaviors[place]] for place in found if not splits[place]]
        recommended.append(shown(item, *marks, *_HELD[: int(splits[found].any())], why=why))
    return UserCard(
        dataset.user_ids[user], _held_out(dataset, evaluation, titles, user), history, recommended
    )


_HELD = ("held out",)


def _held_out(dataset: Dataset, evaluation: Evaluation, titles: Mapping[str, str], user: int) -> str:
    """What became of the held-out item of a user."""
    parts = []
    for place in np.flatnonzero(evaluation.users == dataset.user_ids[user]):
        item, rank = str(evaluation.items[place]), evaluation.ranks[place] + 1
        last = rank + evaluation.tied[place] - 1
        shown = f"{rank:,}" if last == rank else f"{rank:,} to {last:,} (level)"
        candidates = f"{evaluation.num_candidates[place]:,}"
        parts.append(f"{titles.get(item) or item}, ranked {shown} of {candidates}")
    return f"Held out for {evaluation.split}: {'; '.join(parts)}" if parts else ""
