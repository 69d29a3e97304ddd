"""The options of a run, in sections: frozen, validated dataclasses.

They are the one place where an option's name, default and meaning stand; the commands make their flags from
them. An option that names a part (a unit, a loss, an optimizer) takes the part itself too; only what has a
registered name can be written to a file.
"""

import dataclasses
from typing import Any

from nmtr_tf.errors import InputError
from nmtr_tf.options import check_choices, check_types, option, require

PROTOCOLS = ("released", "strict", "time")
_OWN_LOSS = {
    "whole_data": "whose errors are squared",
    "softmax": "which is a loss itself",
    "contrastive": "which is a loss itself",
}
"""Objectives that leave no choice of a loss."""


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which data a run sees."""

    dataset_dir: str = option("", "Data set directory written by prepare.")
    behaviors: tuple[str, ...] = option(
        (), "Behaviors to use, weakest first, target last; empty: all of the data set."
    )
    protocol: str = option(
        "",
        "'strict' takes held-out pairs out of every behavior, 'released' out of the target only, 'time' is "
        "that of data split in time; empty: as recorded in the data set.",
        ("", *PROTOCOLS),
    )
    validation: str = option(
        "random",
        "'random' holds one training purchase per user out for validation (split in time: what is after an "
        "earlier cut); 'none' trains on it: no early stopping, the last weights are evaluated.",
        ("random", "none"),
    )
    keep: tuple[str, ...] = option(
        (),
        "Shares of every user's rows of auxiliary behaviors to train on, behavior:share, such as cart:0.5.",
    )
    after: tuple[str, ...] = option(
        (),
        "Of a cascade: what each behavior comes after, behavior:others, such as cart:view,buy:share+cart; "
        "empty: as recorded in the data set, else each after the one before it.",
    )

    def __post_init__(self):
        check_types(self)
        check_choices(self)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The model: Eq. 4 to 9."""

    method: str = option("nmtr_neumf", "Name of a method in nmtr_tf/methods/table.py.")
    units: tuple[Any, ...] = option(
        (),
        "Interaction unit of each behavior, weakest first (mf, gmf, mlp, neumf or one of your own); empty: "
        "the method's own.",
    )
    embedding_dim: int = option(64, "E, the size of user and item embeddings.")
    num_layers: int = option(3, "Layers of the MLP tower, 1 to 5, each half as wide as the one before.")
    tower_width: int = option(
        0, "Width of the tower's first layer; 0: embedding_dim. Eq. 8's z_L in R^E needs 4 E at 3 layers."
    )
    dropout: float = option(
        0.0,
        "Dropout rate on the hidden layers of the tower, in [0, 1); with objective=whole_data on the users' "
        "vectors.",
    )
    share_embeddings: bool | None = option(
        None,
        "One embedding table for all behaviors (Eq. 4), or one per behavior (Section IV-C); with one "
        "predicted behavior: one for both parts of NeuMF, or one each.",
    )
    embedding_stddev: float = option(
        0.01, "Standard deviation of the initial embeddings, a truncated normal."
    )
    item_bias: bool | None = option(None, "An item bias for each behavior, b_i of Eq. 9.")

    def __post_init__(self):
        check_types(self)
        check_choices(self)
        require(self, self.embedding_dim >= 1, "embedding_dim", "at least 1")
        require(self, 1 <= self.num_layers <= 5, "num_layers", "from 1 to 5")
        require(self, self.tower_width >= 0, "tower_width", "at least 0")
        require(self, 0 <= self.dropout < 1, "dropout", "in [0, 1)")
        require(self, self.embedding_stddev > 0, "embedding_stddev", "positive")
        if self.tower_widths[-1] < 1:
            raise InputError(
                f"`num_layers={self.num_layers}` with a first layer of width {self.tower_widths[0]} "
                f"reaches a layer of width 0; expected a width of at least {2 ** (self.num_layers - 1)}."
            )

    @property
    def tower_widths(self) -> tuple[int, ...]:
        """Width of every tower layer, first to last."""
        first = self.tower_width or self.embedding_dim
        return tuple(first >> layer for layer in range(self.num_layers))


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How the model is trained: Eq. 12."""

    num_epochs: int = option(50, "Epochs at most; an epoch visits every observed (user, item) pair once.")
    batch_size: int = option(
        2048,
        "Observed (user, item) pairs per step, of all replicas together; objective=whole_data: users.",
    )
    num_negatives: int = option(
        4,
        "Sampled negatives for every observed behavior of a pair; objective=softmax and contrastive, which "
        "want hundreds: different items, the same for all pairs of a step.",
    )
    optimizer: Any = option("adagrad", "'adagrad', 'adam' or one of your own.")
    learning_rate: float = option(0.01, "Learning rate.")
    initial_accumulator: float = option(1e-8, "Adagrad's accumulator before the first step.")
    objective: Any = option(
        "sampled",
        "What is minimised: 'sampled', a loss of pairs and sampled negatives; 'softmax', the likelihood of "
        "each positive among the others of its batch and uniform negatives, corrected for how often they are "
        "drawn; 'contrastive', cosines against hundreds of uniform negatives (mf, gmf); or 'whole_data', the "
        "squared error of all pairs of a user and an item (mf, gmf).",
    )
    loss: Any = option(
        "", "'log' (Eq. 12), 'bpr' (pairwise), 'squared' (Eq. 3) or one of your own; empty: the method's own."
    )
    learner: str = option(
        "gradient",
        "How it is minimised: 'gradient', steps of the optimizer on batches, or 'als', alternating least "
        "squares (objective=whole_data of mf and gmf): an epoch solves for all users, all items, all units.",
        ("gradient", "als"),
    )
    unobserved_weight: tuple[float, ...] = option(
        (0.01,),
        "objective=whole_data: weight of a pair that was not observed, in (0, 1]; an observed one has 1. One "
        "for all behaviors, or one for each, weakest first.",
    )
    loss_weights: tuple[float, ...] = option(
        (),
        "lambda of Eq. 12, one per predicted behavior, weakest first, each >= 0, sum 1 (cmf: any in [0, 1]); "
        "empty: 1/R each. Sequential training has none.",
    )
    loss_reduction: str = option(
        "sum",
        "'sum' over the instances of a batch (Eq. 12), or 'mean': divided by their number.",
        ("sum", "mean"),
    )
    l2_user: float = option(0.0, "L2 coefficient of the distinct user embeddings of a batch.")
    l2_item: float = option(0.0, "L2 coefficient of the distinct item embeddings of a batch.")
    l2_unit: float = option(
        0.0,
        "L2 coefficient of the units' weights; at 0 with objective=whole_data they grow where L2 holds the "
        "embeddings small.",
    )
    l2_power: float = option(
        0.0,
        "objective=whole_data, whose L2 is of all users and items: the L2 of each is times this power of the "
        "summed weights of its pairs; 0: the same for all, 1: it grows as the loss does.",
    )
    beta: float = option(
        0.2, "Multi-channel methods: probability that a negative is an item without any behavior of the user."
    )
    channel_weights: tuple[float, ...] = option(
        (),
        "Multi-channel methods: weight of each auxiliary behavior's channel, weakest first; empty: "
        "1/(distance from the target + 1).",
    )
    train_mode: str = option(
        "multitask",
        "'multitask' trains all behaviors at once, 'sequential' one after the other (Table V).",
        ("multitask", "sequential"),
    )
    stage_epochs: tuple[int, ...] = option(
        (), "Sequential training: epochs of each behavior at most, weakest first; empty: num_epochs each."
    )
    monitor: str = option(
        "",
        "Validation metric that selects the best epoch; empty: NDCG or the first, at 100 or the largest K.",
    )
    patience: int = option(10, "Evaluations without improvement before training stops; 0: never stop early.")
    eval_every: int = option(1, "Epochs between two evaluations.")
    eval_users: int = option(
        2000,
        "Users of the per-epoch evaluations, a seeded sample, wherever ranking everyone would need more "
        "arithmetic than the epoch itself; 0: always everyone.",
    )
    eval_sample: str = option(
        "auto", "'always' draws that sample even where ranking everyone is cheap.", ("auto", "always")
    )
    curve_split: str = option(
        "validation",
        "'test' evaluates on test as well after each epoch, for curves only: it never selects.",
        ("validation", "test"),
    )
    steps_per_call: int = option(32, "Training steps inside one graph call.")
    seed: int = option(0, "Seed of initial values, sampling and dropout.")
    device: str = option("auto", "Where to run; 'auto': a GPU where there is one.", ("auto", "cpu", "gpu"))
    strategy: str = option(
        "none",
        "On how many devices to train, which share each batch: 'none': one, 'mirrored': those of this "
        "machine, 'multi_worker': those of the processes that the environment variable TF_CONFIG names, all "
        "started with the same command (docs/scale.md).",
        ("none", "mirrored", "multi_worker"),
    )
    num_replicas: int = option(0, "strategy=mirrored: devices to train on; 0: all of this machine.")

    def __post_init__(self):
        check_types(self)
        check_choices(self)
        require(self, self.num_replicas >= 0, "num_replicas", "at least 0")
        is_read = not self.num_replicas or self.strategy == "mirrored"
        require(self, is_read, "num_replicas", "left out, or given with `strategy=mirrored`")
        for name in ("num_epochs", "batch_size", "num_negatives", "eval_every", "steps_per_call"):
            require(self, getattr(self, name) >= 1, name, "at least 1")
        for name in ("l2_user", "l2_item", "l2_unit", "l2_power", "patience", "eval_users", "seed"):
            require(self, getattr(self, name) >= 0, name, "at least 0")
        require(self, self.seed < 2**31, "seed", "below 2^31")
        require(self, self.learning_rate > 0, "learning_rate", "positive")
        require(self, self.initial_accumulator > 0, "initial_accumulator", "positive")
        require(self, 0 <= self.beta <= 1, "beta", "in [0, 1]")
        unobserved = all(0 < weight <= 1 for weight in self.unobserved_weight or (0,))
        require(self, unobserved, "unobserved_weight", "in (0, 1] each")
        if self.loss and isinstance(self.objective, str) and (why := _OWN_LOSS.get(self.objective)):
            require(self, False, "loss", f"left out with `objective={self.objective}`, {why}")
        if self.channel_weights:
            positive = min(self.channel_weights) >= 0 and any(self.channel_weights)
            require(self, positive, "channel_weights", "at least 0 each and not all 0")
        require(self, min(self.stage_epochs, default=1) >= 1, "stage_epochs", "at least 1 each")
        sequential = self.train_mode == "sequential"
        require(
            self, sequential or not self.stage_epochs, "stage_epochs", "given with `train_mode=sequential`"
        )
