"""A search that is kept: what is drawn, who runs what, and what happens to those who die."""

import dataclasses
import logging
import sqlite3
import threading
import time

import optuna
import pytest

from nmtr_tf.errors import InputError
from nmtr_tf.tuning.choice import parse
from nmtr_tf.tuning.locks import held, is_free
from nmtr_tf.tuning.options import TuneConfig
from nmtr_tf.tuning.study import Study
from nmtr_tf.tuning.trials import Trial

SPACE = dict(map(parse, ["learning_rate=0.01..1", "beta=0..1"]))
GRID = dict(map(parse, ["num_layers=1:2:3", "optimizer=adagrad:adam"]))


def make(directory, space=SPACE, seed=0, num_evaluations=10, about=None, **tuning):
    return Study(directory, space, TuneConfig(**tuning), seed, num_evaluations, about or {"method": "bpr"})


def value_of(claim):
    """What a baseline would be: options -> value, and nothing to stop."""
    return Trial(claim.number, claim.options, claim.options.get("beta", 0.5))


def run(study, objective=value_of, **options):
    """Numbers of the trials that ran here."""
    ran: list[int] = []
    study.run(objective, lambda trial: ran.append(trial.number), **options)
    return ran


def drawn(study):
    return [dict(trial.options) for trial in study.state()[0]]


def test_the_seed_decides_what_is_drawn(tmp_path):
    studies = [
        make(tmp_path / name, seed=seed, trials=2, sampler="random")
        for name, seed in [("a", 1), ("b", 1), ("c", 2)]
    ]
    for study in studies:
        assert run(study) == [1, 2]
    first, same, other = map(drawn, studies)
    assert first == same != other
    assert len({point["learning_rate"] for point in first}) == 2


def test_a_search_that_goes_on_draws_what_one_without_a_stop_does(tmp_path):
    whole = make(tmp_path / "whole", trials=3, sampler="random")
    run(whole)
    assert run(make(tmp_path / "parts", trials=1, sampler="random")) == [1]
    parts = make(tmp_path / "parts", trials=3, sampler="random")
    assert run(parts) == [2, 3]
    assert drawn(parts) == drawn(whole)
    assert run(make(tmp_path / "parts", trials=2, sampler="random")) == []


def test_a_trial_that_breaks_off_is_run_again_with_what_it_had_drawn(tmp_path):
    whole = make(tmp_path / "whole", trials=3, sampler="random")
    run(whole)
    study = make(tmp_path / "broken", trials=3, sampler="random")

    def interrupted(claim):
        if claim.number == 2:
            raise KeyboardInterrupt
        return value_of(claim)

    with pytest.raises(KeyboardInterrupt):
        run(study, interrupted)
    assert [trial.number for trial in study.state()[0]] == [1]
    again = make(tmp_path / "broken", trials=3, sampler="random")
    assert run(again) == [2, 3]
    assert drawn(again) == drawn(whole)


def test_every_point_of_a_grid_once_in_an_order_of_the_seed(tmp_path):
    study = make(tmp_path / "all", GRID, sampler="grid")
    assert study.num_trials == 6
    run(study)
    points = [(point["num_layers"], point["optimizer"]) for point in drawn(study)]
    assert sorted(points) == [(layers, name) for layers in (1, 2, 3) for name in ("adagrad", "adam")]
    some = make(tmp_path / "some", GRID, sampler="grid", trials=2)
    run(some)
    assert drawn(some) == drawn(study)[:2]


def test_tpe_learns(tmp_path):
    study = make(tmp_path, trials=14)
    run(study)
    values = [trial.value for trial in study.state()[0]]  # beta: uniform in the first ten
    assert min(values[10:]) > sorted(values[:10])[5]


def test_two_at_once_share_one_budget_and_run_nothing_twice(tmp_path):
    ran: list[int] = []

    def work():
        def slow(claim):
            time.sleep(0.02)
            return value_of(claim)

        ran.extend(run(make(tmp_path, trials=5), slow))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ran) == [1, 2, 3, 4, 5]
    ended, num_running = make(tmp_path, trials=5).state()
    assert ([trial.number for trial in ended], num_running) == ([1, 2, 3, 4, 5], 0)
    assert [path.name for path in (tmp_path / ".locks").iterdir()] == ["claim"]


