"""What plays a training in searches."""

from types import SimpleNamespace

import pytest

from nmtr_tf.tuning import trial_run


class Stub:
    """What callbacks need of a model."""

    stop_training = False


@pytest.fixture
def script(monkeypatch):
    """Puts runs in the place of `fit`: a run is its validation value in each epoch; exceptions are raised."""

    def play(*runs):
        left, configs = list(runs), []

        def fit(dataset, config, callbacks):
            configs.append(config)
            run, model = left.pop(0), Stub()
            if isinstance(run, Exception):
                raise run
            for callback in callbacks:
                callback.set_model(model)
                callback.set_params({})
                callback.on_train_begin()
            values = []
            for epoch, value in enumerate(run):
                if isinstance(value, Exception):
                    raise value
                logs = {"train/loss": 1.0}
                if value is not None:
                    values.append((value, -epoch))
                    logs |= {"validation/HR@10": 2 * value, "validation/NDCG@10": value}
                for callback in callbacks:
                    callback.on_epoch_end(epoch, logs)
                if model.stop_training:
                    break
            return SimpleNamespace(info=SimpleNamespace(best_epoch=1 - max(values)[1] if values else None))

        monkeypatch.setattr(trial_run, "fit", fit)
        monkeypatch.setattr(trial_run.keras.utils, "clear_session", lambda: None)  # nothing was built
        return configs

    return play
