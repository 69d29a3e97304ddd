"""The comparison of runs: from evaluations and their files to means, differences and refusals."""

import numpy as np
import pandas as pd
import pytest

import nmtr_tf as nt
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import ndcg
from nmtr_tf.evaluation.significance import compare_paired
from runs.evaluations import NUM_USERS, ranks_of, write_run

IDS = np.arange(NUM_USERS) + 7


@pytest.fixture
def runs(tmp_path):
    return [write_run(tmp_path / name, ranks_of(seed)) for seed, name in enumerate(("one", "two", "three"))]


def compared(*runs, split="test", **options):
    return nt.compare(runs, split, num_resamples=200, **options)


def refused(*runs, **options) -> str:
    with pytest.raises(InputError) as error:
        compared(*runs, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_statistics_of_every_run_and_metric(runs):
    metrics = ["HR@10", "NDCG@10", "MRR@5", "HR@20"]
    found = compared(*runs, seed=3, metrics=metrics)
    assert [run.name for run in found.runs] == ["one", "two", "three"]
    assert found.metrics == list(found.tests) == metrics
    assert (found.first.split, found.first.protocol, found.first.mask) == ("test", "strict", "target")
    assert found.baseline.name == "one"
    expected = compare_paired(ndcg(ranks_of(1), 10), ndcg(ranks_of(0), 10), 200, seed=3)
    row = found.differences.loc[("NDCG@10", "two")]
    for name in ("mean", "baseline_mean", "difference", "low", "high", "t_test_p", "permutation_p"):
        assert row[name] == getattr(expected, name)
    assert row["t_test_p_holm"] >= row["t_test_p"]
    assert list(found.means.columns) == metrics
    assert list(found.means.index) == ["one", "two", "three"]
    assert found.means.loc["three", "HR@10"] == (ranks_of(2) < 10).mean()
    assert found.means_and_stddevs()["three"]["HR@10"] == ((ranks_of(2) < 10).mean(), None)
    for shown in ("Difference from one, paired by user", "three", "NDCG@10", "permutation_p_holm"):
        assert shown in repr(found)


def test_by_default_the_metrics_of_the_first_run(runs):
    assert compared(*runs).metrics == ["HR@5", "NDCG@5", "HR@10", "NDCG@10"]


def test_two_runs_need_no_correction(runs):
    differences = compared(*runs[:2]).differences
    assert differences["t_test_p_holm"].tolist() == differences["t_test_p"].tolist()


def test_order_of_rows_does_not_matter(runs):
    before = compared(*runs)
    order = np.random.default_rng(9).permutation(NUM_USERS)
    write_run(runs[1], ranks_of(1), order=order)
    after = compared(*runs)
    pd.testing.assert_frame_equal(after.differences, before.differences)
    pd.testing.assert_frame_equal(after.means, before.means)


@pytest.mark.parametrize("split", ["test", "validation"])
def test_text_ids_and_splits(tmp_path, split):
    order = np.arange(NUM_USERS)[::-1]
    write_run(tmp_path / "a", ranks_of(0), split, text_ids=True)
    write_run(tmp_path / "b", ranks_of(1), split, order, text_ids=True)
    found = compared(tmp_path / "a", tmp_path / "b", split=split)
    expected = (ranks_of(1) < 5).mean() - (ranks_of(0) < 5).mean()
    assert found.tests["HR@5"]["b"].difference == pytest.approx(expected)


def test_seeds_are_averaged_user_by_user(tmp_path, runs):
    for seed in (10, 2, 1):
        write_run(tmp_path / "many" / f"seed_{seed}", ranks_of(seed))
    (tmp_path / "many" / "notes").mkdir()
    found = compared(runs[0], tmp_path / "many")
    assert found.runs[1].seeds == [1, 2, 10]
    values = np.stack([ndcg(ranks_of(seed), 10) for seed in (1, 2, 10)])
    mean, stddev = found.means_and_stddevs()["many"]["NDCG@10"]
    assert (mean, stddev) == pytest.approx((values.mean(), np.std(values.mean(1), ddof=1)))
    row = found.tests["NDCG@10"]["many"]
    expected = compare_paired(values.mean(0), ndcg(ranks_of(0), 10), 200)
    assert (row.difference, row.t_test_p) == (expected.difference, expected.t_test_p)


def write_cuts(directory, first_seed):
    """Two cuts, with the users 7 to 126 and 67 to 186."""
    for cut in (0, 1):
        about = {"dataset_fingerprint": f"cut {cut}"}
        write_run(directory / f"cut_{cut}", ranks_of(first_seed + cut), about=about, user=IDS + 60 * cut)
    return directory


def test_cuts_are_pooled_user_by_user(tmp_path):
    for name, seed in (("a", 0), ("b", 10)):
        write_cuts(tmp_path / name, seed)
        (tmp_path / name / "cut_notes").write_text("")
    found = compared(f"{tmp_path}/a/cut_*", f"{tmp_path}/b/cut_*")
    expected, order = [], np.argsort(np.arange(7, 187).astype(str))  # resamples draw from ids in this order
    for first_seed in (0, 10):
        early, late = (ndcg(ranks_of(first_seed + cut), 10) for cut in (0, 1))
        both = (early[60:] + late[:60]) / 2  # of users in both cuts
        expected.append(np.concatenate([early[:60], both, late[60:]])[order])
    (tested,) = found.tests["NDCG@10"].values()
    by_hand = compare_paired(expected[1], expected[0], 200)
    assert (tested.difference, tested.low) == pytest.approx((by_hand.difference, by_hand.low))
    assert tested.t_test_p == pytest.approx(by_hand.t_test_p)
    assert [one.num_users for one in found.runs] == [180, 180]
    means = [one.mean_and_stddev("NDCG@10") for one in found.runs]
    assert means == [(pytest.approx(own.mean()), None) for own in expected]


def test_what_cannot_be_pooled_is_refused(tmp_path, runs):
    write_cuts(tmp_path / "a", 0)
    write_cuts(tmp_path / "b", 10)
    pattern, other = f"{tmp_path}/a/cut_*", f"{tmp_path}/b/cut_*"
    assert "expected at least two directories to pool. Found: 0." in refused(pattern, f"{tmp_path}/c/*")
    assert "as many directories of every run to pool. Received: " in refused(pattern, runs[0])
    write_run(tmp_path / "b" / "cut_1", ranks_of(5), about={"dataset_fingerprint": "cut 1"})
    assert "they rank for other users: 120 and 120, 60 in both" in refused(pattern, other)
    write_run(tmp_path / "b" / "cut_1", ranks_of(5), about={"dataset_fingerprint": "cut 0"})
    assert "b/cut_0 and " in (line := refused(pattern, other))
    assert line.endswith("are of the same data set; expected a cut each.")
    write_run(tmp_path / "b" / "cut_1", ranks_of(5), about={"dataset_fingerprint": "x", "mask": "none"})
    assert "expected one protocol and mask. Received: " in refused(pattern, other)


def test_equal_ranks_do_not_differ(tmp_path, runs):
    copy = write_run(tmp_path / "copy", ranks_of(0))
    row = compared(runs[0], copy).tests["NDCG@10"]["copy"]
    assert (row.difference, row.low, row.high, row.t_test_p, row.permutation_p) == (0, 0, 0, 1, 1)


@pytest.mark.parametrize("baseline", ["two", "{tmp}/two", "{tmp}/one/../two/"])
def test_the_baseline_is_a_name_or_a_path(tmp_path, runs, baseline):
    found = compared(*runs, baseline=baseline.format(tmp=tmp_path))
    assert found.baseline.name == "two"
    assert list(found.tests["HR@5"]) == ["one", "three"]


def test_runs_of_one_name_go_by_their_paths(tmp_path):
    a, b = (write_run(tmp_path / name / "run", ranks_of(seed)) for seed, name in enumerate("ab"))
    assert [run.name for run in compared(a, b).runs] == [str(a), str(b)]


def test_progress_counts_the_comparisons(runs):
    done: list[int] = []
    compared(*runs, metrics=["HR@5", "HR@10"], progress=done.append)
    assert done == [2, 2]


def test_runs_evaluations_and_directories_go_together(in_memory, stored):
    popular = nt.evaluate_baseline(in_memory.dataset, "popularity", config=in_memory.config)
    found = compared(in_memory, stored, popular, stored.evaluation(), baseline="popularity")
    assert [run.name for run in found.runs] == ["nmtr_gmf (1)", "run", "popularity", "nmtr_gmf (2)"]
    assert [run.path for run in found.runs] == ["", str(stored.workdir), "", ""]
    assert found.metrics == ["HR@5", "NDCG@5", "HR@10", "NDCG@10"]
    assert found.means.loc["run", "NDCG@10"] == stored.evaluation().metrics["NDCG@10"]
    assert found.means.loc["run"].tolist() == found.means.loc["nmtr_gmf (1)"].tolist()
    same = compared(in_memory, str(stored.workdir))
    assert same.differences["difference"].tolist() == [0.0] * 4


def test_metrics_of_all_lists_together_are_passed_over(workdir, in_memory):
    run = nt.Run(workdir)
    run.evaluate(metrics=("MRR", "coverage"), ks=(5,))
    assert compared(run, in_memory).metrics == ["MRR@5"]
    assert "coverage@5 is a metric of all lists" in refused(run, in_memory, metrics=["coverage@5"])


def test_the_evaluation_of_another_split_is_refused(in_memory, stored):
    message = refused(stored.evaluation(), in_memory, split="validation")
    assert f"{stored.workdir}: expected the split 'validation'. Found: 'test'" in message


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["one"], {}, "at least two runs to compare. Received: 1"),
        ([], {}, "at least two runs"),
        (["one", "two/../one"], {}, "The same run twice"),
        (["one", "nowhere"], {}, "nowhere: no such directory"),
        (["one", "two"], {"baseline": "four"}, "one of the runs, one, two. Received: 'four'"),
        (["one", "two"], {"metrics": ["NDGC@7"]}, "`metrics` should name a known metric"),
        (["one", "two"], {"metrics": ["NDCG"]}, "`metrics` are written NAME@K here"),
        (
            ["one", "two"],
            {"split": "validation"},
            "which evaluate writes with `split=validation`",
        ),
    ],
)
def test_refused_arguments(tmp_path, runs, names, options, message):
    assert message in refused(*(tmp_path / name for name in names), **options)


