"""A part of a page that is made of what `compare` wrote."""

import pytest

from nmtr_tf.errors import InputError
from nmtr_tf.files import write_json
from nmtr_tf.paper.compared_part import comparison_part


def run(method, hr, seeds=(), stddev=None):
    return {"method": method, "seeds": list(seeds), "metrics": {"HR@10": {"mean": hr, "seed_stddev": stddev}}}


def row(difference, low, high, p, holm):
    return {"difference": difference, "low": low, "high": high, "t_test_p": p, "t_test_p_holm": holm}


FOUND = {
    "split": "test",
    "protocol": "strict",
    "mask": "all",
    "num_users": 1234,
    "baseline": "cmf",
    "interval": "of no interest here",
    "runs": {"mine": run("nmtr_gmf", 0.25), "cmf": run("cmf", 0.2), "ease_all": run("ease_all", 0.3)},
    "comparisons": {
        "HR@10": {
            "mine": row(0.05, -0.01, 0.11, 0.00001, 0.02),
            "ease_all": row(0.1, 0.08, 0.12, 1e-9, 2e-9),
        }
    },
}


def part(tmp_path, found):
    (tmp_path / "shop" / "strict").mkdir(parents=True)
    write_json(tmp_path / "shop" / "strict" / "compare.json", found)
    return comparison_part(tmp_path, "shop/strict")


def test_a_row_for_each_run_by_hand(tmp_path):
    title, _, *table = part(tmp_path, FOUND).splitlines()
    assert title == "**shop, test, protocol strict, mask all, 1,234 users: differences from CMF**"
    assert table[:5] == [
        "|  | HR@10 | from CMF | p |",
        "| --- | ---: | ---: | ---: |",
        "| CMF | .2000 |  |  |",
        "| NMTR-GMF | .2500 | +.0500 (-.0100 to +.1100) | 0.0200 |",
        "| EASE (all) | .3000 | +.1000 (+.0800 to +.1200) | <0.0001 |",
    ]
    assert "Holm" in table[6]
    assert not any("Seeds" in line for line in table)


def test_seeds_are_named_and_runs_of_one_method_told_apart(tmp_path):
    runs = {
        "one": run("nmtr_gmf", 0.25, seeds=(0, 1, 2), stddev=0.0012),
        "other": run("nmtr_gmf", 0.2),
        "unnamed": run("", 0.1),
    }
    comparisons = {"HR@10": {"one": row(0.05, 0.04, 0.06, 0.01, 0.02), "unnamed": row(-0.1, -1.0, 0, 1, 1)}}
    text = part(tmp_path, {**FOUND, "baseline": "other", "runs": runs, "comparisons": comparisons})
    assert "| NMTR-GMF: `other` | .2000 |  |  |" in text
    assert "| NMTR-GMF: `one` | .2500 (.0012) | +.0500 (+.0400 to +.0600) | 0.0200 |" in text
    assert "| unnamed | .1000 | -.1000 (-1.0000 to +.0000) | 1.0000 |" in text
    assert "Seeds 0, 1, 2" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": None}, "the entry 'baseline' should be a text"),
        ({"runs": {"mine": run("nmtr_gmf", 0.25)}}, "run compare again"),
        ({"runs": {"cmf": {"method": "cmf"}}}, "run compare again"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, change, message):
    with pytest.raises(InputError, match=message) as error:
        part(tmp_path, {**FOUND, **change})
    assert "compare.json" in str(error.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"compare\.json"):
        comparison_part(tmp_path, "shop/strict")
