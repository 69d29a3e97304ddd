"""Ranking, masks, groups and audit of data that is split in time, by hand."""

import numpy as np
import pandas as pd
import pytest
from conftest import call, refused

from nmtr_tf.cli import audit as audit_command
from nmtr_tf.cli import evaluate
from nmtr_tf.config import EvaluationConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.preparation import prepare
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.audit import audit
from nmtr_tf.evaluation.baselines import evaluate_baseline
from nmtr_tf.evaluation.masks import masked_items
from nmtr_tf.evaluation.results import Evaluation

COLUMNS = ["user", "item", "behavior", "timestamp"]
# The cuts are at 5 and 11, see tests/data/test_time_split.py. Before 11 ann viewed pot, which she buys at 11.
LOG = pd.DataFrame(
    [
        ("ann", "tea", "view", 1),
        ("eve", "pot", "view", 1),
        ("ann", "tea", "buy", 2),
        ("bob", "tea", "view", 3),
        ("bob", "tea", "buy", 4),
        ("cat", "cup", "view", 5),
        ("ann", "pot", "view", 8),
        ("bob", "cup", "buy", 9),
        ("cat", "tea", "buy", 10),
        ("eve", "tea", "buy", 10),
        ("ann", "pot", "buy", 11),
        ("bob", "pot", "buy", 13),
        ("cat", "pot", "view", 17),
        ("bob", "tea", "view", 18),
        ("dan", "tea", "buy", 18),
        ("cat", "jug", "buy", 18),
        ("dan", "jug", "view", 18),
        ("dan", "jug", "buy", 18),
    ],
    columns=COLUMNS,
)
CUP, POT, TEA = range(3)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return prepare(LOG, behaviors=("view", "buy"), split="time", split_time=11)


class InOrder:
    """Scores cup above pot above tea."""

    def scores(self, user_ids):
        return np.tile([3.0, 2.0, 1.0], (len(user_ids), 1))


def ranked(dataset: Dataset, split: str = "test", **options) -> Evaluation:
    config = EvaluationConfig(ks=(1,), metrics=("HR",), groups=(1, 2), **options)
    return evaluate_baseline(dataset, InOrder(), split, config)


@pytest.mark.parametrize("validation", ["random", "none"])
@pytest.mark.parametrize(
    ("mask", "masked"),
    [
        ("none", [[], [], [], []]),
        ("target", [[TEA], [CUP, TEA], [TEA], [TEA]]),
        ("all", [[POT, TEA], [CUP, TEA], [CUP, TEA], [POT, TEA]]),
    ],
)
def test_masks_at_test_hold_what_was_done_before_the_test_cut(dataset, validation, mask, masked):
    found = masked_items(dataset.training_view(validation=validation), "test", mask)
    assert [np.flatnonzero(row).tolist() for row in found.toarray()] == masked


def test_masks_at_validation_hold_training_rows_alone(dataset):
    found = masked_items(dataset.training_view(), "validation", "all")
    assert [np.flatnonzero(row).tolist() for row in found.toarray()] == [[TEA], [TEA], [], [POT]]


def test_mask_target_ranks_every_pair(dataset):
    found = ranked(dataset)
    assert (found.mask, found.protocol) == ("target", "time")
    assert found.ranks_table().to_dict("list") == {
        "user": ["ann", "bob"],
        "item": ["pot", "pot"],
        "rank": [1, 0],  # of ann's candidates cup is above it; bob has no other
        "tied": [1, 1],
        "num_candidates": [2, 1],
    }
    assert found.metrics == {"HR@1": 0.5}
    assert "num_touched_before" not in found.about


def test_mask_all_ranks_the_pairs_that_were_untouched_and_counts_the_others(dataset, tmp_path):
    found = ranked(dataset, mask="all").save(tmp_path)
    assert found.ranks_table()["user"].tolist() == ["bob"]
    assert found.metrics == {"HR@1": 1.0}
    assert Evaluation.load(tmp_path, "test").about["num_touched_before"] == 1


def test_groups_are_of_what_was_done_before(dataset):
    groups = ranked(dataset).groups
    assert {name: row["num_pairs"] for name, row in groups.items()} == {
        "touched": 1,  # ann's, who viewed it between the cuts
        "untouched": 1,
        "1 buy": 1,  # ann bought tea
        ">=2 buy": 1,  # bob tea, and cup between the cuts
    }
    groups = ranked(dataset, "validation").groups
    assert {name: row["num_pairs"] for name, row in groups.items()} == {"untouched": 1, "<1 buy": 1}


def test_nothing_untouched(dataset):
    viewed = pd.DataFrame([("bob", "pot", "view", 9)], columns=COLUMNS)
    log = pd.concat([LOG, viewed])
    touched = prepare(log, behaviors=("view", "buy"), split="time", split_time=11)
    with pytest.raises(InputError, match=r"^`mask=all` leaves none of the 2 test pairs to rank"):
        ranked(touched, mask="all")


def test_audit_by_hand(dataset):
    found = audit(dataset, k=1)
    assert found.num_pairs == {"validation": 1, "test": 2}
    assert found.leaks == {"validation": {"view": 0}, "test": {"view": 1}}
    assert found.leaks_any == {"validation": 0, "test": 1}
    assert found.unseen == {"validation": {"target": 0, "any": 0}, "test": {"target": 2, "any": 0}}
    assert {tuple(row) for row in found.hit_ratios.values()} == {("time",)}
    # Of what ann viewed pot is left; to bob nothing else.
    assert found.hit_ratios["touched_first"] == {"time": 1.0}
    assert found.verdict == (
        "No leak: what is trained on comes before the 2 held-out test purchases; 50.0 % (1) of them are of "
        "items that their user had touched before, 50.0 % (1) in 'view'; ranking first what a user touched "
        "and has not bought, with no learning, gets HR@1 1.000."
    )


def test_the_commands(dataset, tmp_path, capsys):
    dataset.save(tmp_path / "d")
    assert call(audit_command, f"--dataset_dir={tmp_path}/d", "--k=1") == 0
    out = capsys.readouterr().out
    assert "Held-out pairs that auxiliary rows hold (touched before they were bought: no leak)" in out
    assert "released" not in out
    flags = ["--baselines=popularity", f"--dataset_dir={tmp_path}/d", f"--output_dir={tmp_path}/b"]
    assert call(evaluate, *flags, "--mask=all") == 0
    out = capsys.readouterr().out
    assert out.startswith("test, protocol time, mask all, 1 user")
    assert "Pairs: 1 ranked, 1 left out, as touched before." in out
    line = refused(capsys, evaluate, *flags, "--protocol=strict")
    assert "--protocol=strict does not fit this data set, whose protocol is time; expected time." in line
