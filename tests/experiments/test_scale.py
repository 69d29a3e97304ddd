"""experiments.scale: formulas by hand, and the tables of docs/scale.md."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import call, refused

from experiments import scale
from experiments.benchmarks.sizes import (
    Setup,
    Size,
    data_bytes,
    epoch_seconds,
    model_bytes,
    step_bytes,
    strategy_of,
)
from experiments.benchmarks.worker_run import bytes_of
from nmtr_tf.training.sampling import BehaviorBatch

ROOT = Path(__file__).parents[2]
SIZE = Size(num_interactions=1000, num_users=10, num_items=5)
SETUP = Setup(
    num_behaviors=2,
    embedding_dim=3,
    workers=4,
    batch_size=100,
    gb_per_second=1e-6,
    memory_gb=1.0,
    pair_seconds=0.5,
    shown=1.5,
)


def test_memory_by_hand():
    assert data_bytes(SIZE, SETUP) == 26 * 1000 + (20 * 2 + 70) * 10 + 70 * 5
    assert model_bytes(SIZE, SETUP) == 12 * (3 * 15 + 2 * 5)
    assert model_bytes(SIZE, SETUP, has_users=False) == 12 * (3 * 5 + 2 * 5) + 8 * 1010


def test_a_step_and_an_epoch_by_hand():
    pair = 1.5 * (
        6 * 16 + 8 * 2 * 5
    )  # for each behavior 6 rows of 3 numbers and a place, 2 biases of 5 items
    assert step_bytes(SETUP) == 3 * 25 * pair
    assert epoch_seconds(SIZE, SETUP, 4) == pytest.approx(10 * (25 * 0.5 + 3 * 25 * pair / 1000))
    assert epoch_seconds(SIZE, SETUP, 1) == pytest.approx(10 * 100 * 0.5)


def test_strategies():
    def named(**changed):
        return strategy_of(SIZE, Setup(**{**vars(SETUP), **changed}))

    assert named(gb_per_second=1e9, pair_seconds=4) == "multi_worker"
    assert named(gb_per_second=1e9, pair_seconds=3) == "none, or GPUs and mirrored"  # 3000 seconds
    assert named() == "none, or GPUs and mirrored"
    assert named(memory_gb=1e-9) == "none fits: every worker holds all rows"


def test_bytes_that_a_part_sends():
    """Of the 3 distinct users and 4 items of a part, a large table's rows and a zero row to one other."""
    ids = np.array([0, 1, 1, 2], np.int32)
    batch = BehaviorBatch(ids, ids, np.array([[3]] * 4, np.int32), np.ones(4), np.ones(4))
    assert bytes_of([BehaviorBatch(*batch)], 10**6, 10**6, 8, 2) == 4 * 9 * (4 + 5) + 4 * 2 * 5
    assert bytes_of([BehaviorBatch(*batch)], 10, 5, 8, 2) == 4 * (10 * 8 + 5 * 8 + 5)


def test_the_page_has_the_tables_of_the_command():
    assert call(scale, f"--check={ROOT}/docs/scale.md", f"--benchmark={ROOT}/docs/scale/benchmark.json") == 0


def test_other_tables_and_files_are_refused(tmp_path, capsys):
    page, benchmark = tmp_path / "page.md", f"--benchmark={ROOT}/docs/scale/benchmark.json"
    page.write_text((ROOT / "docs" / "scale.md").read_text())
    line = refused(capsys, scale, f"--check={page}", benchmark, "--workers=9")
    assert "other tables than these" in line
    assert call(scale, f"--write={page}", benchmark, "--workers=9") == 0
    assert "k = 9" in page.read_text()
    page.write_text("no marks")
    assert "expected the marks" in refused(capsys, scale, f"--write={page}", benchmark)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"rows": []}))
    assert "expected what `experiments.benchmark" in refused(capsys, scale, f"--benchmark={other}")
