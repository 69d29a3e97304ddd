"""Variants of a method: what the cells of the paper's tables and figures differ in, and their names."""

import dataclasses
from collections.abc import Sequence

from nmtr_tf.methods.table import Method, get_method
from nmtr_tf.texts import file_name


@dataclasses.dataclass(frozen=True)
class Variant:
    """A method and what sets a run of it apart from the method's own settings.

    Attributes:
        method: Name of a method.
        behaviors: Behaviors to use, weakest first; empty: all of the data set.
        keep: (auxiliary behavior, share of each user's rows that is kept), in the data set's order.
        train_mode: "multitask" or "sequential".
        share_embeddings: Whether behaviors share their embeddings; None: as the method has it.
        loss_weights: lambda of Eq. 12, one per behavior; empty: as the settings have it.
        seed: Seed of the run.
    """

    method: str
    behaviors: tuple[str, ...] = ()
    keep: tuple[tuple[str, float], ...] = ()
    train_mode: str = "multitask"
    share_embeddings: bool | None = None
    loss_weights: tuple[float, ...] = ()
    seed: int = 0

    def name(self, dataset_behaviors: Sequence[str]) -> str:
        """A readable name that is unique within a data set and protocol: "nmtr_gmf-cart_0.5-buy".

        It is also that of files, which no behavior such as "add/cart" or "../x" leads elsewhere.

        Args:
            dataset_behaviors: All behaviors of the data set: the name says what is left of them.
        """
        parts = [self.method]
        behaviors, shares = self.behaviors or tuple(dataset_behaviors), dict(self.keep)
        if shares or behaviors != tuple(dataset_behaviors):
            parts += [
                file_name(name) + (f"_{shares[name]:g}" if name in shares else "") for name in behaviors
            ]
        if self.train_mode != "multitask":
            parts.append(self.train_mode)
        if self.share_embeddings is not None:
            parts.append("shared" if self.share_embeddings else "separate")
        if self.loss_weights:
            parts.append("_".join(["lambda", *[f"{weight:.4g}" for weight in self.loss_weights]]))
        if self.seed:
            parts.append(f"seed_{self.seed}")
        return "-".join(parts)

    @property
    def row(self) -> str:
        """What a row of Table III is of: "neumf", or with embeddings of another kind "neumf-shared"."""
        return Variant(self.method, share_embeddings=self.share_embeddings).name(())


def method_of_row(row: str) -> Method:
    """The method of a `Variant.row`."""
    return get_method(row.partition("-")[0])


def label_of_row(row: str) -> str:
    """A `Variant.row` for people: "NeuMF, shared embeddings"."""
    kind = row.partition("-")[2]
    return method_of_row(row).label + (f", {kind} embeddings" if kind else "")


def both_neumfs(bases: Sequence[Variant]) -> list[Variant]:
    """The rows of Table III: each method, and NeuMF a second time, with shared embeddings.

    Differs from the paper: it does not say how many embeddings its NeuMF has. By its source, [17], both
    parts have their own; MC-NeuMF and NMTR-NeuMF have one for both (Eq. 8). The second row differs from
    theirs in nothing but the use of other behaviors; it has the settings of the first.

    Args:
        bases: One variant of each method.
    """
    rows: list[Variant] = []
    for base in bases:
        rows += [base, dataclasses.replace(base, share_embeddings=True)] if base.method == "neumf" else [base]
    return rows


def data_subsets(base: Variant, dataset_behaviors: Sequence[str]) -> list[Variant]:
    """Table IV: each auxiliary behavior alone with the target, then half of each user's rows of it.

    Args:
        base: The method. If it has a subset of its own, that is the only one.
        dataset_behaviors: All behaviors of the data set, weakest first.
    """
    if base.behaviors or base.keep:
        return [base]
    *auxiliary, target = dataset_behaviors
    whole = [
        # All behaviors of a data set of two need no naming: it is the method's ordinary run.
        dataclasses.replace(base, behaviors=(name, target) if len(auxiliary) > 1 else ())
        for name in reversed(auxiliary)
    ]
    names = reversed(auxiliary)
    return whole + [
        dataclasses.replace(one, keep=((name, 0.5),)) for one, name in zip(whole, names, strict=True)
    ]


def training_kinds(base: Variant) -> dict[str, Variant]:
    """Table V and the ablation beside it: "multitask", "sequential" and "separate" embeddings."""
    return {
        "multitask": base,
        "sequential": dataclasses.replace(base, train_mode="sequential"),
        "separate": dataclasses.replace(base, share_embeddings=False),
    }
