"""The training loop."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
from conftest import BEHAVIORS

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.model import build_model, network
from nmtr_tf.models.optimizers import Adagrad, Adam
from nmtr_tf.models.plan import resolve
from nmtr_tf.training.trainer import train


@pytest.fixture
def gmf_config(small_config):
    """The smallest model, where the model does not matter."""
    return small_config.with_options(method="nmtr_gmf", embedding_dim=4)


def new_model(view, config, seed=0):
    plan = resolve(config, view.behaviors)
    return plan, build_model(plan, view.num_users, view.num_items, seed)


def run(shop, config, callbacks=(), validation="random", seed=0):
    view = shop.training_view(validation=validation)
    plan, model = new_model(view, config, seed)
    return model, view, train(model, plan, view, config, callbacks).history


def test_a_cpu_run_repeats_bit_for_bit(shop, small_config):
    (one, _, first), (two, _, second) = run(shop, small_config), run(shop, small_config)
    assert first == second
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_seed_is_another_run(shop, small_config):
    _, _, first = run(shop, small_config)
    _, _, second = run(shop, small_config.with_options(seed=1))
    assert first != second


def test_steps_per_call_do_not_change_the_result(shop, small_config):
    one, *_ = run(shop, small_config.with_options(steps_per_call=1))
    many, *_ = run(shop, small_config.with_options(steps_per_call=100))
    for a, b in zip(one.get_weights(), many.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", ["nmtr_gmf", "nmtr_mlp", "nmtr_neumf"])
@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
def test_the_loss_falls(shop, small_config, method, optimizer):
    config = small_config.with_options(num_epochs=6, optimizer=optimizer, loss_reduction="sum")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, method=method))
    _, _, history = run(shop, config)
    losses = [logs["train/loss"] for logs in history]
    assert losses[-1] < 0.95 * losses[0]
    assert history[0]["train/loss_view"] == pytest.approx(np.log(2), abs=0.15)


@pytest.mark.parametrize("same_users", [True, False])
def test_logs_hold_the_metrics_of_the_evaluated_epochs(shop, small_config, same_users):
    config = small_config.with_options(num_epochs=3, eval_every=2, curve_split="test")
    both = np.intersect1d(*[pairs[:, 0] for pairs in shop.held_out.values()])
    held_out = {split: pairs[np.isin(pairs[:, 0], both)] for split, pairs in shop.held_out.items()}
    if not same_users:
        held_out["validation"] = held_out["validation"][1:]
    shop = dataclasses.replace(shop, held_out=held_out)
    model, view, history = run(shop, config)
    assert [logs["epoch"] for logs in history] == [1, 2, 3]
    assert ["validation/HR@5" in logs for logs in history] == [False, True, True]  # the last epoch always
    best = max(history[1:], key=lambda logs: logs["validation/NDCG@10"])  # whose weights the model has
    for split in ("validation", "test"):
        ranks = rank_held_out(ModelScorer(model), view, split, config.evaluation).ranks
        expected = mean_metrics(ranks, config.evaluation.ks)
        assert {name: best[f"{split}/{name}"] for name in expected} == expected


class UnitsAndBiases(keras.callbacks.Callback):
    """Remembers units and item biases after each epoch, a list of arrays per behavior."""

    def __init__(self):
        super().__init__()
        self.epochs: list[list[list[np.ndarray]]] = []
        self.optimizers: list[int] = []

    def on_epoch_end(self, epoch, logs=None):
        net = network(self.model)
        parts = zip(net.cascade.units, net.item_biases, strict=True)
        self.epochs.append([[*unit.get_weights(), np.array(bias)] for unit, bias in parts])
        self.optimizers.append(int(self.model.optimizer.iterations))


@pytest.mark.parametrize(
    ("units", "share"),
    [(("gmf",) * 3, True), (("mlp",) * 3, False), (("neumf",) * 3, True), (("gmf", "neumf", "mlp"), False)],
)
def test_sequential_training(shop, small_config, units, share):
    config = small_config.with_options(train_mode="sequential", stage_epochs=(2, 1, 2), optimizer="adam")
    changes = {"units": units, "share_embeddings": share, "embedding_dim": 4}
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, **changes))
    seen = UnitsAndBiases()
    _, _, history = run(shop, config, [seen])
    stage_of_epoch = [0, 0, 1, 2, 2]
    fresh = [[[*unit.get_weights(), np.array(bias)] for unit, bias in fresh_parts(shop, config)]]
    for epoch, (before, after) in enumerate(itertools.pairwise(fresh + seen.epochs)):
        for r, (old, new) in enumerate(zip(before, after, strict=True)):
            same = all(np.array_equal(a, b) for a, b in zip(old, new, strict=True))
            assert same == (r != stage_of_epoch[epoch])  # bit for bit
    assert [logs["epoch"] for logs in history] == [1, 2, 3, 4, 5]
    for logs, stage in zip(history, stage_of_epoch, strict=True):
        assert [name for name in logs if "/loss_" in name] == [f"train/loss_{BEHAVIORS[stage]}"]
        assert ("validation/NDCG@10" in logs) == (stage == 2)
    num_steps = np.array(seen.optimizers)
    assert num_steps[1] == 2 * num_steps[0]
    assert num_steps[4] == 2 * num_steps[3]  # a new optimizer began to count


def fresh_parts(shop, config):
    view = shop.training_view()
    net = network(build_model(config.model, view.behaviors, view.num_users, view.num_items, 0))
    return zip(net.cascade.units, net.item_biases, strict=True)


def test_only_the_last_stage_selects_and_stops_early(shop, small_config):
    config = small_config.with_options(train_mode="sequential", stage_epochs=(1, 1, 5), patience=2)
    view = shop.training_view()
    model = build_model(config.model, view.behaviors, view.num_users, view.num_items, 0)
    done = train(model, view, config, [Script([None, None, 0.3, 0.2, 0.1, 0.9, 0.9])])
    assert len(done.history) == 5
    assert (done.best_epoch, done.best_value) == (3, 0.3)


def test_without_validation_no_validation_metric(shop, small_config):
    _, _, history = run(shop, small_config, validation="none")
    assert not any("@" in name for logs in history for name in logs)


class Script(keras.callbacks.Callback):
    """Makes the model remember its epoch and gives the monitored value from a list."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        self.model.get_layer("item_bias_buy").embeddings.assign(
            np.full(self.model.get_layer("item_bias_buy").embeddings.shape, epoch, np.float32)
        )
        logs["validation/NDCG@10"] = self.values[epoch]


