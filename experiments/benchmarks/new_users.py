"""Recommendations for users of no training, by the events that a call gives, from an exported model."""

import tempfile

import numpy as np

from experiments.benchmarks.rows import Rows, Target, measured
from experiments.benchmarks.serving import BASELINE, ask_client, served_view
from experiments.benchmarks.setting import Setting
from nmtr_tf.config import RunConfig
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.serving.export import save_model

_EVENTS = 50
_SMALL = (
    10_000  # items, up to which an answer is to take so many milliseconds, above a multiple of the product
)
_SECONDS, _PRODUCT = Target("<=", 3, "ms"), Target("<=", 1.5)
_OPTIONS = {"method": "nmtr_gmf", "user_rows": "history", "objective": "whole_data"}


def measure(setting: Setting) -> Rows:
    """p50 and p99 of one new user of 50 events, beside a matrix product of the same E and a top-k."""
    for num_items in setting.num_items:
        calls = 20 if setting.quick else 200 if num_items <= 100_000 else 50
        with tempfile.TemporaryDirectory() as folder:
            k = min(100, num_items)
            _export(folder, setting.num_users, num_items, k)
            times = ask_client(folder, k, setting.num_users, calls, num_items, _EVENTS)
        one, bare = (1e3 * np.array(times[name]) for name in ("one", "bare_one"))
        what = f"serve nmtr_gmf on histories, {num_items:,} items: a new user of {_EVENTS} events"
        target = _SECONDS if num_items <= _SMALL else _PRODUCT
        for name, percentile, wanted in (("p50", 50, target), ("p99", 99, None)):
            baseline = BASELINE, np.percentile(bare, percentile)
            yield measured(f"{what}, {name}", np.percentile(one, percentile), "ms", baseline, wanted)


def _export(folder: str, num_users: int, num_items: int, k: int) -> None:
    view = served_view(num_users, num_items)
    plan = resolve(RunConfig().with_options(**_OPTIONS), view.behaviors)
    model = build_model(plan, num_users, num_items, 0, histories_of(view))
    save_model(folder, model, view, k, left_out=view.target)
