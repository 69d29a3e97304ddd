"""The cells of the paper's tables and figures: which runs there are, with what settings, and what is done.

A cell is one training run and its evaluation. Its result is one small JSON file (see
`nmtr_tf.evaluation.cell_results`); a cell with a result is never trained again, by whatever table or figure
asks for it. `experiments.cell_runs` trains and evaluates.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import flags

from experiments import cli
from experiments.run_settings import NUM_EPOCHS, OPTIONS, SECTIONS, check_run, method_settings
from nmtr_tf.config import DataConfig, EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.data.storage import load
from nmtr_tf.data.subsets import check_shares, keep_share
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.cell_results import Sections, config_differences, read_result
from nmtr_tf.evaluation.variants import Variant
from nmtr_tf.files import read_json, write_json
from nmtr_tf.models.methods import get_method, predicted_behaviors


def new_flags() -> flags.FlagValues:
    """The flags of a command that runs cells."""
    values = cli.new_flags(*SECTIONS, only=OPTIONS)
    values.set_default("num_epochs", NUM_EPOCHS)
    at = {"flag_values": values}
    flags.DEFINE_string("workdir", None, "Directory for runs and what is made of them; one data set.", **at)
    flags.DEFINE_string("results_dir", "", "Directory of the cells' results; empty: <workdir>/results.", **at)
    flags.DEFINE_list("methods", [], "Methods to show; empty: all that belong there.", **at)
    flags.DEFINE_list(
        "keep",
        [],
        "Shares of every user's rows of weaker behaviors to train on, behavior:share, such as cart:0.5.",
        **at,
    )
    flags.DEFINE_string(
        "flags_dir", "flags", "Directory with the methods' settings, <data set>/<method>.flags.", **at
    )
    flags.DEFINE_bool("overwrite", False, "Train cells again that have a result.", **at)
    flags.DEFINE_bool("dry_run", False, "List the cells and what is to be trained, and train nothing.", **at)
    return values


@dataclasses.dataclass(frozen=True)
class Cell:
    """A run with its settings spelled out.

    Attributes:
        name: Unique within its data set and protocol.
        config: The run's; behaviors and protocol are never empty.
        keep: Weaker behavior -> share of every user's rows that is trained on.
    """

    name: str
    config: RunConfig
    keep: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Bench:
    """A data set, and where its cells are trained and stored.

    Attributes:
        values: The command's flags.
        interactions: The data set.
        dataset: Its name: the last part of its directory.
        protocol: "released" or "strict".
        keep: Shares given on the command line, in the data set's order of behaviors.
        workdir: Holds runs/<protocol>/<cell>, run directories.
        results_dir: Holds <data set>/<protocol>/<cell>.json.
    """

    values: flags.FlagValues
    interactions: Interactions
    dataset: str
    protocol: str
    keep: tuple[tuple[str, float], ...]
    workdir: Path
    results_dir: Path

    def variant(self, method: str, **changes: Any) -> Variant:
        """A method as the command line asks for it: its behaviors, shares and seed."""
        asked = {"behaviors": tuple(self.values.behaviors), "keep": self.keep, "seed": self.values.seed}
        return Variant(method, **{**asked, **changes})

    def view(self, cell: Cell) -> Interactions:
        """The training view of a cell."""
        data = cell.config.data
        view = self.interactions.training_view(data.behaviors, data.protocol, data.validation)
        return keep_share(view, cell.keep, cell.config.training.seed)

    def result_path(self, name: str) -> Path:
        """The file of a cell's result."""
        return self.results_dir / self.dataset / self.protocol / f"{name}.json"

    def run_path(self, name: str) -> Path:
        """The run directory of a cell."""
        return self.workdir / "runs" / self.protocol / name


def open_bench(values: flags.FlagValues) -> Bench:
    """The bench that the flags name, checked; nothing is written."""
    cli.require(values, "dataset_dir", "workdir")
    interactions = load(values.dataset_dir)
    interactions.training_view(values.behaviors, "released")  # the behaviors are checked there
    for name in values.methods:
        get_method(name)
    workdir = Path(values.workdir)
    bench = Bench(
        values=values,
        interactions=interactions,
        dataset=Path(values.dataset_dir).resolve().name,
        protocol=values.protocol or interactions.protocol,
        keep=_shares(values.keep, tuple(values.behaviors) or interactions.behaviors),
        workdir=workdir,
        results_dir=Path(values.results_dir) if values.results_dir else workdir / "results",
    )
    _check_workdir(bench)
    return bench


