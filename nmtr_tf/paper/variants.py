"""Variants of a method: what the cells of the paper's tables and figures differ in, and their names."""

import dataclasses
from collections.abc import Sequence


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

        Args:
            dataset_behaviors: All behaviors of the data set: the name says what is left of them.
        """
        parts = [self.method]
        behaviors, shares = self.behaviors or tuple(dataset_behaviors), dict(self.keep)
        if shares or behaviors != tuple(dataset_behaviors):
            parts += [f"{name}_{shares[name]:g}" if name in shares else name for name in behaviors]
        if self.train_mode != "multitask":
            parts.append(self.train_mode)
        if self.share_embeddings is not None:
            parts.append("shared" if self.share_embeddings else "separate")
        if self.loss_weights:
            parts.append("_".join(["lambda", *[f"{weight:.4g}" for weight in self.loss_weights]]))
        if self.seed:
            parts.append(f"seed_{self.seed}")
        return "-".join(parts)


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
