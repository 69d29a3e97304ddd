"""Parts of a page that are made of what `audit` and `evaluate` wrote."""

import pytest

from nmtr_tf.errors import InputError
from nmtr_tf.files import write_json
from nmtr_tf.paper.measured_parts import audits_part, benchmark_part, evaluations_part, verdicts_part

AUDIT = {
    "verdict": "Leak: half of it.",
    "behaviors": ["view", "cart", "buy"],
    "num_pairs": {"test": 2000, "validation": 1000},
    "leaks": {"test": {"view": 500, "cart": 1100}, "validation": {"view": 10, "cart": 20}},
    "leaks_any": {"test": 1250, "validation": 25},
    "nesting": {"cart": {"view": 0.4}, "buy": {"view": 0.75, "cart": 0.125}},
    "unseen": {"test": {"target": 20, "any": 3}},
    "newest": {"share": 0.25, "by_chance": 0.05},
    "drift": {"test": {"ratio": 7.812, "by_chance": 1.1}, "validation": {"ratio": 1.0, "by_chance": 1.2}},
    "concentration": {"buy": {"top_1": 0.1, "top_10": 0.5}},
    "k": 100,
    "hit_ratios": {"popularity": {"released": 0.25, "strict": 0.125}},
}
NO_VIEWS = {
    **AUDIT,
    "behaviors": ["cart", "buy"],
    "leaks": {"test": {"cart": 0}, "validation": {"cart": 0}},
    "nesting": {"buy": {"cart": 1.0}},
    "hit_ratios": {},
}


def rows_of(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[part.strip() for part in line.strip("|").split("|")] for line in lines]


def test_audits_by_hand(tmp_path):
    for name, audit in (("shop", AUDIT), ("mall", NO_VIEWS)):
        write_json(made(tmp_path / name) / "audit.json", audit)
    head, _, *rows = rows_of(audits_part(tmp_path))
    assert head == ["", "mall", "shop"]
    assert rows == [
        ["test pairs", "2,000", "2,000"],
        ["validation pairs", "1,000", "1,000"],
        ["test pairs still in training rows of 'cart'", "0.0 % (0)", "55.0 % (1,100)"],
        ["test pairs still in training rows of 'view'", "-", "25.0 % (500)"],
        ["test pairs still in any auxiliary behavior", "62.5 % (1,250)", "62.5 % (1,250)"],
        ["validation pairs still in any auxiliary behavior", "2.5 % (25)", "2.5 % (25)"],
        ["'buy' rows that are 'cart' rows too", "100.0 %", "12.5 %"],
        ["'buy' rows that are 'view' rows too", "-", "75.0 %"],
        ["test pairs whose item nobody bought in training", "1.0 % (20)", "1.0 % (20)"],
        ["test item's id above all ids that the user bought (by chance)", "25.0 % (5.0 %)", "25.0 % (5.0 %)"],
        [
            "items' distance from those of a random part (1: none), test / validation",
            "7.81 / 1.00",
            "7.81 / 1.00",
        ],
        ["purchases of the top 1 % / 10 % of items", "10.0 % / 50.0 %", "10.0 % / 50.0 %"],
        ["HR@100, popularity, released / strict", "-", ".2500 / .1250"],
    ]
    assert verdicts_part(tmp_path) == "> mall: Leak: half of it.\n\n> shop: Leak: half of it.\n"


def made(directory):
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def evaluation(method, hr, **changes):
    entries = {
        "schema": 3,
        "split": "test",
        "protocol": "strict",
        "mask": "all",
        "dataset_fingerprint": "abc",
        "method": method,
        "validation": "random",
        "num_pairs": 1200,
        "num_users": 1200,
        "groups": {},
    }
    metrics = {"HR@50": 0.1, "NDCG@50": 0.1, "HR@100": hr, "NDCG@100": hr / 2}
    return {**entries, **metrics, **changes}


def write(tmp_path, **found):
    for name, entries in found.items():
        write_json(made(tmp_path / "shop" / "strict" / "linear" / name) / "metrics_test.json", entries)


def test_evaluations_by_hand(tmp_path):
    write(
        tmp_path,
        b=evaluation("ease", 0.25, ease_lambda=50.0, ease_beta=0.0),
        a=evaluation("popularity", 0.5),
        c=evaluation("nmtr_linear", 0.125, best_epoch=1),
    )
    made(tmp_path / "shop" / "strict" / "linear" / "empty")
    text = evaluations_part(tmp_path, "shop/strict/linear")
    assert text.startswith("**shop, test, protocol strict, mask all, 1,200 users**\n")
    assert "Validation purchases: held out." in text
    head, _, *rows = rows_of(text)
    assert head == ["", "HR@100", "NDCG@100"]
    assert rows == [
        ["NMTR-Linear", ".1250", ".0625"],
        ["popularity", ".5000", ".2500"],
        ["EASE: `ease --ease_lambda=50`", ".2500", ".1250"],
    ]
    write(tmp_path, **{name: evaluation("popularity", 0.5, validation="none") for name in "abc"})
    assert "Validation purchases: learned from." in evaluations_part(tmp_path, "shop/strict/linear")


@pytest.mark.parametrize(
    "change",
    [{"mask": "target"}, {"validation": "none"}, {"dataset_fingerprint": "def"}, {"protocol": "released"}],
)
def test_what_answers_another_question_is_in_no_table(tmp_path, change):
    write(tmp_path, a=evaluation("popularity", 0.5), b=evaluation("random", 0.5, **change))
    with pytest.raises(InputError, match="linear: b answers another question than a: expected the same data"):
        evaluations_part(tmp_path, "shop/strict/linear")


def test_a_benchmark_is_shown_as_it_was_written(tmp_path):
    row = {"part": "limits", "work": "traffic", "value": 55.234, "unit": "GB/s"}
    row |= {"baseline": None, "ratio": None, "target": None, "met": None}
    written = {"machine": {"line": "2 cores", "cores": 2}, "rows": [row]}
    write_json(made(tmp_path / "speed") / "benchmark.json", written)
    text = benchmark_part(tmp_path, "speed")
    assert text.startswith("2 cores\n")
    assert "| traffic | 55.2 GB/s |  |  |  |  |" in text
    write_json(tmp_path / "speed" / "benchmark.json", {**written, "rows": [{"part": "limits"}]})
    with pytest.raises(InputError, match=r"benchmark\.json.*run experiments.benchmark again"):
        benchmark_part(tmp_path, "speed")
