"""The leak audit on data sets with a known leak, and the public ones."""

import dataclasses
import json
import re

import numpy as np
import pytest
from conftest import call, make_dataset, refused

from nmtr_tf.cli import audit as audit_command
from nmtr_tf.cli import evaluate, prepare
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import leaks, without
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.audit import audit, concentration
from nmtr_tf.evaluation.audited import drift

# Four users of seven items; users 0 and 1 viewed their test items, and user 1 carted it too.
MATRICES = {
    "view": [[1, 1, 0, 1, 0, 0, 0], [0, 1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 0, 0, 0, 0]],
    "cart": [[1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0]],
    "buy": [[1, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0, 0]],
}
VALIDATION, TEST = [(0, 1)], [(0, 3), (1, 4), (3, 1)]


def leaky(*behaviors: str) -> Dataset:
    """The data set, or what it is with some of its behaviors."""
    matrices = {name: MATRICES[name] for name in behaviors or MATRICES}
    return make_dataset(matrices, validation=VALIDATION, test=TEST)


def without_leak(*splits: str) -> Dataset:
    """The same with the held-out pairs of some splits taken out of every behavior."""
    pairs = np.concatenate([LEAKY.held_out[split] for split in splits])
    matrices = {name: without(matrix, pairs).toarray() for name, matrix in LEAKY.matrices.items()}
    return make_dataset(matrices, validation=VALIDATION, test=TEST)


LEAKY = leaky()


@pytest.fixture(scope="module")
def found():
    return audit(LEAKY, k=1)


def test_leaks_by_hand(found):
    assert found.num_pairs == {"validation": 1, "test": 3}
    assert found.leaks == {"validation": {"view": 1, "cart": 0}, "test": {"view": 2, "cart": 1}}
    assert found.leaks_any == {"validation": 1, "test": 2}


def test_leaks_as_masks():
    masks = leaks(LEAKY.held_out, LEAKY.matrices)
    assert masks["test"]["view"].tolist() == [True, True, False]
    assert masks["test"]["cart"].tolist() == [False, True, False]
    assert masks["validation"]["buy"].tolist() == [False]


def test_nesting_and_negatives_by_hand(found):
    assert found.nesting["cart"] == {"view": 1.0}
    assert found.nesting["buy"] == {"view": 1.0, "cart": 1 / 5}  # five purchases, the validation one included
    assert found.without_negatives == {"view": 1, "cart": 0, "buy": 0}


def test_unseen_items_by_hand(found):
    # Without the held-out pairs: items 1 and 2 among others are bought, 3 and 4 only viewed.
    assert found.unseen == {"validation": {"target": 0, "any": 0}, "test": {"target": 2, "any": 0}}
    assert audit(leaky("buy"), k=1).unseen["test"] == {"target": 2, "any": 2}


def test_validation_purchases_are_training_rows_of_test():
    matrices = {"view": [[0, 1, 1], [1, 0, 0]], "buy": [[1, 1, 0], [1, 0, 0]]}
    found = audit(make_dataset(matrices, validation=[(0, 1)], test=[(1, 1)]), k=1)
    assert found.unseen == {"validation": {"target": 1, "any": 1}, "test": {"target": 0, "any": 0}}


def test_order_of_ids_by_hand(found):
    # Item 3 is above 0 and 1, item 4 above 1, item 1 below 2.
    assert found.newest["share"] == pytest.approx(2 / 3)
    assert found.newest["by_chance"] == pytest.approx((1 / 3 + 1 / 2 + 1 / 2) / 3)


def test_drift_by_hand(found):
    """Users 0, 1 and 3 hold out one of 3, 2 and 2 purchases at test; user 2, with one, holds out none.

    Items 0 to 5 are had by users 0; 0, 1 and 3; 3; 0; 1; 2.
    """
    expected = np.array([1 / 3, 1 / 3 + 1 / 2 + 1 / 2, 1 / 2, 1 / 3, 1 / 2, 0])
    variances = np.array([2 / 9, 2 / 9 + 1 / 4 + 1 / 4, 1 / 4, 2 / 9, 1 / 4, 0])
    ratio = ((np.array([0, 1, 0, 1, 1, 0]) - expected) ** 2).sum() / variances.sum()
    assert found.drift["test"]["ratio"] == pytest.approx(ratio)
    # Validation is one of two purchases of user 0, items 0 and 1, the test pairs aside: either is as far.
    assert found.drift["validation"] == pytest.approx({"ratio": 1, "by_chance": 1})


def drift_of(choose, num_users=400, num_items=30, seed=0):
    """The drift where `choose(own, number, rng)` takes `number` of a user's items for test."""
    rng = np.random.default_rng(seed)
    rows, pairs = np.zeros((num_users, num_items), np.int8), []
    for user in range(num_users):
        own = rng.choice(num_items, rng.integers(2, 8), replace=False)
        rows[user, own] = 1
        pairs += [(user, int(item)) for item in choose(own, rng.integers(1, len(own)), rng)]
    left = rows.copy()
    left[tuple(np.array(pairs).T)] = 0
    return drift(make_dataset({"buy": left.tolist()}, test=pairs))["test"]


