"""Rows of a benchmark as a page."""

from typing import Any

from nmtr_tf.reporting.benchmarks import benchmark_page

ROW: dict[str, Any] = {
    "value": None,
    "unit": "",
    "baseline": None,
    "ratio": None,
    "target": None,
    "met": None,
}
ROWS: list[dict[str, Any]] = [
    {"part": "limits", "work": "traffic", **ROW, "value": 55.234, "unit": "GB/s"},
    {
        "part": "ranking",
        "work": "rank",
        "value": 88591.2,
        "unit": "users/s",
        "baseline": "pairwise: 501 users/s",
        "ratio": 176.83,
        "target": ">= 300x",
        "met": False,
    },
    {"part": "ranking", "work": "other: skipped, it is not installed", **ROW},
]


def test_the_page_has_a_table_for_each_part():
    assert benchmark_page("2 cores", ROWS).splitlines() == [
        "2 cores",
        "",
        "**limits**",
        "",
        "| work | measured | baseline in the same run | ratio | target | met |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| traffic | 55.2 GB/s |  |  |  |  |",
        "",
        "**ranking**",
        "",
        "| work | measured | baseline in the same run | ratio | target | met |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| rank | 88,591 users/s | pairwise: 501 users/s | 177 x | >= 300x | **no** |",
        "| other: skipped, it is not installed |  |  |  |  |  |",
    ]
