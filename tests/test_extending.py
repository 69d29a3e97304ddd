"""The examples of docs/extending.md run as they stand, and are as short as it says."""

import re
from pathlib import Path

import pandas as pd
import pytest

import nmtr_tf as nt
from nmtr_tf.errors import InputError

PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_no_example_is_longer_than_ten_lines():
    assert len(BLOCKS) == 11
    for block in BLOCKS:
        lines = [line for line in block.splitlines() if line.strip()]
        assert len(lines) <= 10, block


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in BLOCKS:
        exec(compile(block, "docs/extending.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "top@5" in printed
    assert "HR@10" in printed
    assert names["run"].config.training.optimizer == "momentum"
    assert names["evaluation"].metrics["HR@50"] == pytest.approx(1.0)  # of 40 items
    assert names["log"].behaviors == ("view", "buy")
    opened = nt.Run("out/cosine")
    assert opened.config.model.units == ("gmf", "gmf", "cosine")
    pd.testing.assert_frame_equal(opened.recommend(k=3), nt.Run("out/cosine").recommend(k=3))


def test_a_part_without_a_name_trains_in_memory_but_is_not_saved(shop, tmp_path):
    class Plain(nt.Unit):
        def user_part(self, p):
            return p

        def item_part(self, q):
            return q

        def combine(self, user_part, item_part, training=False):
            import tensorflow as tf

            return tf.matmul(user_part, item_part, transpose_b=True)

    options = {"method": "gmf", "units": (Plain,), "num_epochs": 1, "embedding_dim": 4}
    run = nt.fit(shop, **options)
    assert run.is_finished
    with pytest.raises(InputError, match="`units` holds Plain, which has no registered name"):
        nt.fit(shop, workdir=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
