"""The best epoch, and which way Keras' own callbacks take to be better."""

import keras
import numpy as np
import pytest

from nmtr_tf.training.callbacks import BestEpoch, set_directions

NDCG, LOSS = "validation/NDCG@10", "train/loss"


def small_model():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer=keras.optimizers.SGD(0.5))
    return model


def play(callback, monitor, values, model=None):
    """Epochs with these values; the weight of the model is the number of the epoch. Returns it, trained."""
    model = model or small_model()
    set_directions([callback])
    hooks = keras.callbacks.CallbackList([callback], model=model)
    model.stop_training = False
    hooks.on_train_begin()
    for epoch, value in enumerate(values):
        model.set_weights([np.full((1, 1), epoch)])
        hooks.on_epoch_begin(epoch)
        hooks.on_epoch_end(epoch, {} if value is None else {monitor: value})
        if model.stop_training:
            break
    hooks.on_train_end()
    return model


def epoch_of(model):
    return float(model.get_weights()[0][0, 0])


UP, DOWN = [0.1, 0.3, 0.2, 0.2, 0.9], [0.9, 0.5, 0.6, 0.6, 0.1]


@pytest.mark.parametrize(("monitor", "values"), [(NDCG, UP), (LOSS, DOWN), ("train/loss_buy", DOWN)])
class TestKerasCallbacks:
    """With mode="auto": after the second epoch, two that are worse."""

    def test_early_stopping_stops_after_two_worse_epochs(self, monitor, values):
        stopping = keras.callbacks.EarlyStopping(monitor, patience=2, restore_best_weights=True)
        model = play(stopping, monitor, values)
        assert (stopping.stopped_epoch, stopping.best_epoch, stopping.best) == (3, 1, values[1])
        assert epoch_of(model) == 1

    def test_the_learning_rate_falls_on_the_plateau(self, monitor, values):
        rates: list[float] = []
        model = small_model()
        seen = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: rates.append(float(model.optimizer.learning_rate))
        )
        plateau = keras.callbacks.ReduceLROnPlateau(monitor, factor=0.5, patience=2)
        hooks = keras.callbacks.CallbackList([plateau, seen], model=model)
        set_directions([plateau, seen])
        hooks.on_train_begin()
        for epoch, value in enumerate(values):
            hooks.on_epoch_begin(epoch)
            hooks.on_epoch_end(epoch, {monitor: value})
        assert rates == [0.5, 0.5, 0.5, 0.5, 0.25]

    def test_the_checkpoint_is_the_best_epoch(self, monitor, values, tmp_path):
        path = tmp_path / "best.keras"
        play(keras.callbacks.ModelCheckpoint(path, monitor, save_best_only=True), monitor, values[:4])
        assert epoch_of(keras.models.load_model(path)) == 1


def test_a_mode_that_was_given_stays():
    stopping = keras.callbacks.EarlyStopping(NDCG, mode="min")
    plain = keras.callbacks.LambdaCallback()
    set_directions([stopping, plain])
    assert stopping.mode == "min"
    assert not hasattr(plain, "mode")


@pytest.mark.parametrize(
    ("values", "patience", "stops", "best"),
    [
        ([0.1, 0.3, 0.2, 0.2, 0.9], 2, True, 1),
        ([0.1, 0.3, 0.2, 0.4, 0.3], 2, False, 3),
        ([0.1, 0.1, 0.1, 0.1, 0.1], 0, False, 0),  # a tie is no improvement; patience 0 never stops
        ([None, 0.3, None, None, 0.2], 2, False, 1),  # epochs without evaluation are passed over
    ],
)
def test_best_epoch(tmp_path, values, patience, stops, best):
    callback = BestEpoch(NDCG, patience, tmp_path / "best.keras")
    model = play(callback, NDCG, values)
    assert model.stop_training == stops
    assert (callback.epoch, callback.value) == (best, values[best])
    for kept in (model, keras.models.load_model(tmp_path / "best.keras")):
        assert epoch_of(kept) == best


def test_without_any_value_the_last_weights_stay(tmp_path):
    callback = BestEpoch(NDCG, 1, tmp_path / "best.keras")
    model = play(callback, NDCG, [None] * 3)
    assert (callback.epoch, callback.value, epoch_of(model)) == (None, -np.inf, 2)
    assert not (tmp_path / "best.keras").exists()
