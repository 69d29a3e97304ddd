"""The cells of the paper's tables and figures: which runs there are, with what settings, and what is done.

A cell is one training run and its evaluation. A cell with a result is never trained again, by whatever
table or figure asks for it; `nmtr_tf.paper.cell_runs` trains and evaluates.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

from nmtr_tf.config import RunConfig, config_differences
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import check_metrics
from nmtr_tf.methods.plan import Plan, of_method, resolve
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.study import Study
from nmtr_tf.paper.variants import Variant


@dataclasses.dataclass(frozen=True)
class Cell:
    """A run with its settings spelled out.

    Attributes:
        name: Unique within its data set and protocol.
        config: The run's; behaviors and protocol are never empty.
    """

    name: str
    config: RunConfig

    @functools.cached_property
    def plan(self) -> Plan:
        """What its method means for its behaviors; raises what `resolve` does."""
        return resolve(self.config, self.config.data.behaviors)


def make_cell(study: Study, variant: Variant) -> Cell:
    """The cell of a variant: the settings of its method, then what the variant says.

    Raises:
        InputError: If the settings fit neither the method nor the data set.
    """
    settings = study.settings_of(variant.method)
    behaviors = variant.behaviors or study.dataset.behaviors
    options: dict[str, Any] = {
        "method": variant.method,
        "behaviors": behaviors,
        "protocol": study.protocol,
        "keep": tuple(f"{name}:{share}" for name, share in variant.keep),
        "train_mode": variant.train_mode,
        "curve_split": "test",
        "seed": variant.seed,
    }
    if variant.share_embeddings is not None:
        options["share_embeddings"] = variant.share_embeddings
    config = of_method(settings.with_options(**options, loss_weights=()), behaviors)
    num_predicted = len(resolve(config, behaviors).predicted)
    weights = _loss_weights(study, variant, settings.training.loss_weights, num_predicted)
    config = study.dataset.resolved(config.with_options(loss_weights=weights))
    check_metrics(config.evaluation)
    cell = Cell(variant.name(study.dataset.behaviors), config)
    _ = cell.plan  # what does not fit is refused there
    return cell


def _loss_weights(
    study: Study, variant: Variant, weights: tuple[float, ...], num_predicted: int
) -> tuple[float, ...]:
    """The variant's; else the settings', where they apply; those that were not given only if they fit."""
    if variant.loss_weights or num_predicted == 1 or variant.train_mode == "sequential":
        return variant.loss_weights
    are_given = any(option.startswith("loss_weights=") for option in study.given)
    return weights if are_given or len(weights) == num_predicted else ()


def stored_result(study: Study, cell: Cell, sections: Iterable[str] = ()) -> CellResult | None:
    """The result of a finished cell; None where there is none, or where a new one is asked for.

    Args:
        study: The study.
        cell: The cell.
        sections: The sections of its config that determine it; empty: all.

    Raises:
        InputError: If the result is of another data set or of other settings.
    """
    path = study.result_path(cell.name)
    if study.overwrite or not path.exists():
        return None
    result = CellResult.load(path)
    if result.dataset_fingerprint != study.dataset.fingerprint:
        raise InputError(
            f"{path}: the result of another data set than the one in {study.dataset.directory}; name another "
            "`results_dir`."
        )
    if differences := config_differences(result.config, cell.config, sections):
        raise InputError(
            f"{path}: a result with other settings: {'; '.join(differences)}; give the same, another "
            "`results_dir`, or `overwrite`."
        )
    return result
