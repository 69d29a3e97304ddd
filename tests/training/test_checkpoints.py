"""A training that goes on from a checkpoint ends as one that was never cut, bit for bit."""

import dataclasses
import io
import signal
from typing import Any

import numpy as np
import pytest
from conftest import LEAST_SQUARES

from nmtr_tf.errors import InputError, Interrupted
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.training.checkpoints import CheckpointFiles, Checkpoints
from nmtr_tf.training.state import Position, TrainingState
from nmtr_tf.training.trainer import train

# Calls of four steps, a call in the middle of every epoch and a shorter last one.
COMMON: dict[str, Any] = {"batch_size": 60, "steps_per_call": 4, "num_epochs": 3}
CASES: dict[str, dict[str, Any]] = {
    "stages": {"method": "nmtr_gmf", "train_mode": "sequential", "stage_epochs": (1, 1, 2), "patience": 1},
    "dropout": {"units": ("gmf", "gmf", "neumf"), "dropout": 0.3},
    "adam, early stop": {"method": "gmf", "optimizer": "adam", "learning_rate": 0.5, "patience": 1},
    "channels": {"method": "mc_neumf"},
    "whole data": {"method": "nmtr_gmf", "objective": "whole_data", "dropout": 0.3, "batch_size": 8},
    "als": {"method": "gmf", "objective": "whole_data", **LEAST_SQUARES},
    "compiled": {"method": "gmf", "batch_size": 8, "num_epochs": 40},
}
QUICK = ("stages",)


