"""The examples of docs/extending.md run as they stand, and are as short as it says."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nmtr_tf as nt
from nmtr_tf.data.logs.formats import FORMATS
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.baselines import BASELINES
from nmtr_tf.evaluation.metrics import METRICS
from nmtr_tf.methods.unit_kinds import UNITS
from nmtr_tf.training.objectives import LOSSES, OBJECTIVES
from nmtr_tf.training.optimizers import OPTIMIZERS

PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def own_tables(monkeypatch):
    """What is registered stays in the test."""
    for table in (UNITS, LOSSES, OBJECTIVES, OPTIMIZERS, METRICS, BASELINES, FORMATS):
        monkeypatch.setattr(table, "_parts", dict(table))


def test_no_example_is_longer_than_ten_lines():
    assert len(BLOCKS) == 11
    for block in BLOCKS:
        lines = [line for line in block.splitlines() if line.strip()]
        assert len(lines) <= 10, block


@pytest.mark.slow
def test_the_examples_run(tmp_path, monkeypatch, capsys, own_tables):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    runs: list[nt.Run] = []
    for block in BLOCKS:
        exec(compile(block, "docs/extending.md", "exec"), names)
        if "nt.fit(" in block:
            runs.append(names["run"])
    cosine, *others = [run.config for run in runs]
    assert cosine.model.units == ("gmf", "cosine")
    assert [config.training.loss for config in others] == ["hinge", "", ""]
    assert [config.training.objective for config in others] == ["sampled", "calm_biases", "sampled"]
    assert [config.training.optimizer for config in others] == ["adagrad", "adagrad", "momentum"]
    items = {run.model.get_weights()[1].tobytes() for run in runs}
    assert len(items) == len(runs)  # each part made a difference

    opened = nt.Run("out/cosine")
    assert opened.config == cosine
    pd.testing.assert_frame_equal(opened.recommend(k=3), runs[0].recommend(k=3))

    printed = capsys.readouterr().out
    ranks = runs[-1].ranks("test")["rank"]
    assert all(name in printed for name in ("HR@5", "NDCG@10", "top@5", "top@10"))
    assert runs[-1].evaluation().metrics["top@5"] == pytest.approx(np.maximum(0, 1 - ranks / 5).mean())

    same = nt.evaluate_baseline(names["dataset"], "popularity_all")
    assert names["evaluation"].method == "most_touched"
    assert names["evaluation"].ranks.tolist() == same.ranks.tolist()
    assert names["log"].behaviors == ("view", "buy")
    assert len(names["log"]) == 4


def test_a_part_without_a_name_trains_in_memory_but_is_not_saved(shop, tmp_path):
    class Plain(nt.Unit):
        def user_part(self, p):
            return p

        def item_part(self, q):
            return q

        def combine(self, user_part, item_part, training=False):
            import tensorflow as tf

            return tf.matmul(user_part, item_part, transpose_b=True)

    options: dict[str, Any] = {"method": "gmf", "units": (Plain,), "num_epochs": 1, "embedding_dim": 4}
    run = nt.fit(shop, **options)
    assert run.is_finished
    with pytest.raises(InputError, match="`units` holds Plain, which has no registered name"):
        nt.fit(shop, workdir=tmp_path / "run", **options)
    with pytest.raises(InputError, match="`units` holds Plain, which has no registered name"):
        run.export(tmp_path / "models")
    assert not list(tmp_path.iterdir())


def test_a_run_whose_parts_nobody_registered_is_refused_in_one_line(shop, tmp_path, own_tables):
    nt.register_unit("plain", type("Plain", (UNITS["gmf"].unit_class,), {}))
    nt.fit(shop, method="gmf", units=("plain",), num_epochs=1, embedding_dim=4, workdir=tmp_path / "run")
    del UNITS._parts["plain"]
    run = nt.Run(tmp_path / "run")
    assert run.info.method == "gmf"
    with pytest.raises(
        InputError, match=r"`units` should name a known .*registered first.* Received: 'plain'"
    ) as e:
        run.recommend(k=1)
    assert "\n" not in str(e.value)
