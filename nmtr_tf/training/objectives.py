"""What is minimised, and on which batches: one object for each way of learning.

An objective answers three questions: which stream of batches it wants (`sampler`), what the loss of each
behavior on a batch is, as a sum and the number of instances that it is a sum over (`losses`), and what the L2
of a batch is (`penalty`).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import Plan
from nmtr_tf.models.network import Network
from nmtr_tf.registry import Registry
from nmtr_tf.training.losses import bpr_loss, log_loss, squared_loss
from nmtr_tf.training.objective import Objective
from nmtr_tf.training.pair_scores import pair_logits
from nmtr_tf.training.sampling import BehaviorBatch
from nmtr_tf.training.shared import Contrastive, Softmax
from nmtr_tf.training.whole_data import WholeData


@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss of positives and their sampled negatives: a row of the table.

    Attributes:
        function: (positive logits [n], negative logits [n, num_negatives], weights of the positives [n] and
            of the negatives [n]) -> float32 scalar, a sum; see `nmtr_tf.training.losses`.
        is_pairwise: Whether it sums over pairs of a positive and a negative; false: over positives and
            negatives.
        gives_probabilities: Whether the sigmoid of a logit that it trains is a probability (Eq. 5).
    """

    function: Callable[..., tf.Tensor]
    is_pairwise: bool = False
    gives_probabilities: bool = False


LOSSES: Registry[Loss] = Registry("loss", "loss")
LOSSES.register("log", Loss(log_loss, gives_probabilities=True))
LOSSES.register("bpr", Loss(bpr_loss, is_pairwise=True))
LOSSES.register("squared", Loss(squared_loss))


def find_loss(loss: Any) -> Loss:
    """The row of a loss that is given by its registered name or as a function.

    Raises:
        InputError: If there is no such loss.
    """
    name = loss_name(loss)
    if isinstance(name, str):
        return LOSSES.find(name)
    if not callable(loss):
        raise InputError(f"`loss` should be a name or a function of sampled pairs. Received: {loss!r}.")
    return Loss(loss)


def gives_probabilities(plan: Plan) -> bool:
    """Whether the sigmoids of a trained model's logits are probabilities (Eq. 5); else they only order."""
    return objective_name(plan.objective) == "sampled" and find_loss(plan.loss).gives_probabilities


def loss_name(loss: Any) -> Any:
    """The registered name of a loss that is given by name or as a function; one without a name as it is."""
    return loss if isinstance(loss, str) else LOSSES.name_of(lambda row: row.function is loss) or loss


def register_loss(name: str, function: Any = None, *, is_pairwise: bool = False) -> Any:
    """Gives a loss of sampled pairs a name, which the option `loss` knows it by from then on.

    Args:
        name: The name.
        function: (positive logits float32 [n], negative logits float32 [n, num_negatives], weights of the
            positives float32 [n] and of the negatives float32 [n]) -> float32 scalar, the sum over the
            instances, each with its weight. None: the result decorates one.
        is_pairwise: Whether it sums over pairs of a positive and a negative, not over positives and
            negatives; what is shown per instance is divided by their number.
    """
    if function is None:
        return lambda decorated: register_loss(name, decorated, is_pairwise=is_pairwise)
    LOSSES.register(name, Loss(function, is_pairwise))
    return function


class SampledPairs(Objective):
    """A loss of observed pairs and their sampled negatives; labels are implicit (Eq. 12 and its kin)."""

    def __init__(self, plan: Plan):
        super().__init__(plan)
        self._loss = find_loss(plan.loss)

    def loss(self, net: Network, r: int, batch: BehaviorBatch) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss, and how many instances it sums over; only what the behavior's logit needs is computed."""
        logits = pair_logits(net, r, batch)
        weights = batch.positive_weights, batch.negative_weights
        num_sampled = batch.negatives.shape[1] * tf.reduce_sum(batch.negative_weights)
        count = num_sampled if self._loss.is_pairwise else tf.reduce_sum(weights[0]) + num_sampled
        return self._loss.function(logits[:, 0], logits[:, 1:], *weights), count


OBJECTIVES: Registry[type[Objective]] = Registry("objective", "objective")
OBJECTIVES.register("sampled", SampledPairs)
OBJECTIVES.register("softmax", Softmax)
OBJECTIVES.register("contrastive", Contrastive)
OBJECTIVES.register("whole_data", WholeData)


def objective_name(objective: Any) -> Any:
    """The registered name of an objective that is given by name or as its class, or the class as it is."""
    if isinstance(objective, str):
        return objective
    return OBJECTIVES.name_of(lambda row: row is objective) or objective


def register_objective(name: str, objective: Any = None) -> Any:
    """Gives a subclass of `Objective` a name, which the option `objective` knows it by from then on.

    Args:
        name: The name.
        objective: The class; None: the result decorates one.
    """
    if objective is None:
        return lambda decorated: register_objective(name, decorated)
    return OBJECTIVES.register(name, objective)


def make_objective(plan: Plan) -> Objective:
    """The objective of a plan.

    Raises:
        InputError: If there is no such objective, or no such loss.
    """
    objective = plan.objective
    if isinstance(objective, str):
        objective = OBJECTIVES.find(objective)
    if not (isinstance(objective, type) and issubclass(objective, Objective)):
        raise InputError(
            f"`objective` should be a name or a subclass of nmtr_tf.Objective. Received: {objective!r}."
        )
    return objective(plan)