def test_what_it_learned_from_need_not_be_known(tmp_path, runs):
    unknown = write_run(tmp_path / "unknown", ranks_of(1), about={"validation": None})
    assert compared(runs[0], unknown).means.shape == (2, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"about": {"protocol": "released"}}, "differ in protocol: 'strict' and 'released'"),
        ({"about": {"mask": "all"}}, "differ in mask: 'target' and 'all'"),
        (
            {"about": {"validation": "none"}},
            "differ in `validation`, so in what they learn from: 'random' and",
        ),
        ({"about": {"dataset_fingerprint": "xyz"}}, "differ in data set: 'abc' and 'xyz'"),
        ({"about": {"split": "validation"}}, "expected the split 'test'. Found: 'validation'"),
        ({"user": IDS + 1}, "rank for other users: 120 and 120, 119 in both"),
        ({"text_ids": True}, "rank for other users: 120 and 120, 0 in both"),
        ({"order": slice(100)}, "not the ranks of metrics_test.json"),
        ({"item": np.arange(NUM_USERS) % 50 + (IDS == 8)}, "held-out item of user 8 differs: 1 and 2"),
        ({"num_candidates": np.full(NUM_USERS, 61)}, "number of candidates of user 7 differs: 60 and 61"),
        ({"about": {"HR@5": 0.9}}, "HR@5 is"),
        ({"about": {"HR@5": "much"}}, "the entry 'HR@5' should be a finite number"),
        ({"user": np.maximum(IDS, 8), "item": np.maximum(np.arange(NUM_USERS), 1)}, "twice: user 8, item 1"),
        ({"rank": ranks_of(1) - 70}, "ranks and ties from 0"),
        ({"rank": np.full(NUM_USERS, 0.5)}, "the column 'rank' should be whole numbers"),
        ({"tied": np.full(NUM_USERS, 61)}, "ranks and ties from 0"),
        ({"rank": np.full(NUM_USERS, "first")}, "the column 'rank' should be whole numbers"),
        ({"num_candidates": None}, "expected a column 'num_candidates'"),
    ],
)
def test_refused_runs(runs, changes, message):
    write_run(runs[1], ranks_of(1), **changes)
    line = refused(*runs)
    assert message in line
    assert "two" in line