@pytest.mark.parametrize(
    ("values", "patience", "epochs", "best"),
    [
        ([0.1, 0.3, 0.2, 0.2, 0.9], 2, 4, 1),  # stops after two without improvement
        ([0.1, 0.3, 0.2, 0.4, 0.3], 2, 5, 3),
        ([0.1, 0.1, 0.1, 0.1, 0.1], 0, 5, 0),  # a tie is no improvement; patience 0 never stops
    ],
)
def test_best_epoch(shop, small_config, tmp_path, values, patience, epochs, best):
    config = small_config.with_options(num_epochs=5, patience=patience)
    view = shop.training_view()
    model = build_model(config.model, view.behaviors, view.num_users, view.num_items, 0)
    done = train(model, view, config, [Script(values)], tmp_path / "best.keras")
    assert len(done.history) == epochs
    assert (done.best_epoch, done.best_value) == (best + 1, values[best])
    for kept in (model, keras.models.load_model(tmp_path / "best.keras", compile=False)):
        assert float(kept.get_layer("item_bias_buy").embeddings[0, 0]) == best


def test_keras_callbacks_plug_in(shop, small_config):
    rates = iter([0.1, 0.01])
    seen: list[float] = []
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: next(rates))

    class Spy(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate))

    run(shop, small_config.with_options(steps_per_call=10**6), [scheduler, Spy()])
    assert seen == pytest.approx([0.1, 0.01])


def test_a_loss_that_is_not_finite_is_an_error(shop, small_config):
    with pytest.raises(InputError, match=r"loss is .* in epoch \d; try a smaller --learning_rate"):
        run(shop, small_config.with_options(learning_rate=1e30, num_epochs=3))


def test_wrong_number_of_loss_weights(shop, small_config):
    with pytest.raises(InputError, match=r"one weight for each of the 3 behaviors .* Received: 2"):
        run(shop, small_config.with_options(loss_weights=(0.5, 0.5)))


def test_evaluation_sample(shop, small_config):
    view = shop.training_view()
    model = build_model(small_config.model, view.behaviors, view.num_users, view.num_items, 0)
    scorer = ModelScorer(model)

    def sample(num_instances, **changes):
        config = small_config.with_options(**changes)
        return evaluation_sample(view, "test", config, scorer, num_instances)

    assert sample(num_instances=10**9, eval_users=10) is None  # ranking is cheap next to the epoch
    assert sample(num_instances=1, eval_users=0) is None
    assert sample(num_instances=1, eval_users=10**6) is None
    drawn = sample(num_instances=1, eval_users=10)
    assert len(set(drawn)) == 10
    assert drawn.tolist() == sorted(drawn)
    assert drawn.max() < len(view.held_out["test"])
    np.testing.assert_array_equal(drawn, sample(num_instances=1, eval_users=10))
    assert drawn.tolist() != sample(num_instances=1, eval_users=10, seed=1).tolist()


def test_trained_on_a_checkerboard_it_knows_the_held_out_squares():
    """Even users like even items: the right answer is known."""
    squares = np.indices((12, 16)).sum(axis=0) % 2 == 0
    test = [(user, user % 2 + 2 * (user // 2)) for user in range(12)]
    buy = squares.copy()
    buy[tuple(zip(*test, strict=True))] = False
    view = make_interactions({"view": squares, "buy": buy}, test=test)
    config = RunConfig(
        model=ModelConfig(method="nmtr_gmf", embedding_dim=4, embedding_stddev=0.1),
        training=TrainingConfig(
            num_epochs=40, batch_size=16, learning_rate=0.1, loss_reduction="mean", monitor="HR@1"
        ),
        evaluation=EvaluationConfig(ks=(1,)),
    )
    model = build_model(config.model, view.behaviors, 12, 16, seed=0)
    train(model, view, config)
    ranks = rank_held_out(ModelScorer(model), view, "test", config.evaluation)
    assert ranks.ranks.tolist() == [0.0] * 12
