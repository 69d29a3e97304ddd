"""Ranking a baseline like a model."""

from collections.abc import Callable
from typing import Any

import numpy as np

from nmtr_tf.config import EvaluationConfig, RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.evaluation.baselines.table import BASELINES, build_baseline
from nmtr_tf.evaluation.metrics import check_metrics
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.results import Evaluation, Fact
from nmtr_tf.evaluation.scorers import as_scorer


def evaluate_baseline(
    dataset: Dataset,
    baseline: Any,
    split: str = "test",
    config: EvaluationConfig | RunConfig | None = None,
    protocol: str = "",
    validation: str = "",
    progress: Callable[[int], object] | None = None,
    **options: Any,
) -> Evaluation:
    """Ranks the held-out items of a split by a baseline.

    Args:
        dataset: The data set.
        baseline: A name in `BASELINES`, or an object with `scores(user_ids) -> array [n, num_items]`, in rows
            of the data set's vocabularies.
        split: "test" or "validation".
        config: How to rank. That of a run says as well what to learn from (behaviors, protocol, validation,
            keep), and the seed where there is an option `seed`; else that is what a run of the defaults
            learns from.
        protocol: Of the training rows; "": the config's, or as prepared.
        validation: "random" holds the validation purchases out, "none" gives them back to training; "": the
            config's.
        progress: Called with the number of users done since the last call.
        **options: Options of a named baseline, such as ease_lambda=200.

    Raises:
        InputError: If there is no such baseline or option, it misses something (times, a package), its scores
            are no numbers of the right shape, or the split is empty.
    """
    if not isinstance(config, RunConfig):
        config = RunConfig(evaluation=config or EvaluationConfig())
    data, seed = config.data, config.training.seed
    if isinstance(baseline, str) and "seed" in BASELINES.find(baseline).options:
        options = {"seed": seed, **options}
    evaluation = config.evaluation.of_catalogue(dataset.num_items)
    check_metrics(evaluation)
    validation = validation or data.validation
    view = dataset.training_view(data.behaviors, protocol or data.protocol, validation, data.keep, seed)
    if isinstance(baseline, str):
        name, settings = baseline, BASELINES.find(baseline).settings(baseline, options)
        scorer = build_baseline(baseline, dataset, view, **options)
    elif options:
        raise TypeError(f"Only a named baseline has options. Received: {', '.join(options)}.")
    else:
        name, settings, scorer = type(baseline).__name__, {}, as_scorer(baseline, view.num_items)
    ranks = rank_held_out(scorer, view, split, evaluation, progress=progress)
    facts = {option: _fact(value) for option, value in settings.items()}
    about = {"method": name, "validation": validation, **facts}
    return Evaluation.of(dataset, view, split, ranks, evaluation, about)


def _fact(value: Any) -> Fact:
    """A setting as a file can hold it."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, str | int | float | None) else str(value)
