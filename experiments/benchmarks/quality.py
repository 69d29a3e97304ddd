"""Quality: how long objectives train until they rank validation as well as the best linear baseline."""

import dataclasses
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from experiments.benchmarks.contenders import BASELINES, CONTENDERS, Contender
from experiments.benchmarks.rows import Row, Rows, measured, short, skipped
from experiments.benchmarks.setting import Setting
from experiments.benchmarks.training_curve import Curve, TrainingClock
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines.table import BASELINES as TABLE
from nmtr_tf.evaluation.baselines.table import build_baseline
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import as_scorer
from nmtr_tf.files import write_json
from nmtr_tf.runs.checks import RunSetup, set_up
from nmtr_tf.runs.fitting import fit

SHARES = (0.9, 0.95, 1.0)
"""Of the best baseline's quality."""


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A baseline that was fitted.

    Attributes:
        label: What tables call it.
        options: Its options.
        seconds: Of fitting it.
        quality: The monitored metric on validation.
    """

    label: str
    options: Mapping[str, Any]
    seconds: float
    quality: float


def measure(setting: Setting) -> Rows:
    """The rows of each data set; with an output directory also quality_NAME.json: settings and curves."""
    if setting.prepared:
        for data in setting.prepared:
            yield from _measure_one(setting, data.name, Dataset.load(data.dataset_dir or ""))
    else:
        sizes = (200, 80) if setting.quick else (2000, 600)
        yield from _measure_one(setting, "synthetic_shop", prepare(synthetic_shop(*sizes)))


def _measure_one(setting: Setting, name: str, dataset: Dataset) -> Rows:
    """Seconds and quality of the baselines; then of all others when theirs is that of the best of them.

    All rank the same users, everybody with a validation purchase, with the mask that the protocol asks for.
    """
    config = RunConfig().with_options(num_epochs=setting.num_epochs, eval_users=0, eval_sample="always")
    setup = set_up(config, dataset)
    protocol, mask = setup.view.protocol, setup.config.evaluation.mask
    what = f"{name}, {protocol}, mask {mask}"
    fitted = yield from _fit_all(setting, dataset, setup, what)
    best = max(fitted.values(), key=lambda one: one.quality, default=None)
    curves = yield from _train_all(setting, dataset, setup, what, best)
    if setting.output_dir:
        monitor = setup.config.training.monitor
        about = {"dataset": name, "protocol": protocol, "mask": mask, "monitor": monitor}
        baselines = {one: dataclasses.asdict(found) for one, found in fitted.items()}
        contenders = {one: dataclasses.asdict(found) for one, found in curves.items()}
        written = {**about, "baselines": baselines, "contenders": contenders}
        write_json(Path(setting.output_dir) / f"quality_{name}.json", written)


def _fit_all(
    setting: Setting, dataset: Dataset, setup: RunSetup, what: str
) -> Generator[Row, None, dict[str, Fitted]]:
    """The rows of the baselines; gives those that were fitted, by name."""
    fitted: dict[str, Fitted] = {}
    for name, defaults in BASELINES.items():
        label, options = TABLE[name].label, {**defaults, **setting.baseline_options.get(name, {})}
        if missing := TABLE[name].missing(dataset):
            yield skipped(f"{what}: {label}", f"it {missing}")
            continue
        fitted[name] = fit_baseline(setup, dataset, name, options)
        yield measured(f"{what}: {label}: fit", fitted[name].seconds, "s")
        yield _quality_row(f"{what}: {label}", setup, fitted[name].quality)
    return fitted


def _train_all(
    setting: Setting, dataset: Dataset, setup: RunSetup, what: str, best: Fitted | None
) -> Generator[Row, None, dict[str, Curve]]:
    """The rows of the contenders; gives their curves by name."""
    curves: dict[str, Curve] = {}
    for name in setting.contenders:
        own, contender = f"{what}: {name}", CONTENDERS[name]
        try:
            curves[name] = curve = train(setting, dataset, setup, contender)
        except InputError as error:
            yield skipped(own, str(error))
            continue
        yield _quality_row(own, setup, max(curve.values), best)
        yield measured(f"{own}: an epoch", curve.epoch, "s", target=contender.epoch)
        if best:
            yield from (until_row(own, curve, share, best) for share in SHARES)
    return curves


def fit_baseline(setup: RunSetup, dataset: Dataset, name: str, options: Mapping[str, Any]) -> Fitted:
    """Fits a baseline and ranks validation by it."""
    began = time.perf_counter()
    scorer = as_scorer(build_baseline(name, dataset, setup.view, **options), setup.view.num_items)
    seconds, evaluation = time.perf_counter() - began, setup.config.evaluation
    ranks = rank_held_out(scorer, setup.view, "validation", evaluation)
    quality = mean_metrics(ranks, evaluation)[setup.config.training.monitor]
    return Fitted(TABLE[name].label, options, seconds, quality)


def train(setting: Setting, dataset: Dataset, setup: RunSetup, contender: Contender) -> Curve:
    """Trains a contender."""
    options = contender.options_for(len(dataset.behaviors))
    clock, monitor = TrainingClock(setting.seconds), f"validation/{setup.config.training.monitor}"
    run = fit(dataset, setup.config, callbacks=[clock], **options)
    return Curve(options, clock.seconds, [record[monitor] for record in run.history])


def _quality_row(what: str, setup: RunSetup, quality: float, best: Fitted | None = None) -> Row:
    """The monitored metric, in percent."""
    metric, users = setup.config.training.monitor, setup.view.num_held_out_users("validation")
    beside = (best.label, 100 * best.quality) if best else None
    return measured(f"{what}: {metric} of {users:,} users", 100 * quality, "%", beside)


def until_row(what: str, curve: Curve, share: float, best: Fitted) -> Row:
    """When a training was as good as a share of the best baseline; its fit stands beside."""
    work = f"{what}: {100 * share:g} % of {best.label}"
    seconds = curve.until(share * best.quality)
    if seconds is None:
        took = f"{short(curve.seconds[-1])} s, {len(curve.seconds)} epochs"
        return Row(f"{work}: not reached in {took}", None, "")
    return measured(work, seconds, "s", (f"fit of {best.label}", best.seconds))
