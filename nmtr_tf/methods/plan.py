"""What a method and its options mean for some behaviors, resolved once. It needs no TensorFlow.

Everything that builds, trains, evaluates or describes a model reads its `Plan`; nothing else asks the table
of methods what an option means.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from nmtr_tf.config import ModelConfig, RunConfig, TrainingConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.table import Method, get_method
from nmtr_tf.methods.unit_kinds import UnitKind, unit_kind, unit_name
from nmtr_tf.methods.weights import behavior_weights, channel_weights


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of the training with an objective of its own (Section III-D, Table V).

    Attributes:
        behaviors: Behaviors whose instances are trained on, weakest first.
        weights: Lambda of Eq. 12, one for each.
        num_epochs: Epochs at most.
        frozen: Behaviors whose unit and item bias stay as they are.
    """

    behaviors: tuple[str, ...]
    weights: tuple[float, ...]
    num_epochs: int
    frozen: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Plan:
    """A method with its options spelled out.

    Attributes:
        method: Its row in the table of methods.
        name: Its name there.
        behaviors: All behaviors of the training view, weakest first, target last.
        predicted: Those that the model has a logit for: all, or the target alone.
        parents: For each predicted behavior those whose logits go into its own (Eq. 9), from 0.
        unit_names: The unit of each predicted behavior: its registered name, or its class.
        units: The rows of these units in the table of units.
        embedding_dim: E.
        tower_widths: Width of each layer of a tower, first to last.
        dropout: Dropout rate on the layers of a tower.
        embedding_stddev: Standard deviation of the initial embeddings.
        shares_users: Whether all behaviors have one user table.
        shares_items: Whether all behaviors have one item table.
        separates_parts: Whether the two parts of a unit such as NeuMF have embeddings of their own.
        item_bias: Whether there is an item bias for each behavior.
        objective: What is minimised: the name of an objective, or an object.
        loss: Name of a loss of sampled pairs, or a function.
        samples_channels: Whether negatives come from the channels of the auxiliary behaviors.
        channel_weights: Weight of each auxiliary behavior's channel, weakest first; empty: there are none.
        stages: The stages of training, in order.
    """

    method: Method
    name: str
    behaviors: tuple[str, ...]
    predicted: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    unit_names: tuple[Any, ...]
    units: tuple[UnitKind, ...]
    embedding_dim: int
    tower_widths: tuple[int, ...]
    dropout: float
    embedding_stddev: float
    shares_users: bool
    shares_items: bool
    separates_parts: bool
    item_bias: bool
    objective: Any
    loss: Any
    samples_channels: bool
    channel_weights: tuple[float, ...]
    stages: tuple[Stage, ...]

    @property
    def row_size(self) -> int:
        """Length of an embedding row: E, or 2E where two parts have embeddings of their own."""
        return self.embedding_dim * (2 if self.separates_parts else 1)

    @property
    def has_tower(self) -> bool:
        """Whether any unit has the layers that num_layers, tower_width and dropout are about."""
        return any(unit.has_tower for unit in self.units)

    @property
    def has_cascade(self) -> bool:
        """Whether the logit of a behavior goes into that of another."""
        return any(self.parents)

    @property
    def learned_from(self) -> tuple[str, ...]:
        """The behaviors whose rows the method reads: the predicted ones, or all that it samples from."""
        return self.behaviors if self.samples_channels else self.predicted

    @property
    def num_epochs(self) -> int:
        """Epochs at most, of all stages."""
        return sum(stage.num_epochs for stage in self.stages)


def resolve(config: RunConfig, behaviors: Sequence[str]) -> Plan:
    """The plan of a run.

    Args:
        config: `model` and `training` are read.
        behaviors: Behaviors of the training view, weakest first, target last.

    Raises:
        InputError: If there is no such method, or an option does not fit it or the behaviors.
    """
    model, training = config.model, config.training
    behaviors, method = tuple(behaviors), get_method(model.method)
    predicted = behaviors if method.predicts_all else behaviors[-1:]
    unit_names, shares = (
        _units(model, method, predicted),
        _or(model.share_embeddings, method.shares_embeddings),
    )
    units = tuple(unit_kind(name) for name in unit_names)
    in_sequence = [(r - 1,) if r else () for r in range(len(predicted))]
    return Plan(
        method=method,
        name=model.method,
        behaviors=behaviors,
        predicted=predicted,
        parents=tuple(in_sequence if method.cascade else [()] * len(predicted)),
        unit_names=unit_names,
        units=units,
        embedding_dim=model.embedding_dim,
        tower_widths=model.tower_widths,
        dropout=model.dropout,
        embedding_stddev=model.embedding_stddev,
        shares_users=shares,
        shares_items=shares and method.shares_items,
        separates_parts=(
            not shares and not method.predicts_all and any(unit.has_two_parts for unit in units)
        ),
        item_bias=_or(model.item_bias, method.item_bias),
        objective=training.objective,
        loss=training.loss or method.loss,
        samples_channels=method.samples_channels,
        channel_weights=channel_weights(model.method, training, behaviors) if method.samples_channels else (),
        stages=_stages(model, training, method, predicted),
    )


def _or(option: bool | None, own: bool) -> bool:
    """The option, or the method's own where it is not given."""
    return own if option is None else option


def _units(model: ModelConfig, method: Method, predicted: tuple[str, ...]) -> tuple[Any, ...]:
    """The unit of every predicted behavior: as given, or the method's own."""
    names = tuple(unit_name(unit) for unit in model.units) or (method.unit,) * len(predicted)
    if len(names) != len(predicted):
        raise InputError(
            f"`units` should name one unit for each of the {len(predicted)} behaviors "
            f"({', '.join(predicted)}). Received: {','.join(map(str, names))}."
        )
    return names


def _stages(
    model: ModelConfig, training: TrainingConfig, method: Method, predicted: tuple[str, ...]
) -> tuple[Stage, ...]:
    """One stage for all behaviors, or one for each, weakest first.

    A later stage of sequential training goes on with the embeddings and keeps what earlier units learned.
    With `num_epochs` for each stage, all stages together see as many instances as multi-task training does.

    Differs from the paper: it does not say what becomes of units that were trained before. Here they and
    their item biases are frozen, while the embeddings, which are shared, go on moving under them.
    """
    weights = behavior_weights(model.method, training, predicted)
    if training.train_mode == "multitask":
        return (Stage(predicted, weights, training.num_epochs),)
    if len(predicted) < 2 or not method.cascade:
        raise InputError(
            f"`train_mode=sequential` goes from behavior to behavior of a cascade: expected an NMTR method "
            f"and at least two behaviors. Received: `method={model.method}` for {', '.join(predicted)}."
        )
    epochs = training.stage_epochs or (training.num_epochs,) * len(predicted)
    if len(epochs) != len(predicted):
        raise InputError(
            f"`stage_epochs` should hold one number for each of the {len(predicted)} behaviors "
            f"({', '.join(predicted)}). Received: {len(epochs)}."
        )
    return tuple(
        Stage((name,), (1.0,), count, tuple(other for other in predicted if other != name))
        for name, count in zip(predicted, epochs, strict=True)
    )
