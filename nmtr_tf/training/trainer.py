"""The one training loop."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from nmtr_tf.config import RunConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import ModelScorer, rank_splits
from nmtr_tf.models.nmtr import network
from nmtr_tf.training.callbacks import BestEpoch
from nmtr_tf.training.optimizers import make_optimizer
from nmtr_tf.training.sampling import PairSampler, make_sampler
from nmtr_tf.training.stages import Stage, make_stages
from nmtr_tf.training.steps import capacities_to_compile, make_train_steps

# Rough cost of one training instance's memory traffic (gather, scatter, update), in multiply-adds of a
# ranking per embedding dimension. It only decides whether an epoch's evaluation takes a sample of users.
_ROW_COST = 80


@dataclasses.dataclass(frozen=True)
class Training:
    """What `train` did.

    Attributes:
        history: The logs of every epoch, each with its number under "epoch" (from 1).
        best_epoch: The epoch (from 1) whose weights the model has; None: the last, for want of validation.
        best_value: The monitored value of that epoch.
    """

    history: list[dict[str, float]]
    best_epoch: int | None
    best_value: float


def train(
    model: keras.Model,
    view: Interactions,
    config: RunConfig,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: Path | None = None,
) -> Training:
    """Trains a model on the interactions; it ends with its best weights, or its last without validation.

    Sequential training goes through its stages one after the other. Epochs are numbered through, each stage
    starts with a new optimizer, and only the last one, which trains the target, is evaluated.

    Args:
        model: Made by `build_model` for the behaviors of `view`.
        view: What `Interactions.training_view` gave.
        config: `model`, `training` and `evaluation` are read.
        callbacks: Keras callbacks. The logs of an epoch hold "train/loss" (the objective of Eq. 12 with its
            L2 terms, per instance), "train/loss_<behavior>" (its loss per instance, unweighted) and, where
            the epoch was evaluated, "validation/HR@K", "validation/NDCG@K" and the same for test.
        checkpoint: Where to save the model at each improvement (`.keras`); None: nowhere.

    Raises:
        InputError: If an option does not fit the method or its behaviors, or the loss is no longer finite.
    """
    training = config.training
    stages = make_stages(config.model, training, network(model).cascade.behaviors)
    num_epochs = sum(stage.num_epochs for stage in stages)
    best = BestEpoch(f"validation/{training.monitor}", training.patience, checkpoint)
    # The best weights come back last, after callbacks have seen the last ones.
    hooks = keras.callbacks.CallbackList([*callbacks, best], model=model)
    model.stop_training = False
    history: list[dict[str, float]] = []
    for stage in stages:
        sampler = make_sampler(view, config.model, training, stage.behaviors)
        model.compile(optimizer=make_optimizer(training))
        capacities = capacities_to_compile(model, sampler, stage.num_epochs * sampler.steps_per_epoch)
        train_steps = make_train_steps(model, training, stage, capacities)
        evaluate = make_evaluation(model, view, config, sampler) if stage is stages[-1] else dict
        hooks.set_params({"epochs": num_epochs, "steps": sampler.steps_per_epoch})
        if stage is stages[0]:
            hooks.on_train_begin()
        batches = iter(sampler.batches())
        run_epoch = functools.partial(
            _run_epoch, train_steps, batches, sampler.steps_per_epoch, training.steps_per_call, hooks
        )
        _run_stage(stage, run_epoch, evaluate, training.eval_every, hooks, history)
    hooks.on_train_end(history[-1])
    return Training(history, None if best.epoch is None else best.epoch + 1, best.value)


def _run_stage(stage: Stage, run_epoch, evaluate, eval_every: int, hooks, history: list) -> None:
    """Adds the logs of the stage's epochs to the history."""
    last = len(history) + stage.num_epochs
    for epoch in range(len(history), last):
        if hooks.model.stop_training:
            return
        hooks.on_epoch_begin(epoch)
        logs = _epoch_logs(run_epoch(), stage.behaviors)
        if not np.isfinite(logs["train/loss"]):
            raise InputError(
                f"The loss is {logs['train/loss']} in epoch {epoch + 1}; try a smaller --learning_rate."
            )
        if (epoch + 1) % eval_every == 0 or epoch + 1 == last:
            logs |= evaluate()
        history.append({"epoch": epoch + 1, **logs})
        hooks.on_epoch_end(epoch, logs)


def _run_epoch(train_steps, batches, num_steps: int, steps_per_call: int, hooks) -> np.ndarray:
    totals = []
    for first in range(0, num_steps, steps_per_call):
        count = min(steps_per_call, num_steps - first)
        hooks.on_train_batch_begin(first)
        totals.append(train_steps(batches, tf.constant(count)))
        hooks.on_train_batch_end(first + count - 1)
    return np.sum([part.numpy().astype(np.float64) for part in totals], axis=0)


def _epoch_logs(totals: np.ndarray, behaviors: Sequence[str]) -> dict[str, float]:
    """Sums over an epoch -> losses per instance."""
    losses, counts = np.split(totals[1:], 2)
    logs = {"train/loss": totals[0] / counts.sum()}
    logs |= {f"train/loss_{name}": losses[r] / counts[r] for r, name in enumerate(behaviors)}
    return {name: float(value) for name, value in logs.items()}


def make_evaluation(
    model: keras.Model, view: Interactions, config: RunConfig, sampler: PairSampler
) -> Callable[[], dict[str, float]]:
    """The evaluation after an epoch, on validation and, for curves only, on test."""
    scorer = ModelScorer(model)
    splits = ["validation"] if len(view.held_out["validation"]) else []
    if config.training.curve_split == "test":
        splits.append("test")
    samples = {
        split: evaluation_sample(view, split, config, scorer, sampler.num_instances) for split in splits
    }
    # Ranking both splits of a user at once halves the scoring.
    users = [view.held_out[split][:, 0] for split in splits]
    together = len(users) == 2 and np.array_equal(users[0], users[1])
    groups = [splits] if together else [[split] for split in splits]

    def evaluate() -> dict[str, float]:
        logs: dict[str, float] = {}
        for group in groups:
            # Equal numbers of pairs have equal samples.
            ranked = rank_splits(scorer, view, group, config.evaluation, samples[group[0]])
            for split, ranks in zip(group, ranked, strict=True):
                metrics = mean_metrics(ranks.ranks, config.evaluation.ks)
                logs |= {f"{split}/{name}": value for name, value in metrics.items()}
        return logs

    return evaluate


def evaluation_sample(
    view: Interactions, split: str, config: RunConfig, scorer: ModelScorer, num_instances: int
) -> np.ndarray | None:
    """Positions of the held-out pairs that are ranked after each epoch; None: all.

    All where ranking everyone needs no more arithmetic than an epoch, by a fixed estimate so that equal
    seeds make equal runs; else `eval_users` of them, drawn with the run's seed.
    """
    num_pairs, wanted = len(view.held_out[split]), config.training.eval_users
    ranking_cost = num_pairs * view.num_items * scorer.pair_cost
    epoch_cost = num_instances * (3 * scorer.pair_cost + _ROW_COST * config.model.embedding_dim)
    if not wanted or wanted >= num_pairs or ranking_cost <= epoch_cost:
        return None
    generator = np.random.default_rng(config.training.seed)
    return np.sort(generator.choice(num_pairs, wanted, replace=False))