def test_a_trial_is_its_process_as_long_as_that_lives(tmp_path):
    other: list[int] = []
    one = make(tmp_path, trials=2)

    def first(claim):
        if not other:  # meanwhile somebody else takes what is left
            second = make(tmp_path, trials=2)
            assert second.state()[1] == 1
            other.extend(run(second))
        return value_of(claim)

    assert run(one, first) == [1]
    assert other == [2]


def test_no_trial_is_begun_after_max_minutes(tmp_path):
    assert run(make(tmp_path, trials=3), max_minutes=1e-12) == []


def evaluations(curves):
    """Trials whose values after each evaluation are these; they stop where they lag."""
    left = list(curves)

    def objective(claim):
        curve = left.pop(0)
        for step in range(len(curve)):
            if claim.lags(step, max(curve[: step + 1])):
                return Trial(claim.number, claim.options, max(curve[: step + 1]), "pruned", epochs=step + 1)
        return Trial(claim.number, claim.options, max(curve), epochs=len(curve))

    return objective


def outcome(study):
    return [(trial.status, trial.epochs) for trial in study.state()[0]]


@pytest.mark.parametrize(
    ("curve", "options", "expected"),
    [
        # The best values so far of the three before: .1 .2 .3 .3 / .2 .3 .4 .5 / .3 .5 .6 .7
        ([0.1, 0.1, 0.1, 0.9], {}, ("pruned", 1)),
        ([0.3, 0.1, 0.4, 0.1], {}, ("pruned", 4)),  # a dip is forgiven: the best so far counts
        ([0.2, 0.3, 0.4, 0.5], {}, ("finished", 4)),  # level with the median is not below it
        ([0.1, 0.1, 0.1, 0.9], {"warmup_epochs": 2}, ("pruned", 3)),
        ([0.1, 0.1, 0.1, 0.1], {"warmup_trials": 4}, ("finished", 4)),
        ([0.1, 0.1, 0.1, 0.1], {"pruner": "none"}, ("finished", 4)),
    ],
)
def test_median_pruning_by_hand(tmp_path, curve, options, expected):
    tuning = {"warmup_epochs": 0, "warmup_trials": 3, **options}
    study = make(tmp_path, trials=4, **tuning)
    run(study, evaluations([[0.1, 0.2, 0.3, 0.3], [0.2, 0.3, 0.4, 0.5], [0.3, 0.5, 0.6, 0.7], curve]))
    assert outcome(study)[3] == expected


def test_what_was_stopped_or_diverged_is_no_yardstick(tmp_path):
    study = make(tmp_path, trials=4, warmup_epochs=0, warmup_trials=1)
    good = evaluations([[0.2, 0.2], [0.1, 0.9], [0.2, 0.3]])

    def objective(claim):
        if claim.number == 3:
            claim.lags(0, 0.9)
            return Trial(claim.number, claim.options, 0.9, "diverged")
        return good(claim)

    run(study, objective)
    assert outcome(study) == [("finished", 2), ("pruned", 1), ("diverged", 0), ("finished", 2)]


@pytest.mark.slow
def test_hyperband_keeps_the_best_third(tmp_path):
    study = make(
        tmp_path, trials=10, pruner="hyperband", warmup_epochs=1, num_evaluations=9, sampler="random"
    )
    run(study, evaluations([[(30 - i) / 100] * 9 for i in range(10)]))  # each is worse than those before
    counts = {state: sum(status == state for status, _ in outcome(study)) for state in ("finished", "pruned")}
    assert outcome(study)[0] == ("finished", 9)
    assert counts["pruned"] > counts["finished"] > 0
    assert {epochs for status, epochs in outcome(study) if status == "pruned"} <= {2, 4}  # steps 1 and 3


def test_what_matters(tmp_path):
    study = make(tmp_path, trials=12, sampler="random")
    with study.alone():
        assert study.importance() == {}
    run(study)
    with study.alone():
        shares = study.importance()
    assert shares["beta"] > shares["learning_rate"]
    assert sum(shares.values()) == pytest.approx(1)


