"""The table of methods: what a name on `--method` stands for. It needs no TensorFlow."""

import dataclasses

from nmtr_tf.config import ModelConfig
from nmtr_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        label: The name that the paper prints.
        group: The paper's group: "Single-behavior", "Multi-behavior" or "NMTR".
        unit: Name of the interaction unit of every predicted behavior (`config.UNITS`).
        predicts: "all" behaviors, or the "target" only.
        cascade: Whether the predictions of weaker behaviors go into those of stronger ones (Eq. 9).
        shares_embeddings: Default of `--share_embeddings`.
        shares_items: Whether shared embeddings include those of the items; false: the users' only.
        item_bias: Default of `--item_bias`.
        loss: Default of `--loss`.
        negatives: What negatives are drawn from: "unobserved" items of the behavior that is trained on, or
            "multi_channel", see `nmtr_tf.training.negatives`.
        weights_sum_to_one: Whether the loss weights sum to 1; false: any numbers in [0, 1].
    """

    label: str
    group: str
    unit: str
    predicts: str = "all"
    cascade: bool = True
    shares_embeddings: bool = True
    shares_items: bool = True
    item_bias: bool = True
    loss: str = "log"
    negatives: str = "unobserved"
    weights_sum_to_one: bool = True


def _single(label: str, unit: str, **options) -> Method:
    return Method(label, "Single-behavior", unit, predicts="target", item_bias=False, **options)


def _multi_channel(label: str, unit: str) -> Method:
    return Method(
        label,
        "Multi-behavior",
        unit,
        predicts="target",
        item_bias=False,
        loss="bpr",
        negatives="multi_channel",
    )


METHODS = {
    "bpr": _single("BPR", "mf", loss="bpr"),
    "gmf": _single("GMF", "gmf"),
    "mlp": _single("MLP", "mlp"),
    "neumf": _single("NeuMF", "neumf", shares_embeddings=False),
    "cmf": Method(
        "CMF",
        "Multi-behavior",
        "mf",
        cascade=False,
        shares_items=False,
        item_bias=False,
        loss="squared",
        weights_sum_to_one=False,
    ),
    "mc_bpr": _multi_channel("MC-BPR", "mf"),
    "mc_gmf": _multi_channel("MC-GMF", "gmf"),
    "mc_mlp": _multi_channel("MC-MLP", "mlp"),
    "mc_neumf": _multi_channel("MC-NeuMF", "neumf"),
    "nmtr_gmf": Method("NMTR-GMF", "NMTR", "gmf"),
    "nmtr_mlp": Method("NMTR-MLP", "NMTR", "mlp"),
    "nmtr_neumf": Method("NMTR-NeuMF", "NMTR", "neumf"),
}


def get_method(name: str) -> Method:
    """The row of a method.

    Raises:
        InputError: If there is no such method.
    """
    if name not in METHODS:
        raise InputError(f"--method should be one of {', '.join(METHODS)}. Received: {name!r}.")
    return METHODS[name]


def predicted_behaviors(config: ModelConfig, behaviors: tuple[str, ...]) -> tuple[str, ...]:
    """The behaviors that the model has a logit for: all of the training view, or the target only."""
    return behaviors if get_method(config.method).predicts == "all" else behaviors[-1:]


def unit_names(config: ModelConfig, behaviors: tuple[str, ...]) -> tuple[str, ...]:
    """The unit of every predicted behavior: `config.units`, or the method's own.

    Raises:
        InputError: If `config.units` is given and does not hold one unit a behavior.
    """
    names = config.units or (get_method(config.method).unit,) * len(behaviors)
    if len(names) != len(behaviors):
        raise InputError(
            f"--units should name one unit for each of the {len(behaviors)} behaviors "
            f"({', '.join(behaviors)}). Received: {','.join(names)}."
        )
    return names


def shares_embeddings(config: ModelConfig) -> bool:
    """`--share_embeddings`, or the method's own."""
    own = get_method(config.method).shares_embeddings
    return own if config.share_embeddings is None else config.share_embeddings


def shares_items(config: ModelConfig) -> bool:
    """Whether all behaviors have one item table."""
    return shares_embeddings(config) and get_method(config.method).shares_items


def separates_neumf(config: ModelConfig) -> bool:
    """Whether the two parts of NeuMF have embeddings of their own, as in the original of one behavior."""
    method = get_method(config.method)
    is_neumf = "neumf" in (config.units or (method.unit,))
    return is_neumf and method.predicts == "target" and not shares_embeddings(config)


def has_item_bias(config: ModelConfig) -> bool:
    """`--item_bias`, or the method's own."""
    own = get_method(config.method).item_bias
    return own if config.item_bias is None else config.item_bias
