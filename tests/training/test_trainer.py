"""The training loop."""

import dataclasses

import keras
import numpy as np
import pytest
from conftest import BEHAVIORS, make_view

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.models.network import network
from nmtr_tf.models.optimizers import Adagrad, Adam
from nmtr_tf.training.trainer import train


@pytest.fixture
def gmf_config(small_config):
    """GMF of one behavior, where the model does not matter."""
    return small_config.with_options(method="gmf", embedding_dim=4)


def new_model(view, config):
    plan = resolve(config, view.behaviors)
    return plan, build_model(plan, view.num_users, view.num_items, seed=0)


def run(shop, config, callbacks=(), validation="random"):
    view = shop.training_view(validation=validation)
    plan, model = new_model(view, config)
    return model, view, train(model, plan, view, config, callbacks)


def assert_same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_the_loss_falls(history):
    losses = [logs["train/loss"] for logs in history]
    assert losses[-1] < 0.95 * losses[0]
    assert history[0]["train/loss_view"] == pytest.approx(np.log(2), abs=0.15)


def test_a_cpu_run_repeats_bit_for_bit(shop, small_config):
    config = small_config.with_options(units=("gmf", "gmf", "neumf"), num_epochs=6)
    (one, _, first), (two, _, second) = run(shop, config), run(shop, config)
    assert first == second
    assert_same_weights(one, two)
    assert_the_loss_falls(first.history)
    assert isinstance(one.optimizer, Adagrad)


@pytest.mark.slow
def test_the_loss_falls_with_adam(shop, gmf_config):
    config = gmf_config.with_options(method="nmtr_gmf", optimizer="adam", num_epochs=6)
    model, _, done = run(shop, config)
    assert_the_loss_falls(done.history)
    assert isinstance(model.optimizer, Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)


@pytest.mark.slow
def test_another_seed_is_another_run_and_steps_per_call_are_not(shop, gmf_config):
    one, _, first = run(shop, gmf_config.with_options(steps_per_call=1))
    many, _, _ = run(shop, gmf_config.with_options(steps_per_call=100))
    _, _, other = run(shop, gmf_config.with_options(steps_per_call=1, seed=1))
    assert_same_weights(one, many)
    assert first.history != other.history


@pytest.mark.parametrize("same_users", [True, False])
def test_logs_hold_the_metrics_of_the_evaluated_epochs(shop, gmf_config, same_users):
    config = gmf_config.with_options(num_epochs=3, eval_every=2, curve_split="test")
    view = shop.training_view()
    both = np.intersect1d(*[pairs[:, 0] for pairs in view.held_out.values()])
    held_out = {split: pairs[np.isin(pairs[:, 0], both)] for split, pairs in view.held_out.items()}
    if not same_users:
        held_out["validation"] = held_out["validation"][1:]
    view = dataclasses.replace(view, held_out=held_out)
    plan, model = new_model(view, config)
    done = train(model, plan, view, config)
    assert [logs["epoch"] for logs in done.history] == [1, 2, 3]
    assert ["validation/HR@5" in logs for logs in done.history] == [False, True, True]  # the last always
    best = max(done.history[1:], key=lambda logs: logs["validation/NDCG@10"])  # whose weights the model has
    assert (done.best_epoch, done.best_value) == (best["epoch"], best["validation/NDCG@10"])
    assert done.num_evaluated == {split: len(pairs) for split, pairs in held_out.items()}
    for split in ("validation", "test"):
        ranks = rank_held_out(ModelScorer(model), view, split, config.evaluation)
        expected = mean_metrics(ranks, config.evaluation)
        assert {name: best[f"{split}/{name}"] for name in expected} == expected


class UnitsAndBiases(keras.callbacks.Callback):
    """Remembers units and item biases around each epoch, a list of arrays per behavior, and steps taken."""

    def __init__(self):
        super().__init__()
        self.before: list[list[list[np.ndarray]]] = []
        self.after: list[list[list[np.ndarray]]] = []
        self.num_steps: list[int] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.before.append(parts_of(self.model))

    def on_epoch_end(self, epoch, logs=None):
        self.after.append(parts_of(self.model))
        self.num_steps.append(int(self.model.optimizer.iterations))


def parts_of(model):
    net = network(model)
    parts = zip(net.cascade.units, net.item_rows.biases, strict=True)
    return [[*unit.get_weights(), np.array(bias)] for unit, bias in parts]


