"""The table of methods: what the name of a method stands for. It needs no TensorFlow."""

import dataclasses

from nmtr_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        label: The name that the paper prints.
        group: The paper's group: "Single-behavior", "Multi-behavior" or "NMTR"; "": it is not the paper's.
        unit: Name of the interaction unit of every predicted behavior.
        predicts_all: Whether the model has a logit for every behavior; false: for the target alone.
        cascade: Whether the predictions of auxiliary behaviors go into those of stronger ones (Eq. 9).
        shares_embeddings: Default of `share_embeddings`.
        shares_items: Whether shared embeddings include those of the items; false: the users' only.
        item_bias: Default of `item_bias`.
        loss: Default of `loss`.
        samples_channels: Whether negatives come from the channels of the auxiliary behaviors; false: they
            are items without the behavior that is trained on. See `nmtr_tf.training.negatives`.
        adds_linear: Whether item-to-item weights in closed form are added to the target's logit; then users
            are read from their histories, and the rest learns from all items, on the whole data by default.
        weights_sum_to_one: Whether the loss weights sum to 1; false: any numbers in [0, 1].
    """

    label: str
    group: str
    unit: str
    predicts_all: bool = True
    cascade: bool = True
    shares_embeddings: bool = True
    shares_items: bool = True
    item_bias: bool = True
    loss: str = "log"
    samples_channels: bool = False
    adds_linear: bool = False
    weights_sum_to_one: bool = True


def _single(label: str, unit: str, **options) -> Method:
    return Method(label, "Single-behavior", unit, predicts_all=False, item_bias=False, **options)


def _multi_channel(label: str, unit: str) -> Method:
    return Method(
        label,
        "Multi-behavior",
        unit,
        predicts_all=False,
        item_bias=False,
        loss="bpr",
        samples_channels=True,
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
    "nmtr_linear": Method(
        "NMTR-Linear", "", "linear", predicts_all=False, cascade=False, item_bias=False, loss="squared"
    ),
    "nmtr_linear_gmf": Method("NMTR-Linear+GMF", "", "gmf", loss="squared", adds_linear=True),
}
PAPER_METHODS = {name: row for name, row in METHODS.items() if row.group}


def get_method(name: str) -> Method:
    """The row of a method.

    Raises:
        InputError: If there is no such method.
    """
    if name not in METHODS:
        raise InputError(f"`method` should be one of {', '.join(METHODS)}. Received: {name!r}.")
    return METHODS[name]
