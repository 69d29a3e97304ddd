"""What an epoch is where the weights have a closed form: their solution, and there is but one."""

from collections.abc import Callable

import keras
import numpy as np

from nmtr_tf.data.pairs import all_as_one, histories_of
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.methods.closed_form import Problem, gated_rows, item_scales, item_weights, minimum, problem_of
from nmtr_tf.methods.low_rank import low_rank_weights
from nmtr_tf.methods.plan import Plan
from nmtr_tf.models.network import network
from nmtr_tf.training.state import Position


class ClosedFormLearner:
    """Solves for the item-to-item weights of the target, from all behaviors as one.

    Args:
        model: Made by `build_model`.
        plan: What it was built for.
        view: The training view.

    Attributes:
        num_steps: Steps of an epoch.
        totals: Nothing.
        cost: Multiply-adds of an epoch, about: an inverse of items by items, or of the rank times as many.
    """

    num_steps = 1
    totals: tuple = ()

    def __init__(self, model: keras.Model, plan: Plan, view: TrainingView):
        self._rows, self._plan, self._view = network(model).user_rows, plan, view
        self.cost = float(view.num_items) ** 2 * (plan.linear.linear_rank or view.num_items)

    def epoch(
        self, before: Callable[[int], object], after: Callable[[int], object], start: Position | None = None
    ) -> dict[str, float]:
        """Solves, and writes the weights into the model.

        Args:
            before: Called with 0 before.
            after: Called with 0 after.
            start: Of no matter: the solution does not depend on what was before.

        Returns:
            "train/loss" and "train/loss_<target>": the least squares with their L2 terms, per user, of the
            weights between different items, before any discount; of low rank, those of the inputs of this
            rank.

        Raises:
            InputError: If `linear_lambda` is too small for float32.
        """
        before(0)
        view, options = self._view, self._plan.linear
        gates = self._plan.linear_gates
        problem = problem_of(
            gated_rows(histories_of(view), gates) if gates else all_as_one(view),
            view.target,
            options.linear_lambda,
            options.linear_beta,
            options.linear_dropout,
            options.linear_theta,
        )
        weights, loss = self._solution(problem)
        for variable, values in zip(self._rows.item_weights, weights, strict=True):
            variable.assign(values)
        loss /= view.num_users
        after(0)
        return {"train/loss": loss, f"train/loss_{view.target_behavior}": loss}

    def _solution(self, problem: Problem) -> tuple[list[np.ndarray], float]:
        """B with its discount, or its factors, and what the least squares come to without."""
        options = self._plan.linear
        scales = item_scales(problem, options.linear_discount)
        try:
            if rank := options.linear_rank:
                found = low_rank_weights(problem, rank)
                return [found.left, found.right * scales[:, None]], found.minimum
            weights = item_weights(problem)
        except np.linalg.LinAlgError:
            raise InputError("`linear_lambda` is too small for these data to be solved in float32.") from None
        loss = minimum(problem, weights)
        weights *= scales
        np.fill_diagonal(weights, options.linear_diagonal)
        return [weights], loss