@pytest.mark.slow  # what is cut and goes on, in test_checkpoints.py, is trained in sequence too
@pytest.mark.parametrize(
    ("units", "share"),
    [(("gmf",) * 3, True), (("gmf", "neumf", "mlp"), False)],
    ids=["gmf", "mixed"],
)
def test_sequential_training(shop, small_config, units, share):
    config = small_config.with_options(train_mode="sequential", stage_epochs=(2, 1, 2), optimizer="adam")
    config = config.with_options(units=units, share_embeddings=share, embedding_dim=4)
    seen = UnitsAndBiases()
    _, _, done = run(shop, config, [seen])
    stage_of_epoch = [0, 0, 1, 2, 2]
    for epoch, (before, after) in enumerate(zip(seen.before, seen.after, strict=True)):
        for r, (old, new) in enumerate(zip(before, after, strict=True)):
            same = all(np.array_equal(a, b) for a, b in zip(old, new, strict=True))
            assert same == (r != stage_of_epoch[epoch])  # bit for bit
    assert [logs["epoch"] for logs in done.history] == [1, 2, 3, 4, 5]
    for logs, stage in zip(done.history, stage_of_epoch, strict=True):
        assert [name for name in logs if "/loss_" in name] == [f"train/loss_{BEHAVIORS[stage]}"]
        split = "validation" if stage == 2 else f"validation_{BEHAVIORS[stage]}"
        assert [name for name in logs if name.endswith("/NDCG@10")] == [f"{split}/NDCG@10"]
    num_steps = seen.num_steps
    assert num_steps[1] == 2 * num_steps[0]
    assert num_steps[4] == 2 * num_steps[3]  # a new optimizer began to count


class Script(keras.callbacks.Callback):
    """Makes the model remember its epoch and gives the monitored value, of any stage, from a list."""

    def __init__(self, values):
        super().__init__()
        self.values = values
        self.optimizers: list[keras.optimizers.Optimizer] = []
        self.begun: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(epoch_of(self.model))

    def on_epoch_end(self, epoch, logs=None):
        bias = network(self.model).item_rows.biases[-1]
        bias.assign(np.full(bias.shape, epoch, np.float32))
        (monitored,) = [name for name in logs if name.endswith("/NDCG@10")]
        logs[monitored] = self.values[epoch]
        self.optimizers.append(self.model.optimizer)


def epoch_of(model):
    return float(network(model).item_rows.biases[-1][0])


@pytest.fixture
def sequential_config(gmf_config):
    """Three stages, each of which stops after two epochs without improvement."""
    return gmf_config.with_options(
        method="nmtr_gmf", train_mode="sequential", stage_epochs=(1, 4, 5), patience=2
    )


@pytest.mark.slow
def test_every_stage_stops_early_and_hands_on_its_best_weights(shop, sequential_config, tmp_path):
    """And the optimizer that a user has compiled trains every stage, a copy of it each."""
    config = sequential_config
    view = shop.training_view()
    plan, model = new_model(view, config)
    model.compile(optimizer=keras.optimizers.SGD(0.125, momentum=0.5))
    given, script = model.optimizer, Script([0.9, 0.7, 0.6, 0.6, 0.1, 0.3, 0.2, 0.1, 0.9])
    done = train(model, plan, view, config, [script], tmp_path / "best.keras")
    assert len(done.history) == 8
    assert script.begun == [0, 0, 1, 2, 1, 4, 5, 6]  # the fifth epoch begins from the second's weights
    assert (done.best_epoch, done.best_value, done.stage_epochs) == (6, 0.3, (1, 1, 2))
    for kept in (model, keras.models.load_model(tmp_path / "best.keras")):
        assert epoch_of(kept) == 5
    assert len({id(optimizer) for optimizer in script.optimizers}) == 3
    for optimizer in script.optimizers:
        assert type(optimizer) is keras.optimizers.SGD
        assert optimizer.get_config() == given.get_config()
    assert int(given.iterations) == 0
    num_steps = [int(optimizer.iterations) for optimizer in script.optimizers]
    assert min(num_steps) > 0
    assert num_steps[-1] % 4 == 0  # four epochs


