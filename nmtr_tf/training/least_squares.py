"""Learning by alternating least squares: users, items and units in turn, each the best for the others."""

import dataclasses
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse

from nmtr_tf.config import TrainingConfig
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError
from nmtr_tf.methods.plan import Plan
from nmtr_tf.methods.stages import Stage
from nmtr_tf.models.network import network
from nmtr_tf.training.objectives import make_objective
from nmtr_tf.training.row_systems import RowSolver
from nmtr_tf.training.state import Position
from nmtr_tf.training.totals import batch_totals, epoch_logs
from nmtr_tf.training.trained import TrainedPart
from nmtr_tf.training.unit_system import UnitSolver, directions, offsets
from nmtr_tf.training.user_sampling import UserBatch
from nmtr_tf.training.whole_data import bias_terms, l2_weights
from nmtr_tf.workers import current_worker, own_share, summed

# Floats of the vectors of pairs that are gathered at once: 64 MiB.
_BATCH_FLOATS = 2**24


class LeastSquaresLearner:
    """Minimises the whole-data loss of mf and gmf by block-coordinate descent, without a learning rate.

    An epoch solves for the vectors of all users, then for those of all items with their biases, then for the
    weights h of all units at once, each exactly: the objective never rises but by rounding. The workers of a
    strategy share each of these; what is solved is sent to all.

    Args:
        model: Made by `build_model` and compiled; its optimizer is not used.
        plan: What it was built for.
        stage: What is trained: all behaviors.
        view: The training view.
        training: Coefficients of L2.

    Attributes:
        num_steps: Steps of an epoch: the blocks.
        cost: Multiply-adds of an epoch, roughly.
        totals: Nothing: the objective is computed once all blocks are solved.
    """

    totals: tuple = ()

    def __init__(
        self, model: keras.Model, plan: Plan, stage: Stage, view: TrainingView, training: TrainingConfig
    ):
        self._net, self._stage, self._training = network(model), stage, training
        self._strategy = tf.distribute.get_strategy()
        # Unused, but a compiled model is saved and loaded with an optimizer that knows its variables.
        if optimizer := getattr(model, "optimizer", None):
            optimizer.build(model.trainable_variables)
        self._objective, self._trained = make_objective(plan), TrainedPart(self._net, stage)
        matrices = [view.matrices[name] for name in stage.behaviors]
        num_pairs, size = max(1, sum(matrix.nnz for matrix in matrices)), plan.row_size
        users = max(1, _BATCH_FLOATS * view.num_users // (size * num_pairs))
        whole = dataclasses.replace(training, batch_size=users)
        self._sampler = self._objective.sampler(view, whole, stage.behaviors)
        self._has_biases = plan.item_bias
        weights, unobserved = stage.weights, plan.unobserved_weights
        of_users, of_items = (
            np.repeat(own[:, None], size, axis=1)
            for own in l2_weights(matrices, weights, unobserved, training.l2_power)
        )
        self._users = RowSolver(matrices, weights, unobserved, training.l2_user * of_users)
        of_items = np.pad(training.l2_item * of_items, [(0, 0), (0, len(matrices) * plan.item_bias)])
        self._items = []
        for table in self._trained.item_tables:
            readers = [r for r, one in enumerate(self._net.item_rows.tables) if one is table]
            turned = [sparse.csr_array(matrices[r].T) for r in readers]
            lambdas, c = ([values[r] for r in readers] for values in (weights, unobserved))
            self._items.append((table, readers, RowSolver(turned, lambdas, c, of_items)))
        self._units = UnitSolver(self._net, plan, stage, training.l2_unit)
        self._blocks = [self._solve_users, self._solve_items]
        if self._units.places:
            self._blocks.append(self._solve_units)
        self.num_steps = len(self._blocks)
        self.cost = 2 * num_pairs * size**2 + (view.num_users + view.num_items) * size**3 // 3

    def epoch(
        self, before: Callable[[int], object], after: Callable[[int], object], start: Position | None = None
    ) -> dict[str, float]:
        """One sweep over the blocks; arguments and result as those of `GradientLearner.epoch`.

        Raises:
            InputError: If a system has no solution in float32.
        """
        for step in range(start.step if start else 0, self.num_steps):
            before(step)
            with self._strategy.scope():
                self._blocks[step]()
            after(step)
        with self._strategy.scope():
            totals = [self._totals(batch).numpy() for batch in own_share(self._batches())]
            if current_worker().count > 1:
                nothing = np.zeros(1 + 2 * len(self._stage.behaviors))
                totals = [summed(np.stack([nothing, *totals]).sum(axis=0))]
        logs = epoch_logs(totals, self._stage)
        if not np.isfinite(logs["train/loss"]):
            raise InputError(
                "`learner=als` met equations without a solution; try a larger `l2_user`, `l2_item` and "
                f"`l2_unit`. Received: {self._training.l2_user:g}, {self._training.l2_item:g} and "
                f"{self._training.l2_unit:g}."
            )
        return logs

    def _batches(self) -> Iterator[UserBatch]:
        """All users once."""
        return iter(self._sampler.batches().take(self._sampler.steps_per_epoch))

    @tf.function(autograph=False, reduce_retracing=True)
    def _totals(self, batch: UserBatch) -> tf.Tensor:
        """The objective on some users, the losses and the numbers of pairs: float32 [1 + 2 R]."""
        total, losses, counts = batch_totals(self._net, self._objective, self._trained, self._training, batch)
        return tf.stack([total, *losses, *counts])

    def _solve_users(self) -> None:
        """Vectors of users; what is known of an item are its vector times H_r and its biases."""
        (table,) = self._trained.user_tables
        items = self._net.item_rows.all_rows(range(len(self._net.behaviors)))
        features = [q * direction for q, direction in zip(items, directions(self._net), strict=True)]
        table.assign(self._users(table.value, features, offsets(self._net)))

    def _solve_items(self) -> None:
        """Vectors and biases of items; what is known of a user is its vector times H_r, and a 1 a bias."""
        rows, ways = self._net.item_rows, directions(self._net)
        for table, readers, solver in self._items:
            (p,) = self._net.user_rows.all_rows(readers[:1])
            old, features = table.value, [p * ways[r] for r in readers]
            if self._has_biases:
                old = tf.concat([old, tf.stack(rows.all_biases(range(len(ways))), axis=1)], axis=1)
                ones = [tf.broadcast_to(bias_terms(self._net, r), [len(p), len(ways)]) for r in readers]
                features = [tf.concat(both, axis=1) for both in zip(features, ones, strict=True)]
            new = solver(old, features, [tf.zeros([len(p)])] * len(readers))
            table.assign(new[:, : rows.row_size])
            if self._has_biases:
                for bias, values in zip(
                    rows.biases, tf.unstack(new[:, rows.row_size :], axis=1), strict=True
                ):
                    bias.assign(values)

    def _solve_units(self) -> None:
        """The weights of all units."""
        self._units(self._batches())