def test_fewer_users_are_refused(runs):
    few = write_run(runs[1], ranks_of(1), order=slice(100), measured=ranks_of(1)[:100])
    assert "other users: 120 and 100, 100 in both" in refused(runs[0], few)


def test_a_single_user_is_no_sample(runs):
    for seed, run in enumerate(runs):
        write_run(run, ranks_of(seed), order=slice(1), measured=ranks_of(seed)[:1])
    assert "at least two users. Found: 1" in refused(*runs)


@pytest.mark.parametrize("keep", [0, 3, 500, -1])
def test_a_truncated_file_is_refused(runs, keep):
    path = runs[1] / "ranks_test.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    assert f"{path}: expected a whole Parquet file" in refused(*runs)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not JSON", "expected JSON"),
        ("[]", "expected a JSON object"),
        (
            '{"schema": 3, "split": "test", "protocol": "strict", "mask": "all"}',
            "the entry 'dataset_fingerprint' is missing; expected a text",
        ),
        (
            '{"schema": 3, "split": "test", "dataset_fingerprint": "a", "protocol": "strict", "mask": "all"}',
            "expected metrics such as HR@50",
        ),
    ],
)
def test_unfit_metrics_files_are_refused(runs, content, message):
    (runs[0] / "metrics_test.json").write_text(content)
    line = refused(*runs)
    assert message in line
    assert str(runs[0] / "metrics_test.json") in line


@pytest.mark.parametrize("name", ["metrics_test.json", "ranks_test.parquet"])
def test_a_missing_file_is_named_with_what_writes_it(tmp_path, runs, name):
    write_run(tmp_path / "many" / "seed_1", ranks_of(1))
    write_run(tmp_path / "many" / "seed_2", ranks_of(2))
    (tmp_path / "many" / "seed_2" / name).unlink()
    assert f"seed_2: expected {name}, which evaluate writes with `split=test`" in refused(
        runs[0], tmp_path / "many"
    )


def test_a_seed_of_another_protocol_is_refused(tmp_path, runs):
    write_run(tmp_path / "many" / "seed_1", ranks_of(1))
    write_run(tmp_path / "many" / "seed_2", ranks_of(2), about={"protocol": "released"})
    assert "seed_2 cannot be compared: they differ in protocol" in refused(runs[0], tmp_path / "many")
