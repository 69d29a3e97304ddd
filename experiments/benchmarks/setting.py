"""What every part of the benchmark is told."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from experiments.benchmarks.data import STAND_INS, BenchmarkData, stand_in
from experiments.benchmarks.limits import Limits


@dataclasses.dataclass(frozen=True)
class Setting:
    """Options of a benchmark.

    Attributes:
        limits: Of this machine.
        quick: Whether to see only that it works.
        units: Interaction units to train and rank with.
        prepared: Prepared data sets to train and rank; empty: stand-ins.
        methods: Methods to serve.
        num_items: Catalogues to serve.
        num_users: Users of the served models.
        num_rows: Sizes of the logs to prepare, ascending.
        packages: Other packages to compare with.
        output_dir: Where pictures go; empty: nowhere.
        contenders: What is trained until it is as good as the best linear baseline.
        num_epochs: Epochs at most of each of these.
        seconds: Likewise.
        baseline_options: Baseline -> its options in place of those it has there.
    """

    limits: Limits
    quick: bool
    units: tuple[str, ...]
    prepared: tuple[BenchmarkData, ...]
    methods: tuple[str, ...]
    num_items: tuple[int, ...]
    num_users: int
    num_rows: tuple[int, ...]
    packages: tuple[str, ...]
    output_dir: str
    contenders: tuple[str, ...]
    num_epochs: int
    seconds: float
    baseline_options: Mapping[str, Mapping[str, Any]]

    @property
    def repeats(self) -> int:
        """Measurements that a median is taken over."""
        return 5

    @property
    def block(self) -> int:
        """Training steps in one measurement."""
        return 8 if self.quick else 32

    @functools.cached_property
    def data(self) -> list[BenchmarkData]:
        """What is trained and ranked; stand-ins are drawn once."""
        names = ["taobao"] if self.quick else list(STAND_INS)
        return list(self.prepared) or [stand_in(name, self.quick) for name in names]
