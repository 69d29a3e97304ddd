"""A row of the benchmark's table, and the targets that rows are judged by."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from nmtr_tf.reporting.benchmarks import short

DIFFERENCE = "difference"
"""Unit of rows that compare results, not speed."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A bound on the ratio of a row (unit "x") or on its value (any other unit).

    Attributes:
        relation: ">=" or "<=".
        bound: The least or the largest number that meets it.
        unit: "x", or the row's unit.
    """

    relation: str
    bound: float
    unit: str = "x"

    def __str__(self) -> str:
        return f"{self.relation} {self.bound:g}{'' if self.unit in 'x%' else ' '}{self.unit}"

    def is_met(self, number: float) -> bool:
        """Whether a number keeps to the bound."""
        return number >= self.bound if self.relation == ">=" else number <= self.bound


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        work: What was done, on what data.
        value: The number; None where it was not measured: `work` says why.
        unit: Its unit.
        baseline: What it stands beside, with its number in the same unit.
        ratio: Value / baseline.
        target: What was asked for.
        met: Whether it was reached; None without a target, or where it cannot be judged.
    """

    work: str
    value: float | None
    unit: str
    baseline: str | None = None
    ratio: float | None = None
    target: str | None = None
    met: bool | None = None


def measured(
    work: str,
    value: float,
    unit: str,
    baseline: tuple[str, float] | None = None,
    target: Target | None = None,
) -> Row:
    """A row from a number, a baseline (name and number, in the same unit) and a target."""
    ratio = float(value / baseline[1]) if baseline and baseline[1] else None
    judged = ratio if target and target.unit == "x" else value
    return Row(
        work=work,
        value=float(value),
        unit=unit,
        baseline=None if baseline is None else f"{baseline[0]}: {short(baseline[1])} {unit}",
        ratio=ratio,
        target=None if target is None else str(target),
        met=None if target is None or judged is None else bool(target.is_met(judged)),
    )


def skipped(work: str, reason: str, target: Target | None = None) -> Row:
    """A row for what could not be measured here."""
    return Row(f"{work}: skipped, {reason}", None, "", target=None if target is None else str(target))


def medians(calls: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Median seconds of several measurements taken in turns, so that all of them see the same machine.

    Args:
        calls: Name -> measurement that does its work once and gives the seconds that count.
        repeats: Turns.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            seconds[name].append(call())
    return {name: float(np.median(times)) for name, times in seconds.items()}


Rows = Iterator[Row]
