"""One trial of a search: a training without checkpoints, looked at on validation alone."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras

from nmtr_tf.config import RunConfig
from nmtr_tf.data.interactions import Interactions
from nmtr_tf.errors import InputError
from nmtr_tf.models.nmtr import build_model
from nmtr_tf.training.pruning import MedianPruner
from nmtr_tf.training.search import flag_text, with_settings
from nmtr_tf.training.trainer import train
from nmtr_tf.training.trials import Trial


def run_trial(
    config: RunConfig,
    view: Interactions,
    settings: Mapping[str, Any],
    pruner: MedianPruner,
    after_epoch: Callable[[], Any],
) -> tuple[Trial, list[dict[str, float]]]:
    """Trains a model with some settings.

    Args:
        config: What all trials share; known to fit the view with any settings of the search.
        view: The interactions, without test pairs.
        settings: The searched fields.
        pruner: May stop the training; new for each trial.
        after_epoch: Called after every epoch.

    Returns:
        The trial, and the logs of every epoch with its number under "epoch" (from 1).
    """
    config = with_settings(config, settings)
    seed, history, status = config.training.seed, [], ""

    def note(epoch: int, logs: dict[str, float]) -> None:
        history.append({"epoch": epoch + 1, **logs})
        after_epoch()

    started = time.monotonic()
    model = build_model(config.model, view.behaviors, view.num_users, view.num_items, seed)
    try:
        train(model, view, config, [pruner, keras.callbacks.LambdaCallback(on_epoch_end=note)])
    except InputError:  # all that is checked was checked before: loss or scores are no longer finite
        status = "diverged"
    seconds = time.monotonic() - started
    keras.utils.clear_session()  # else the memory grows with every trial
    key = f"validation/{config.training.monitor}"
    best = max((logs for logs in history if key in logs), key=lambda logs: logs[key], default={})
    trial = Trial(
        settings={name: flag_text(value) for name, value in settings.items()},
        seed=seed,
        status=status or ("pruned" if pruner.pruned else "finished"),
        curve=pruner.curve,
        metrics={name.removeprefix("validation/"): value for name, value in best.items() if "@" in name},
        best_epoch=int(best.get("epoch", 0)),
        epochs=len(history),
        seconds=seconds,
    )
    return trial, history
