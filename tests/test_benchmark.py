"""The benchmark's table and file; no test asserts a time."""

import json

import pytest
from conftest import call, refused

from experiments import benchmark


def test_rows_of_a_small_served_model(tmp_path, capsys):
    flags = ["--quick", "--methods=nmtr_gmf", "--num_items=50", "--num_users=30"]
    assert call(benchmark, *flags, f"--output_dir={tmp_path}/out") == 0
    out = capsys.readouterr().out
    written = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    rows = {row["work"]: row for row in written["rows"]}
    assert [work.split(": ")[1] for work in rows] == [
        "one user, p50",
        "one user, p99",
        "64 users a call",
        "peak memory",
    ]
    assert all(row["value"] > 0 and set(row) >= {"unit", "baseline", "ratio"} for row in rows.values())
    assert all(work in out for work in rows)
    p50, p99 = (rows[f"serve nmtr_gmf, 50 items: one user, {p}"]["value"] for p in ("p50", "p99"))
    assert p50 <= p99
    assert written["machine"]["cores"] >= 1


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--num_items=0", "--num_items should be positive"),
        ("--num_items=many", "--num_items should be whole numbers"),
        ("--num_users=0", "num_users"),
        ("--methods=svd", "--method should be one of"),
    ],
)
def test_bad_input(capsys, flag, message):
    assert message in refused(capsys, benchmark, flag)