def _shares(texts: Iterable[str], behaviors: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    shares: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition(":")
        try:
            shares[name] = float(number)
        except ValueError:
            raise InputError(
                f"--keep should be behavior:share, such as cart:0.5. Received: {text!r}."
            ) from None
    check_shares(behaviors, shares)
    return tuple((name, shares[name]) for name in behaviors if shares.get(name, 1) < 1)


def _check_workdir(bench: Bench) -> None:
    path = bench.workdir / "workdir.json"
    if path.exists() and (owner := read_json(path))["dataset_fingerprint"] != bench.interactions.fingerprint:
        raise InputError(
            f"--workdir={bench.workdir} belongs to another data set, {owner['dataset']!r}, than the one in "
            f"--dataset_dir={bench.values.dataset_dir}; name another directory."
        )


def claim_workdir(bench: Bench) -> None:
    """Notes in the workdir which data set it is of."""
    about = {"dataset": bench.dataset, "dataset_fingerprint": bench.interactions.fingerprint}
    write_json(bench.workdir / "workdir.json", about)


def make_cell(bench: Bench, variant: Variant) -> Cell:
    """The cell of a variant: its flagfile's settings, then those of the command line, then the variant's.

    Raises:
        InputError: If the settings fit neither the method nor the data set.
    """
    flagfile = Path(bench.values.flags_dir) / bench.dataset / f"{variant.method}.flags"
    settings = method_settings(flagfile, bench.values)
    model = dataclasses.replace(cli.section_from_flags(ModelConfig, settings), method=variant.method)
    if variant.share_embeddings is not None:
        model = dataclasses.replace(model, share_embeddings=variant.share_embeddings)
    behaviors = variant.behaviors or bench.interactions.behaviors
    predicted = predicted_behaviors(model, behaviors)
    training = cli.section_from_flags(TrainingConfig, settings)
    training = dataclasses.replace(
        training,
        train_mode=variant.train_mode,
        curve_split="test",
        loss_weights=_loss_weights(bench.values, variant, training.loss_weights, len(predicted)),
        seed=variant.seed,
    )
    data = dataclasses.replace(
        cli.section_from_flags(DataConfig, settings),
        dataset_dir=bench.values.dataset_dir,
        behaviors=behaviors,
        protocol=bench.protocol,
    )
    config = RunConfig(data, model, training, cli.section_from_flags(EvaluationConfig, settings))
    check_run(config, bench.interactions)
    return Cell(variant.name(bench.interactions.behaviors), config, dict(variant.keep))


def _loss_weights(
    values: flags.FlagValues, variant: Variant, weights: tuple[float, ...], num_predicted: int
) -> tuple[float, ...]:
    """The variant's; else the settings', where they apply; the flagfile's only where their number fits."""
    if variant.loss_weights or num_predicted == 1 or variant.train_mode == "sequential":
        return variant.loss_weights
    return weights if values["loss_weights"].present or len(weights) == num_predicted else ()


def stored_result(bench: Bench, name: str, config: Sections) -> dict[str, Any] | None:
    """The result of a finished cell; None where there is none, or where --overwrite asks for a new one.

    Args:
        bench: The bench.
        name: The cell.
        config: What determines it: a `RunConfig.to_json`, or some sections.

    Raises:
        InputError: If the result is of another data set or of other settings.
    """
    path = bench.result_path(name)
    if bench.values.overwrite or not path.exists():
        return None
    result = read_result(path)
    if result["dataset_fingerprint"] != bench.interactions.fingerprint:
        raise InputError(
            f"{path}: the result of another data set than the one in {bench.values.dataset_dir}; name "
            "another --results_dir."
        )
    if differences := config_differences(result["config"], config):
        raise InputError(
            f"{path}: a result with other settings: {'; '.join(differences)}; give the same, another "
            "--results_dir, or --overwrite."
        )
    return result
