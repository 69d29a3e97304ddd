"""What a stage of training changes."""

from nmtr_tf.methods.stages import Stage
from nmtr_tf.models.network import Network
from nmtr_tf.models.rows import distinct


class TrainedPart:
    """The embeddings that a stage's logits need, and units and item biases that are not frozen.

    Args:
        net: The parts of the model.
        stage: The stage.

    Attributes:
        stage: The stage.
        user_tables: Distinct tables of users, float32 [num_users, row_size].
        item_tables: Distinct tables of items, those in histories among them, float32 [num_items, row_size].
        unit_weights: Weights of units, and gates of histories.
        ids: `id` of each of these variables and of the item biases.
    """

    def __init__(self, net: Network, stage: Stage):
        self.stage = stage
        terms = [net.cascade.terms(net.behaviors.index(name)) for name in stage.behaviors]
        used = sorted(set().union(*terms))
        free = [r for r in used if net.behaviors[r] not in stage.frozen]
        self.user_tables = net.user_rows.tables_of(used)
        self.item_tables = distinct([*net.item_rows.tables_of(used), *net.user_rows.item_tables])
        units = [weight for r in free for weight in net.cascade.units[r].trainable_variables]
        self.unit_weights = [*units, *net.user_rows.gates]
        biases = [one for r in free for one in net.item_rows.bias_variables(r)]
        lists = self.user_tables, self.item_tables, self.unit_weights, biases
        self.ids = {id(variable) for variable in distinct([one for own in lists for one in own])}