def run(shop, config, path, cut_at=0, start=None):
    """Trains with a checkpoint after every call; cut after `cut_at` of them (0: never)."""
    view = shop.training_view()
    plan = resolve(config, view.behaviors)
    model = build_model(plan, view.num_users, view.num_items, seed=0)
    asked = 0

    def stop_signal():
        nonlocal asked
        asked += 1
        return signal.SIGTERM if asked == cut_at else None

    checkpoints = Checkpoints(CheckpointFiles(path), 1, 0, start, stop_signal=stop_signal)
    done = train(model, plan, view, config, checkpoint=path / "best.keras", checkpoints=checkpoints)
    return model, done, asked


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_wherever_it_is_cut_it_ends_the_same(shop, small_config, tmp_path, case):
    config = small_config.with_options(**{**COMMON, **CASES[case]})
    model, whole, asked = run(shop, config, tmp_path / "whole")
    assert asked >= 2 * len(whole.history)
    places = {asked // 2} if case in QUICK else {1, 2, asked // 3, asked // 2 + 1, asked - 1, asked}
    for cut_at in places:
        path = tmp_path / str(cut_at)
        with pytest.raises(Interrupted, match="Stopped "):
            run(shop, config, path, cut_at)
        again, done, rest = run(shop, config, path, start=CheckpointFiles(path).load())
        assert rest == asked - cut_at  # nothing came twice
        assert done == whole
        for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


STATE = TrainingState(
    position=Position(1, 3, 5, 32, np.array([[1.5, 2.25]], np.float32)),
    variables=[np.arange(3, dtype=np.float32), np.array(7, np.int64)],
    best_weights=[np.array([0.5], np.float32)],
    best={"epoch": None, "value": -np.inf, "waited": 0, "has_stopped": False},
    history=[{"epoch": 1, "train/loss": 0.1}],
    stage_epochs=[3],
    is_stopped=True,
    notes={"seconds": 2.5},
)


def arrays_of(state):
    return [*state.variables, state.position.totals, *state.best_weights]


def assert_same(one, other):
    for a, b in zip(arrays_of(one), arrays_of(other), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    rest = ("best", "history", "stage_epochs", "is_stopped", "notes")
    assert [getattr(one, name) for name in rest] == [getattr(other, name) for name in rest]
    assert dataclasses.astuple(one.position)[:4] == dataclasses.astuple(other.position)[:4]


def test_a_state_comes_back_from_its_file(tmp_path):
    files = CheckpointFiles(tmp_path)
    assert files.load() is None
    files.save(STATE)
    assert_same(files.load(), STATE)


def flipped(data):
    """One bit of the middle is another."""
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", flipped])
def test_the_one_before_a_damaged_checkpoint_is_taken(tmp_path, damage):
    files, later = CheckpointFiles(tmp_path / "state"), dataclasses.replace(STATE, history=[])
    for state in (later, STATE, later):
        files.save(state)
    first, last = sorted(files.path.iterdir())  # the last two are kept
    last.write_bytes(damage(last.read_bytes()))
    with pytest.warns(UserWarning, match="damaged; training goes on from the checkpoint before"):
        assert_same(files.load(), STATE)
    files.save(later)
    assert_same(files.load(), later)
    assert len(list(files.path.iterdir())) == 2
    assert first.name < min(path.name for path in files.path.iterdir() if path != first)
    (files.path / ".00000009-half.1.npz").write_bytes(b"cut")  # while it was written
    assert_same(files.load(), later)
    assert len(list(files.path.iterdir())) == 2
    files.clear()
    assert not files.path.exists()
    files.clear()


def test_a_checkpoint_of_another_model_or_version_is_refused(shop, small_config, tmp_path):
    stage = dataclasses.replace(STATE, position=Position())
    with pytest.raises(InputError, match="of another model; begin the run anew with `resume=never`"):
        run(shop, small_config, tmp_path, start=stage)
    stream = io.BytesIO()
    np.savez(stream, facts=np.frombuffer(b'{"format": 0}', np.uint8))
    stream.seek(0)
    with pytest.raises(InputError, match=r"w/3\.npz: of another version; begin the run anew"):
        TrainingState.read(stream, "w/3.npz")


@pytest.mark.parametrize(
    ("steps", "seconds", "expected"), [(1, 0, 6), (4, 0, 3), (5, 0, 2), (0, 0, 0), (0, 1e-9, 6)]
)
def test_when_one_is_due_within_an_epoch(tmp_path, steps, seconds, expected):
    asked: list[int] = []
    checkpoints = Checkpoints(CheckpointFiles(tmp_path), steps, seconds)
    for _ in range(6):
        checkpoints.after_call(2, lambda: asked.append(1) or STATE)  # type: ignore[func-returns-value]
    assert len(asked) == expected
    checkpoints.after_epoch(STATE)
    assert len(list(tmp_path.iterdir())) == min(expected + 1, 2)


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    files = CheckpointFiles(tmp_path)
    files.save(STATE)
    bad = dataclasses.replace(STATE, variables=[np.array([1.0, np.nan], np.float32)])
    Checkpoints(files).after_epoch(bad)
    assert_same(files.load(), STATE)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (Position(0, 0, 2, 64), "Stopped in epoch 3, after step 64; go on"),
        (Position(0, 0, 2), "Stopped after epoch 2; go on"),
    ],
)
def test_whoever_asks_to_stop_gets_a_checkpoint_and_the_place(tmp_path, at, message):
    state = dataclasses.replace(STATE, position=at)
    files = CheckpointFiles(tmp_path)
    checkpoints = Checkpoints(files, 0, 0, stop_signal=lambda: signal.SIGTERM, advice="; go on")
    with pytest.raises(Interrupted, match=message) as caught:
        checkpoints.after_call(32, lambda: state) if at.step else checkpoints.after_epoch(state)
    assert caught.value.number == signal.SIGTERM
    assert_same(files.load(), state)


def test_going_on_may_change_the_learning_rate(shop, small_config, tmp_path):
    config = small_config.with_options(method="gmf", num_epochs=1, batch_size=10**6)
    model, _, _ = run(shop, config, tmp_path)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
    files = CheckpointFiles(tmp_path)
    view = shop.training_view()
    plan = resolve(config, view.behaviors)
    more = Checkpoints(files, start=files.load(), learning_rate=0.01)
    train(model, plan, view, config.with_options(num_epochs=2), checkpoints=more)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