def test_a_random_part_has_a_drift_of_1_and_one_in_twenty_is_above_all_that_were_drawn():
    found = [drift_of(lambda own, n, rng: rng.choice(own, n, replace=False), seed=seed) for seed in range(40)]
    ratios = np.array([one["ratio"] for one in found])
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / np.sqrt(40)
    assert sum(one["ratio"] > one["by_chance"] for one in found) in range(7)  # 2 are expected
    assert 1 < np.mean([one["by_chance"] for one in found]) < ratios.max() + ratios.std()


def test_a_part_of_late_items_has_more_and_all_that_there_is_none():
    assert drift_of(lambda own, n, rng: np.sort(own)[-n:])["ratio"] > 10
    nobody = drift(make_dataset({"buy": [[0, 0], [0, 0]]}, test=[(0, 0), (1, 1)]))["test"]
    assert nobody == {"ratio": 0, "by_chance": 0}


def test_verdict_says_that_test_is_no_random_part(found):
    far = {"test": {"ratio": 7.81, "by_chance": 1.1}, "validation": {"ratio": 1.02, "by_chance": 1.1}}
    sentence = (
        " Test is no random part of what each user bought: the squared distance of its items' counts from "
        "such a part's is 7.8 times what chance makes"
    )
    verdict = dataclasses.replace(found, drift=far).verdict
    assert verdict == (
        f"{found.verdict}{sentence}, validation's 1.0 times; what is best there need not be at test."
    )
    both = far | {"validation": {"ratio": 6.0, "by_chance": 1.1}}
    assert dataclasses.replace(found, drift=both).verdict == f"{found.verdict}{sentence}."
    for test in ({"ratio": 1.4, "by_chance": 1.01}, {"ratio": 3.0, "by_chance": 3.5}):
        assert dataclasses.replace(found, drift=far | {"test": test}).verdict == found.verdict
    timed = dataclasses.replace(
        found, protocol="time", hit_ratios={name: {"time": 0.5} for name in found.hit_ratios}
    )
    assert "random" not in dataclasses.replace(timed, drift=far).verdict


def test_hit_ratios_by_hand(found):
    # Item 1 is bought by two users, 0, 2 and 5 by one. User 0: of what was viewed item 3 alone is left.
    # User 1 carted 2 and 4, and 2 is more popular. User 3 touched nothing else, so item 1 comes first.
    assert found.hit_ratios["touched_first"]["released"] == pytest.approx(2 / 3)
    assert found.hit_ratios["touched_first"]["strict"] == pytest.approx(1 / 3)
    assert found.hit_ratios["popularity"] == {"released": 1 / 3, "strict": 1 / 3}
    assert "recency_time" not in found.hit_ratios


@pytest.mark.parametrize(
    ("counts", "gini", "top_1", "top_10"),
    [
        ([2, 2, 2, 2], 0.0, 0.25, 0.25),
        ([0, 0, 0, 8], 0.75, 1.0, 1.0),
        ([1, 3], 0.25, 0.75, 0.75),
        ([0, 0], 0.0, 0.0, 0.0),
        ([*[1] * 190, *[10] * 10], 0.95 - 190 / 290, 20 / 290, 110 / 290),
    ],
)
def test_concentration_by_hand(counts, gini, top_1, top_10):
    expected = {"gini": gini, "top_1": top_1, "top_10": top_10}
    assert concentration(np.array(counts)) == pytest.approx(expected)


def test_verdict_of_a_leak(found):
    assert found.verdict == (
        "Leak: 66.7 % (2) of the 3 held-out test purchases are still in the training rows of auxiliary "
        "behaviors, 66.7 % (2) in 'view' and 33.3 % (1) in 'cart'; ranking first what a user touched and has "
        "not bought, with no learning, gets HR@1 0.667 as released, 0.333 under strict."
    )
    assert "in the training rows of 'view'; ranking" in audit(leaky("view", "buy")).verdict


def test_verdict_where_the_protocol_takes_the_leak_out():
    verdict = audit(dataclasses.replace(LEAKY, protocol="strict"), k=1).verdict
    assert verdict.startswith(
        "No leak under this data set's protocol, strict, which takes out the 66.7 % (2)"
    )
    assert "gets HR@1 0.333 without them, 0.667 with them" in verdict


def test_verdict_without_a_leak():
    clean = audit(without_leak("validation", "test"))
    assert clean.leaks_any == {"validation": 0, "test": 0}
    assert clean.hit_ratios["touched_first"]["released"] == clean.hit_ratios["touched_first"]["strict"]
    assert clean.verdict == (
        "No leak: none of the 3 held-out test purchases is in the training rows of an auxiliary behavior, so "
        "protocols released and strict are the same at test."
    )