@pytest.mark.slow
def test_whoever_else_stops_a_stage_ends_the_training(shop, sequential_config, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

    view = shop.training_view()
    plan, model = new_model(view, sequential_config)
    callbacks = [Script([0.9, 0.7, 0.6]), Stop()]
    done = train(model, plan, view, sequential_config, callbacks, tmp_path / "best.keras")
    assert (len(done.history), epoch_of(model)) == (3, 2)
    assert (done.best_epoch, done.num_evaluated, done.stage_epochs) == (None, {}, (1, 1))
    assert not (tmp_path / "best.keras").exists()


def test_a_model_that_nobody_compiled_gets_the_configs_optimizer(shop, gmf_config):
    given = keras.optimizers.SGD(0.25, momentum=0.5)
    model, _, _ = run(shop, gmf_config.with_options(optimizer=given, num_epochs=1))
    assert model.optimizer is not given
    assert model.optimizer.get_config() == given.get_config()
    assert int(model.optimizer.iterations) > 0


def test_a_whole_number_is_a_learning_rate(shop, gmf_config):
    model, _, _ = run(shop, gmf_config.with_options(learning_rate=1, num_epochs=1, loss_reduction="mean"))
    assert float(model.optimizer.learning_rate) == 1.0


def test_without_validation_no_validation_metric(shop, gmf_config):
    _, _, done = run(shop, gmf_config, validation="none")
    assert not any("@" in name for logs in done.history for name in logs)
    assert (done.best_epoch, done.num_evaluated) == (None, {})


def test_best_epoch_is_what_is_kept_and_saved(shop, gmf_config, tmp_path):
    config = gmf_config.with_options(num_epochs=5, patience=2)
    view = shop.training_view()
    plan, model = new_model(view, config)
    callbacks = [Script([0.1, 0.3, 0.2, 0.2, 0.9])]
    done = train(model, plan, view, config, callbacks, tmp_path / "best.keras")
    assert len(done.history) == 4  # it stops after two without improvement
    assert (done.best_epoch, done.best_value) == (2, 0.3)
    for kept in (model, keras.models.load_model(tmp_path / "best.keras")):
        assert epoch_of(kept) == 1


def test_keras_callbacks_plug_in(shop, gmf_config):
    rates = iter([0.1, 0.01])
    seen: list[float] = []
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: next(rates))

    class Spy(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate))

    run(shop, gmf_config.with_options(steps_per_call=10**6), [scheduler, Spy()])
    assert seen == pytest.approx([0.1, 0.01])


def test_early_stopping_knows_that_metrics_rise(shop, gmf_config):
    """With mode="auto": the second epoch is better than the first, the third and fourth are worse."""
    stopping = keras.callbacks.EarlyStopping("validation/NDCG@10", patience=2)
    script = Script([0.1, 0.3, 0.2, 0.2, 0.9])
    config = gmf_config.with_options(num_epochs=5, patience=0)
    _, _, done = run(shop, config, [script, stopping])
    assert len(done.history) == 4
    assert stopping.best == 0.3


def test_a_loss_that_is_not_finite_is_an_error(shop, gmf_config):
    with pytest.raises(InputError, match=r"^The loss of buy is (nan|inf) in epoch 2, step 1; try a smaller"):
        run(
            shop, gmf_config.with_options(loss="squared", learning_rate=1e30, num_epochs=3), validation="none"
        )


@pytest.mark.slow
def test_a_behavior_with_a_slash_trains_and_is_saved(gmf_config, tmp_path):
    """Keras has no layer of that name; nor has it a reason to."""
    squares = np.indices((6, 8)).sum(axis=0) % 2
    matrices = {"view": squares, "add/cart": squares, "buy": squares}
    view = make_view(matrices, validation=[(0, 0), (1, 1)])
    config = gmf_config.with_options(method="nmtr_gmf", num_epochs=1, ks=(2,), monitor="HR@2")
    plan, model = new_model(view, config)
    done = train(model, plan, view, config, checkpoint=tmp_path / "best.keras")
    assert done.history[0]["train/loss_add/cart"] > 0
    loaded = keras.models.load_model(tmp_path / "best.keras")
    assert network(loaded).behaviors == ("view", "add/cart", "buy")
    ids = {"user_ids": np.arange(6), "item_ids": np.arange(6)}
    np.testing.assert_array_equal(loaded(ids)["add/cart"], model(ids)["add/cart"])
