"""What an exported model keeps of its items."""

from collections.abc import Sequence

import tensorflow as tf
from typing_extensions import override

from nmtr_tf.models.network import Network

Items = tuple[list[tf.Tensor], list[tf.Tensor]]
"""Item parts and biases, one of each for each behavior that was asked for."""


class ExportedItems(tf.Module):
    """Item parts and biases as the model itself computes them, from its variables.

    Args:
        net: The parts of the model.

    Attributes:
        weights: The variables.
    """

    def __init__(self, net: Network):
        super().__init__()
        self.network, self.weights = net, [v.value for v in net.item_rows.variables]

    def all(self, terms: Sequence[int]) -> Items:
        """Item parts float32 [num_items, D] and biases [num_items] of some behaviors, from 0."""
        return self.network.all_item_parts(terms), self.network.item_rows.all_biases(terms)

    def some(self, items: tf.Tensor, terms: Sequence[int]) -> Items:
        """Item parts float32 [..., D] and biases [...] of some behaviors for items int32 [...]."""
        return self.network.item_parts(items, terms), self.network.item_rows.bias_rows(items, terms)


class ComputedItems(ExportedItems):
    """Item parts and biases that were computed once, at export.

    Args:
        net: The parts of the model.
    """

    def __init__(self, net: Network):
        super(ExportedItems, self).__init__()
        everything = range(len(net.behaviors))
        self.parts = [kept(part) for part in net.all_item_parts(everything)]
        self.biases = [kept(bias) for bias in net.item_rows.all_biases(everything)]
        self.weights = [*self.parts, *self.biases]

    @override
    def all(self, terms):
        return [self.parts[r].read_value() for r in terms], [self.biases[r].read_value() for r in terms]

    @override
    def some(self, items, terms):
        parts = [tf.gather(self.parts[r], items) for r in terms]
        return parts, [tf.gather(self.biases[r], items) for r in terms]


def exported_items(net: Network) -> ExportedItems:
    """The way that saves work: item parts of inner products are the item vectors as they are."""
    return ExportedItems(net) if net.is_inner_product else ComputedItems(net)


def kept(values) -> tf.Variable:
    """Values that stand beside the graph, never in it, and do not change."""
    return tf.Variable(values, trainable=False)
