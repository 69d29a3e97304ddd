"""What a method and its options mean for some behaviors, resolved once. It needs no TensorFlow.

Everything that builds, trains, evaluates or describes a model reads its `Plan`; nothing else asks the table
of methods what an option means.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from nmtr_tf.config import (
    ContrastConfig,
    HistoryConfig,
    LinearConfig,
    ModelConfig,
    RunConfig,
    TimeConfig,
    TrainingConfig,
)
from nmtr_tf.data.order import parents_of
from nmtr_tf.errors import InputError
from nmtr_tf.methods.combinations import CLOSED_FORM, CONTRASTIVE, learner_of
from nmtr_tf.methods.needs import check_combination
from nmtr_tf.methods.stages import Stage, resolve_stages
from nmtr_tf.methods.table import Method, get_method
from nmtr_tf.methods.unit_kinds import UnitKind, unit_kind, unit_name
from nmtr_tf.methods.unread import check_read, unread_options
from nmtr_tf.methods.weights import channel_weights, linear_gates, unobserved_weights
from nmtr_tf.time_section import NONE


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
        dropout: Dropout rate on the layers of a tower; in the whole-data loss on the vectors of users.
        embedding_stddev: Standard deviation of the initial embeddings.
        shares_users: Whether all behaviors have one user table.
        shares_items: Whether all behaviors have one item table.
        separates_parts: Whether the two parts of a unit such as NeuMF have embeddings of their own.
        item_bias: Whether there is an item bias for each behavior.
        objective: What is minimised: the name of an objective, or an object.
        unobserved_weights: Weight of an unobserved pair of each predicted behavior in the whole-data loss.
        loss: Name of a loss of sampled pairs, or a function.
        samples_channels: Whether negatives come from the channels of the auxiliary behaviors.
        channel_weights: Weight of each auxiliary behavior's channel, weakest first; empty: there are none.
        stages: The stages of training, in order.
        learner: What an epoch is: "gradient", "als", or "closed_form" where the weights are solved at once.
        linear: The options of weights in closed form.
        linear_gates: Weight of an item in a user's row there, by the strongest behavior shown; empty: 1 each.
        history: Whether the vectors of users come from their histories, and how.
        contrast: The options of losses with shared negatives.
        time: What item biases know of time.
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
    unobserved_weights: tuple[float, ...]
    loss: Any
    samples_channels: bool
    channel_weights: tuple[float, ...]
    stages: tuple[Stage, ...]
    learner: str
    linear: LinearConfig
    linear_gates: tuple[float, ...]
    history: HistoryConfig
    contrast: ContrastConfig
    time: TimeConfig

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
    def order(self) -> str:
        """What comes after what among the predicted behaviors, in words or, a chain, by arrows."""
        if self.parents == parents_of((), self.predicted):
            return " -> ".join(self.predicted)
        own = (" and ".join(self.predicted[s] for s in parents) for parents in self.parents)
        return ", ".join(
            f"{name} after {before}" if before else name
            for name, before in zip(self.predicted, own, strict=True)
        )

    @property
    def learned_from(self) -> tuple[str, ...]:
        """The behaviors whose rows the method reads: the predicted ones, or all that it samples from."""
        return self.behaviors if self.samples_channels or self.from_history else self.predicted

    @property
    def adds_linear(self) -> bool:
        """Whether weights in closed form are added to the target's logit, which are learned apart."""
        return self.method.adds_linear

    @property
    def has_item_weights(self) -> bool:
        """Whether there is a weight for every two items."""
        return self.is_closed_form or self.adds_linear

    @property
    def from_history(self) -> bool:
        """Whether users are sums over their histories, whatever else they are."""
        return self.is_closed_form or self.history.is_read

    @property
    def is_closed_form(self) -> bool:
        """Whether the weights are solved for at once."""
        return self.learner == CLOSED_FORM

    @property
    def normalizes_items(self) -> bool:
        """Whether the vectors of items are of unit length: what is learned are cosines."""
        return self.objective == CONTRASTIVE

    @property
    def timed_option(self) -> str:
        """An option that reads the times of training rows, with its value; "": none does."""
        if self.time.time_bias != NONE:
            return f"time_bias={self.time.time_bias}"
        half_life = self.history.history_half_life
        return f"history_half_life={half_life:g}" if half_life else ""

    @property
    def num_epochs(self) -> int:
        """Epochs at most, of all stages."""
        return sum(stage.num_epochs for stage in self.stages)


def resolve(config: RunConfig, behaviors: Sequence[str]) -> Plan:
    """The plan of a run.

    Args:
        config: Its order of the behaviors, how it learns and what.
        behaviors: Behaviors of the training view, weakest first, target last.

    Raises:
        InputError: If there is no such method, or an option does not fit it, the behaviors or another one.
    """
    plan = _plan(config, behaviors)
    check_combination(plan, config.training.strategy)
    check_read(config, plan)
    return plan


def of_method(config: RunConfig, behaviors: Sequence[str]) -> RunConfig:
    """Settings that several methods share, for this one: what it does not read has its default."""
    return config.with_options(**unread_options(config, _plan(config, behaviors)))


def _plan(config: RunConfig, behaviors: Sequence[str]) -> Plan:
    """The plan, not yet checked as a whole."""
    model, training = config.model, config.training
    behaviors, method = tuple(behaviors), get_method(model.method)
    predicted = behaviors if method.predicts_all else behaviors[-1:]
    unit_names = _units(model, method, predicted)
    shares = _or(model.share_embeddings, method.shares_embeddings)
    units = tuple(unit_kind(name) for name in unit_names)
    learner = learner_of(config, method, units)
    if learner == CLOSED_FORM:
        training = dataclasses.replace(training, num_epochs=1)  # there is nothing to go on with
    return Plan(
        method=method,
        name=model.method,
        behaviors=behaviors,
        predicted=predicted,
        parents=parents_of(config.data.after, predicted) if method.cascade else ((),) * len(predicted),
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
        item_bias=_or(model.item_bias, method.item_bias and training.objective != CONTRASTIVE),
        objective=_objective(training, method),
        unobserved_weights=unobserved_weights(training, predicted),
        loss=training.loss or method.loss,
        samples_channels=method.samples_channels,
        channel_weights=channel_weights(model.method, training, behaviors) if method.samples_channels else (),
        stages=resolve_stages(model, training, method, predicted),
        learner=learner,
        linear=config.linear,
        linear_gates=linear_gates(config.linear, behaviors),
        history=config.history.of_method(method.adds_linear),
        contrast=config.contrast,
        time=config.time,
    )


def _objective(training: TrainingConfig, method: Method) -> Any:
    """The option; by default what is added to a linear part learns as that does, from all pairs."""
    is_default = training.objective == TrainingConfig().objective
    return "whole_data" if method.adds_linear and is_default else training.objective


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
