"""A process with two CPU devices, on one and on both of which the same trainings run; prints JSON.

Logical devices are set before TensorFlow starts, so that this needs a process of its own.

Arguments: directory for runs.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import nmtr_tf as nt
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.training.objectives import SampledPairs

SHOP = prepare(synthetic_shop(80, 40, seed=3), min_behaviors=2)
SMALL: dict[str, Any] = {
    "embedding_dim": 4,
    "num_layers": 2,
    "batch_size": 256,
    "num_epochs": 1,
    "ks": (5, 10),
}
L2: dict[str, Any] = {"l2_user": 0.01, "l2_item": 0.02, "l2_unit": 0.1}
WHOLE: dict[str, Any] = {"method": "nmtr_gmf", "objective": "whole_data", "batch_size": 30, **L2}
STEPS: dict[str, dict[str, Any]] = {
    "mean": {"method": "nmtr_gmf", "loss_reduction": "mean", **L2},
    "neumf": {"method": "nmtr_neumf", **L2},
    "whole data": WHOLE,
    "softmax": {
        "method": "gmf",
        "objective": "softmax",
        "user_rows": "history",
        "history_dropout": 0.0,
        "l2_item": 0.02,
        "l2_unit": 0.1,
    },
}
EPOCHS: dict[str, dict[str, Any]] = {
    "adagrad": {"method": "nmtr_gmf", "learning_rate": 0.05, **L2},
    "clipped": {"method": "gmf", "optimizer": "clipped"},
    "histories": {**WHOLE, "user_rows": "both", "history_dropout": 0.0},
    "als": {**WHOLE, "learner": "als"},
}


class Gradients(keras.optimizers.Optimizer):
    """Gives every variable its gradient, to look at."""

    def update_step(self, gradient, variable, learning_rate):
        """Puts the gradient in the variable's place."""
        self.assign(variable, tf.convert_to_tensor(gradient))


def trained(run: nt.Run) -> list[np.ndarray]:
    """Values of what gradients change."""
    return [variable.numpy() for variable in run.model.trainable_variables]


def logits(run: nt.Run) -> np.ndarray:
    """Of the target, for all pairs."""
    users, items = (ids.ravel() for ids in np.indices((run.view.num_users, run.view.num_items)))
    return np.array(run.model({"user_ids": users, "item_ids": items})[run.view.behaviors[-1]])


def difference(one: np.ndarray, two: np.ndarray) -> float:
    """The largest, as a share of the largest entry."""
    largest = np.abs(one).max(initial=0)
    return float(np.abs(one - two).max(initial=0) / largest) if largest else 0.0


class Halves(SampledPairs):
    """The same, summed in another order."""

    def loss(self, net, r, batch):
        """Of the second half, then of the first."""
        (one, count), (two, rest) = (super(Halves, self).loss(net, r, batch.part(half, 2)) for half in (1, 0))
        return one + two, count + rest


def one_step(options: dict) -> dict[str, float]:
    """How much the loss and the gradients of a step on everything differ, as shares of the largest entry."""
    size = SHOP.num_users if "objective" in options else 10**6
    all_of_it: dict[str, Any] = {**SMALL, **options, "batch_size": size, "validation": "none"}
    one, two = (nt.fit(SHOP, **all_of_it, strategy=strategy) for strategy in ("none", "mirrored"))
    gradients = [trained(run) for run in (one, two)]
    found = {
        "loss": difference(*(np.array(run.history[0]["train/loss"]) for run in (one, two))),
        "gradients": max(map(difference, *gradients)),
        "nothing": sum(not np.any(own) for own in gradients[0]),
    }
    if options["method"] == "nmtr_neumf":
        halves = trained(nt.fit(SHOP, **{**all_of_it, "objective": "halves"}))
        found["another order"] = max(map(difference, gradients[0], halves))
    return found


def an_epoch(options: dict) -> dict[str, float]:
    """How much the target's logits differ after an epoch, as a share of the largest, and its metrics."""
    one, two = (nt.fit(SHOP, **{**SMALL, **options}, strategy=strategy) for strategy in ("none", "mirrored"))
    metric = [run.history[0]["validation/NDCG@10"] for run in (one, two)]
    return {"logits": difference(logits(one), logits(two)), "metric": abs(metric[0] - metric[1])}


def cut_and_resumed(directory: Path) -> dict[str, object]:
    """A run that is cut on two devices and goes on: on two, and on one."""

    class Cut(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise RuntimeError("cut")

    options = {**SMALL, "method": "nmtr_gmf", "num_epochs": 3, "strategy": "mirrored"}
    whole = nt.fit(SHOP, workdir=directory / "whole", **options)
    weights = {}
    for strategy in ("mirrored", "none"):
        workdir, own = directory / strategy, {**options, "strategy": strategy}
        try:
            nt.fit(SHOP, workdir=workdir, callbacks=[Cut()], **options)
        except RuntimeError:
            weights[strategy] = nt.fit(SHOP, workdir=workdir, resume="must", **own).model.get_weights()
    return {
        "replicas": whole.info.num_replicas,
        "same on two": all(map(np.array_equal, weights["mirrored"], whole.model.get_weights())),
        "on one": max(map(difference, whole.model.get_weights(), weights["none"])),
        "reopened": all(
            map(np.array_equal, nt.Run(directory / "whole").model.get_weights(), whole.model.get_weights())
        ),
        "recommends": len(whole.recommend([whole.view.user_ids[0]], k=3)),
    }


def refusal(options: dict) -> str:
    """The message about what does not go."""
    try:
        nt.fit(SHOP, **{**SMALL, "method": "gmf", **options}, strategy="mirrored")
    except nt.InputError as error:
        return str(error)
    return ""


def main() -> None:
    """Prints everything."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    nt.register_objective("halves", Halves)
    nt.register_optimizer("gradients", lambda training: Gradients(1.0))
    nt.register_optimizer("clipped", lambda training: keras.optimizers.Adam(0.01, global_clipnorm=0.1))
    found = {
        "steps": {name: one_step({**options, "optimizer": "gradients"}) for name, options in STEPS.items()},
        "epochs": {name: an_epoch(options) for name, options in EPOCHS.items()},
        "resumed": cut_and_resumed(Path(sys.argv[1])),
        "refused": [refusal(options) for options in ({"num_replicas": 3}, {"batch_size": 1})],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
