"""The part of a run's page about its results: metrics with intervals, baselines, groups of users."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nmtr_tf.evaluation.baselines.evaluating import evaluate_baseline
from nmtr_tf.evaluation.baselines.table import BASELINES
from nmtr_tf.evaluation.metrics import metric_ks
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.evaluation.significance import CONFIDENCE, bootstrap_interval
from nmtr_tf.evaluation_section import shown_k
from nmtr_tf.reporting.page import Cell, Headline, PageTable, Picture, ResultsPart
from nmtr_tf.reporting.page_pictures import interval_picture
from nmtr_tf.reporting.tables import note_on_ks
from nmtr_tf.runs.reported import ReportedRun
from nmtr_tf.texts import counted

BASELINE_NAMES = ("popularity", "touched_first", "ease")
"""Baselines of the page: two that learn nothing, and a linear model that is hard to beat."""

_NUM_RESAMPLES = 2000  # an interval of a mean, not a p-value: more would move it in the fourth decimal
Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Results:
    """A run's evaluation and those of the baselines.

    Attributes:
        evaluations: Label -> evaluation; the run's first.
        intervals: Label -> metric -> interval of its mean; metrics of all lists together have none.
        skipped: Label of a baseline -> why it is not there.
        k: The K that pictures show.
    """

    evaluations: Mapping[str, Evaluation]
    intervals: Mapping[str, Mapping[str, Interval]]
    skipped: Mapping[str, str]
    k: int

    @property
    def own(self) -> Evaluation:
        """The run's evaluation."""
        return next(iter(self.evaluations.values()))

    @property
    def shown(self) -> list[str]:
        """The metrics at the one K that pictures show."""
        return [name for name in self.own.metrics if metric_ks([name]) == {self.k}]


def measure(run: ReportedRun, baselines: bool, progress: Callable[[str], object]) -> Results:
    """Evaluates a run on test, unless it was, and the baselines with its protocol, behaviors and mask.

    Args:
        run: The run.
        baselines: Whether there are to be baselines.
        progress: Called with what is done next.

    Raises:
        InputError: If the run cannot be evaluated.
    """
    if not run.is_evaluated("test"):
        progress("ranking test")
        run.evaluate("test")
    own = run.evaluation("test")
    evaluations, skipped = {run.plan.method.label: own}, {}
    kinds = dict.fromkeys(name.split("@")[0] for name in own.metrics)
    config = run.config.with_options(
        ks=tuple(own.ks), metrics=tuple(kinds), mask=own.mask, monitor=next(iter(own.metrics))
    )
    for name in BASELINE_NAMES if baselines else ():
        row = BASELINES.find(name)
        if missing := row.missing(run.dataset):
            skipped[row.label] = missing
            continue
        progress(f"ranking {row.label}")
        evaluations[row.label] = evaluate_baseline(run.dataset, name, "test", config, own.protocol)
    progress("resampling")
    intervals = {label: _intervals(one) for label, one in evaluations.items()}
    monitor = run.config.training.monitor
    monitored = metric_ks([monitor] if monitor in own.metrics else own.metrics)
    return Results(evaluations, intervals, skipped, shown_k(monitored))


def _intervals(evaluation: Evaluation) -> dict[str, Interval]:
    rng = np.random.default_rng(0)  # the page of a run is the same every time
    return {
        name: bootstrap_interval(evaluation.values(name), _NUM_RESAMPLES, rng)
        for name in evaluation.user_metrics
    }


def results_part(results: Results, target: str) -> ResultsPart:
    """What the page says about results.

    Args:
        results: What was measured.
        target: Name of the target behavior.
    """
    own = results.own
    several = len(own.ranks) > own.num_users
    held_out = f"some {target} rows were" if several else f"one {target} was"
    sentences = [
        f"Of each of {counted(own.num_users, 'user')} {held_out} held out and ranked among the whole "
        f"catalogue (protocol {own.protocol}, mask {own.mask}). HR@K: how often it is among the first K. "
        f"NDCG@K: the same, with more weight on the top. Below each number: its "
        f"{100 * CONFIDENCE:g} % bootstrap interval over the users."
    ]
    return ResultsPart(
        sentences, _notes(results), _metrics_table(results), _pictures(results), _groups_table(results)
    )


def _metrics_table(results: Results) -> PageTable:
    lines = []
    for name in results.own.metrics:
        best = max(one.metrics[name] for one in results.evaluations.values())
        cells: list[str | Cell] = [name]
        for label, one in results.evaluations.items():
            low, high = results.intervals[label].get(name, (None, None))
            note = "" if low is None else f"{low:.4f} to {high:.4f}"
            cells.append(Cell(f"{one.metrics[name]:.4f}", note, one.metrics[name] == best))
        lines.append(cells)
    return PageTable("Test metrics; the highest of each line in bold", ["", *results.evaluations], lines)


def _pictures(results: Results) -> list[Picture]:
    return [
        interval_picture(
            name,
            {
                label: (one.metrics[name], *results.intervals[label][name])
                for label, one in results.evaluations.items()
            },
        )
        for name in results.shown
        if name in results.own.user_metrics
    ]


def _notes(results: Results) -> list[str]:
    labels = list(results.evaluations)[1:]
    notes = []
    if labels:
        notes.append(
            "Baselines see the same training rows and are ranked the same way, with their default options: "
            + "; ".join(f"{row.label} learns from {row.learns_from}" for row in _rows(labels))
            + "."
        )
    if BASELINES.find("touched_first").label in labels and results.own.mask == "all":
        notes.append(
            "Mask all leaves no touched item in the ranking, so that touched first is popularity in another "
            "order of ties."
        )
    if note := note_on_ks(results.own.ks, results.own.num_candidates):
        notes.append(note)
    notes += [f"{label} is not there: it {missing}" for label, missing in results.skipped.items()]
    return notes


def _rows(labels: Sequence[str]) -> list:
    return [row for name in BASELINE_NAMES if (row := BASELINES.find(name)).label in labels]


def _groups_table(results: Results) -> PageTable | None:
    own, others = results.own, list(results.evaluations.items())[1:]
    if not own.groups:
        return None
    main = results.shown[-1]
    columns = ["", "users", *results.shown, *(f"{main}, {label}" for label, _ in others)]
    lines = [
        [
            name,
            f"{int(group['num_users']):,}",
            *(_number(group, metric) for metric in results.shown),
            *(_number(one.groups.get(name, {}), main) for _, one in others),
        ]
        for name, group in own.groups.items()
    ]
    return PageTable("Users by what they had done before; small groups swing widely", columns, lines)


def _number(group: Mapping[str, float], metric: str) -> str:
    value = group.get(metric)
    return "-" if value is None or np.isnan(value) else f"{value:.4f}"


def result_headlines(results: Results) -> list[Headline]:
    """The metrics at the shown K, each beside the best baseline."""
    headlines = []
    _, *others = results.evaluations
    for name in results.shown[:2]:
        note = ""
        if others:
            best = max(others, key=lambda one: results.evaluations[one].metrics[name])
            note = f"best baseline, {best}: {results.evaluations[best].metrics[name]:.4f}"
        headlines.append(Headline(f"{name} on test", f"{results.own.metrics[name]:.4f}", note))
    return headlines