def test_weights_matter_as_one_option(tmp_path):
    steps = optuna.distributions.IntDistribution(0, 20)
    study = make(tmp_path, {"loss_weights[0]": steps, "loss_weights[1]": steps, **SPACE}, trials=10)
    run(study, lambda claim: Trial(claim.number, claim.options, claim.options["loss_weights"][0]))
    with study.alone():
        assert set(study.importance()) == {"loss_weights", "learning_rate", "beta"}


def test_a_study_of_something_else_is_refused(tmp_path):
    run(make(tmp_path, trials=1, about={"method": "bpr", "num_epochs": "5"}))
    with pytest.raises(InputError, match=r"holds trials with num_epochs '5'; .* `workdir`. Received: '6'"):
        make(tmp_path, about={"method": "bpr", "num_epochs": "6"})


@pytest.mark.parametrize(("name", "other"), [("search.json", "trials.csv"), ("trials.csv", "search.json")])
def test_a_search_of_the_version_before_is_refused_in_one_line(tmp_path, name, other):
    (tmp_path / name).write_text('{"schema": 1}')
    with pytest.raises(InputError, match=f"has a {name} and no {other}, nor a search.db: a search of an ear"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "search.db").write_text("not a database, but long enough to look like one" * 20)
    with pytest.raises(InputError, match=r"search.db is no search that Optuna can read: file is not a dat"):
        make(tmp_path)


@pytest.fixture
def disk(monkeypatch):
    """Limits the pages of every database that is opened from now on, as a full disk does."""
    limit = {"pages": 2**30}

    class Limited(sqlite3.Connection):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.execute(f"PRAGMA max_page_count = {limit['pages']}")

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **options: connect(*args, factory=Limited, **options)
    )
    return limit


@pytest.mark.parametrize("pages", [1, 5, 20])
def test_a_full_disk_leaves_no_part_of_a_search(tmp_path, disk, pages):
    study = make(tmp_path, trials=2)
    disk["pages"] = pages
    with pytest.raises(OSError, match="No space left on device") as error:
        run(study)
    assert error.value.filename == str(tmp_path / "search.db")
    assert [path.name for path in tmp_path.iterdir()] == [".locks"]
    disk["pages"] = 2**30
    assert run(make(tmp_path, trials=2)) == [1, 2]


def test_a_disk_that_is_full_in_the_middle_of_a_search_is_no_other_search(tmp_path, disk):
    study = make(tmp_path, trials=3)

    def fill(claim):
        disk["pages"] = 1 if claim.number == 2 else 2**30
        return dataclasses.replace(value_of(claim), curve=[0.5] * (20_000 if claim.number == 2 else 1))

    with pytest.raises(OSError, match="No space left on device") as error:
        run(study, fill)
    assert error.value.filename == str(tmp_path / "search.db")
    disk["pages"] = 2**30
    assert run(make(tmp_path, trials=3)) == [2, 3]


def test_a_study_makes_nothing_before_it_runs(tmp_path):
    assert make(tmp_path / "new").state() == ([], 0)
    assert not (tmp_path / "new").exists()


def test_the_directory_may_have_any_name(tmp_path):
    study = make(tmp_path / "50 % {x} ?#&", trials=1)
    assert run(study) == [1]
    assert (tmp_path / "50 % {x} ?#&" / "search.db").is_file()


def test_optuna_is_quiet_here_and_as_it_was_elsewhere(tmp_path, capfd):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    run(make(tmp_path, trials=3))
    study = make(tmp_path, trials=3)
    with study.alone():
        study.importance()
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == logging.INFO


def test_a_lock_on_a_full_disk_is_not_said_to_be_held(tmp_path, monkeypatch):
    class Full(sqlite3.Connection):
        def execute(self, *_):
            raise sqlite3.OperationalError("database or disk is full")

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Full, **options))
    with pytest.raises(OSError, match="No space left on device") as error, held(tmp_path / "lock"):
        pass
    assert error.value.filename == str(tmp_path / "lock")


def test_locks(tmp_path):
    path = tmp_path / "new" / "lock"
    with held(path):
        assert not is_free(path)
        with (
            pytest.raises(InputError, match="lock: locked by another process for more than 0 seconds"),
            held(path),
        ):
            pass
    assert is_free(path)