def test_verdict_of_a_leak_in_validation_alone():
    verdict = audit(without_leak("test"), k=1).verdict
    assert verdict.startswith("No leak: none of the 3 held-out test purchases is")
    assert verdict.endswith("but 100.0 % (1) of the 1 held-out validation purchases are.")


def test_verdict_says_when_ids_tell_time(found):
    ratios = found.hit_ratios | {"recency": {"released": 0.52, "strict": 0.52}}
    ordered = dataclasses.replace(found, hit_ratios=ratios)
    assert ordered.verdict.endswith(
        "; and item ids tell time: popularity weighted towards late ids gets HR@1 0.520, popularity alone "
        "0.333."
    )
    by_luck = dataclasses.replace(ordered, newest={"share": 0.4, "by_chance": 0.4})
    assert by_luck.verdict == found.verdict


def test_no_test_pairs():
    with pytest.raises(InputError, match="no test pairs"):
        audit(make_dataset({"buy": [[1, 0]]}))


@pytest.mark.slow
def test_the_command_prints_and_writes(leaky_dir, tmp_path, capsys):
    assert call(audit_command, f"--dataset_dir={leaky_dir}", f"--output_dir={tmp_path}/out", "--k=1") == 0
    out = capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert content["leaks"]["test"] == {"cart": 1}
    assert content["verdict"] in out
    assert content["verdict"].startswith("Leak: 50.0 % (1) of the 2 held-out test purchases")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["audit.json", "audit.png"]
    assert call(audit_command, f"--dataset_dir={leaky_dir}", "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert (leaky_dir / "audit.json").is_file()


def test_the_command_writes_all_or_nothing(leaky_dir, tmp_path, monkeypatch, capsys):
    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(audit_command, "write_json", fail)
    assert "disk full" in refused(
        capsys, audit_command, f"--dataset_dir={leaky_dir}", f"--output_dir={tmp_path}/out"
    )
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--dataset_dir is needed"),
        (["--dataset_dir=nowhere"], "no data set here"),
        (["--dataset_dir=nowhere", "--k=0"], "flag --k=0: 0 is not a positive integer"),
        (["--dataset_dir=nowhere", "--seed=-1"], "flag --seed=-1: -1 is not a non-negative integer"),
    ],
)
def test_the_command_refuses(tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, audit_command, *flags)
    assert not list(tmp_path.iterdir())


def test_help_describes_every_flag(capsys):
    assert call(audit_command, "--help") == 0
    out = capsys.readouterr().out
    described = re.findall(r"^  --(?:\[no\])?(\w+)", out, re.MULTILINE)
    assert set(described) == set(audit_command.FLAGS) - {"h"}
    assert "None" not in out


INPUTS = {
    "beibei": ["--input=cart:{0}/cart.txt,buy:{0}/train.txt", "--heldout={0}/test.txt"],
    "taobao": [
        "--input=view:{0}/view.train.txt,cart:{0}/cart.train.txt,buy:{0}/buy.train.txt",
        "--heldout={0}/buy.test.txt",
    ],
}
LEAKS = {"beibei": {"cart": 13525}, "taobao": {"view": 12315, "cart": 3024}}
STRICT = {  # HR@100, NDCG@100
    "beibei": {"popularity": (0.1406, 0.0411), "recency": (0.3298, 0.0874)},
    "taobao": {"popularity": (0.0604, 0.0149), "recency": (0.0059, 0.0014)},
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", INPUTS)
def test_the_public_data_sets(datasets, tmp_path, name):
    files = [flag.format(datasets / name) for flag in INPUTS[name]]
    data = f"--dataset_dir={tmp_path}/data"
    assert call(prepare, "--source=adjacency", *files, data, "--quiet") == 0
    assert call(audit_command, data, f"--output_dir={tmp_path}", "--quiet") == 0
    found = json.loads((tmp_path / "audit.json").read_text())
    assert found["leaks"]["test"] == LEAKS[name]
    if name == "beibei":
        assert found["newest"]["share"] == pytest.approx(0.629, abs=5e-4)
        assert found["drift"]["test"]["ratio"] == pytest.approx(62.3, abs=0.1)
        assert found["hit_ratios"]["touched_first"]["released"] == pytest.approx(0.682, abs=2e-3)
    flags = [data, f"--output_dir={tmp_path}", "--protocol=strict", "--quiet", "--validation=none"]
    assert call(evaluate, f"--baselines={','.join(STRICT[name])}", *flags) == 0
    for rule, (hit_ratio, ndcg) in STRICT[name].items():
        metrics = json.loads((tmp_path / rule / "metrics_test.json").read_text())
        assert metrics["HR@100"] == pytest.approx(hit_ratio, abs=2e-3)
        assert metrics["NDCG@100"] == pytest.approx(ndcg, abs=2e-3)
