"""A study: a data set whose cells are trained, and where and with what settings."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.subsets import parse_shares
from nmtr_tf.errors import InputError
from nmtr_tf.files import read_json, write_json
from nmtr_tf.paper.question import Question
from nmtr_tf.paper.variants import Variant
from nmtr_tf.runs.checks import set_up
from nmtr_tf.schema import checked

WORKDIR_SCHEMA = 1
"""Of workdir.json."""


class Progress:
    """What a study tells while it works; this one tells nothing."""

    def say(self, text: str) -> None:
        """Takes a line for people."""

    def before_tensorflow(self) -> None:
        """Is called before TensorFlow is first used: it is imported only where something is to be done."""

    def callbacks(self, config: RunConfig) -> Sequence[Any]:
        """Keras callbacks that watch the training of a run."""
        return ()

    def ranking(
        self, name: str, num_users: int
    ) -> contextlib.AbstractContextManager[Callable[[int], object] | None]:
        """A context in which `num_users` users are ranked for; it gives what is called with those done."""
        return contextlib.nullcontext()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """A data set, and where and how its cells are trained and stored.

    Attributes:
        dataset: The data set.
        workdir: Holds runs/<protocol>/<cell>, run directories; it is of one data set.
        config: What is asked of all cells: `data`, `evaluation` and the seed are read.
        settings: Method -> the config with the settings of its runs; None: `config`. The tables and figures
            decide the method, behaviors, protocol, shares, kind of training and seed themselves.
        baseline_options: Baseline -> its options that are not the defaults.
        given: The options that people gave, such as "num_epochs=20": they are for every method, and results
            remember them.
        results_dir: Holds <data set>/<protocol>/<cell>.json, where the mask is not that of
            runs by default <protocol>-mask_<mask>; None: <workdir>/results.
        overwrite: Whether cells that have a result are trained again.
        progress: What to tell meanwhile.

    Raises:
        InputError: If `config` does not fit the data set, or the workdir is of another one.
    """

    dataset: Dataset
    workdir: Path
    config: RunConfig = dataclasses.field(default_factory=RunConfig)
    settings: Callable[[str], RunConfig] | None = None
    baseline_options: Callable[[str], Mapping[str, Any]] = lambda name: {}
    given: tuple[str, ...] = ()
    results_dir: Path | None = None
    overwrite: bool = False
    progress: Progress = dataclasses.field(default_factory=Progress)

    def __post_init__(self):
        config = self.config.of_catalogue(self.dataset.num_items)
        object.__setattr__(self, "config", config)  # frozen, but not yet handed out
        # Under "released", which takes nothing out, a view costs nothing; what is split in time has one.
        is_timed = "time" in (self.protocol, self.dataset.protocol)
        data = dataclasses.replace(self.config.data, protocol=self.protocol if is_timed else "released")
        set_up(RunConfig(data), self.dataset)
        metrics = self.config.evaluation.metrics
        if not {"HR", "NDCG"} <= set(metrics):
            raise InputError(
                f"`metrics` should have HR and NDCG, which the paper's tables and figures show. "
                f"Received: {','.join(metrics)}."
            )
        self._check_workdir()

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.dataset.name

    @property
    def protocol(self) -> str:
        """The protocol of all cells."""
        return self.config.data.protocol or self.dataset.protocol

    @property
    def question(self) -> Question:
        """The protocol and mask of all cells."""
        return Question(self.protocol, self.config.evaluation.mask)

    @property
    def behaviors(self) -> tuple[str, ...]:
        """The behaviors that are asked for, weakest first."""
        return self.config.data.behaviors or self.dataset.behaviors

    @property
    def seed(self) -> int:
        """The seed of the cells."""
        return self.config.training.seed

    def variant(self, method: str, **changes: Any) -> Variant:
        """A method as it is asked for: its behaviors, shares and seed."""
        data = self.config.data
        keep = tuple(parse_shares(data.keep, self.behaviors).items())
        asked = {"behaviors": data.behaviors, "keep": keep, "seed": self.seed}
        return Variant(method, **{**asked, **changes})

    def with_seed(self, seed: int) -> "Study":
        """The same study with another seed."""
        return dataclasses.replace(self, config=self.config.with_options(seed=seed))

    def settings_of(self, method: str) -> RunConfig:
        """The settings of a method's runs."""
        return self.settings(method) if self.settings else self.config

    @property
    def results_path(self) -> Path:
        """The directory of the cells' results."""
        return (self.results_dir or self.workdir / "results") / self.name / self.question.folder

    def result_path(self, name: str) -> Path:
        """The file of a cell's result."""
        return self.results_path / f"{name}.json"

    @property
    def runs_path(self) -> Path:
        """The directory of the cells' run directories."""
        return self.workdir / "runs" / self.question.folder

    def run_path(self, name: str) -> Path:
        """The run directory of a cell."""
        return self.runs_path / name

    def claim_workdir(self) -> None:
        """Notes in the workdir which data set it is of."""
        about = {"schema": WORKDIR_SCHEMA, "dataset": self.name}
        write_json(self._owner_path, {**about, "dataset_fingerprint": self.dataset.fingerprint})

    @property
    def _owner_path(self) -> Path:
        return self.workdir / "workdir.json"

    def _check_workdir(self) -> None:
        if not self._owner_path.exists():
            return
        kinds = {"schema": int, "dataset": str, "dataset_fingerprint": str}
        owner = checked(self._owner_path, read_json(self._owner_path), kinds)
        if owner["dataset_fingerprint"] != self.dataset.fingerprint:
            raise InputError(
                f"`workdir={self.workdir}` belongs to another data set, {owner['dataset']!r}, than the one "
                f"in `dataset_dir={self.dataset.directory}`; name another directory."
            )
