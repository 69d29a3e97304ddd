"""What one asks of a run: evaluations, ranks, recommendations, an export."""

import pytest
from conftest import call

import nmtr_tf as nt
from nmtr_tf.cli import recommend
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.runs.checks import RunSetup


def test_the_commands_open_what_fit_wrote(in_memory, stored, capsys):
    flags = [f"--workdir={stored.workdir}", "--user_ids=user-0001", "--k=1"]
    assert call(recommend, *flags) == 0
    item = in_memory.recommend(["user-0001"], k=1)["item"][0]
    assert f" {item} " in capsys.readouterr().out


def test_evaluate_takes_options_of_the_evaluation(in_memory, workdir):
    run = nt.Run(workdir)
    table = run.evaluate("validation", ks=(3,), metrics=("Recall", "MRR", "coverage"), mask="none", groups=())
    assert list(table.columns) == ["users", "Recall@3", "MRR@3", "coverage@3"]
    evaluation = run.evaluation("validation")
    assert (evaluation.mask, evaluation.split, evaluation.method) == ("none", "validation", "nmtr_gmf")
    assert evaluation.where == str(workdir)
    assert set(evaluation.num_candidates) == {40}
    released = run.evaluate("validation", protocol="released")
    assert run.evaluation("validation").protocol == "released"
    assert list(released.columns) == ["users", "HR@5", "NDCG@5", "HR@10", "NDCG@10"]
    assert nt.Run(workdir).evaluation("validation").metrics == run.evaluation("validation").metrics
    assert run.config == in_memory.config.with_options(dataset_dir=run.config.data.dataset_dir)
    done: list[int] = []
    run.evaluate("test", progress=done.append)
    assert sum(done) == len(run.dataset.held_out["test"])


def test_the_best_epochs_validation_is_what_training_saw(in_memory):
    metrics = in_memory.evaluate("validation").loc["all"]
    best = in_memory.history[in_memory.info.best_epoch - 1]
    assert {name: metrics[name] for name in ("HR@5", "NDCG@10")} == {
        name: best[f"validation/{name}"] for name in ("HR@5", "NDCG@10")
    }


def test_a_run_that_was_not_evaluated_says_so(in_memory, stored, tmp_path):
    run = nt.Run(stored.workdir)
    assert run.is_evaluated("test")
    assert not run.is_evaluated("validation")
    with pytest.raises(
        InputError, match=r"metrics_validation\.json, which evaluate writes with `split=validation`"
    ):
        run.ranks("validation")
    setup = RunSetup(in_memory.config, in_memory.plan, in_memory.view)
    fresh = nt.Run.of_training(in_memory.dataset, setup, in_memory.info, [], in_memory.model, None)
    assert not fresh.is_evaluated()
    with pytest.raises(InputError, match=r"not evaluated yet, which evaluate does with `split=test`"):
        fresh.ranks()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recall": 5}, r"There is no option `recall` of an evaluation; ks, metrics, mask"),
        ({"num_epochs": 5}, r"There is no option `num_epochs` of an evaluation"),
        ({"metrics": ("NDGC",)}, r"`metrics` should name a known metric"),
        ({"ks": (0,)}, r"`ks` should be positive numbers"),
        ({"mask": "some"}, r"`mask` should be one of"),
        ({"split": "tset"}, r"`split` should be one of 'validation', 'test'. Received: 'tset'"),
        ({"protocol": "lax"}, r"`protocol` should be one of"),
    ],
)
def test_evaluate_refuses(in_memory, options, message):
    with pytest.raises(InputError, match=message):
        in_memory.evaluate(**options)


def test_export_without_a_directory(in_memory, tmp_path):
    with pytest.raises(InputError, match="`k=41` is more than the 40 items"):
        in_memory.export(tmp_path / "models", k=41)
    assert in_memory.export(tmp_path / "models") == tmp_path / "models" / "1"
    assert (tmp_path / "models" / "1" / "saved_model.pb").is_file()


def test_what_was_stored_is_what_was_evaluated(stored):
    loaded, own = Evaluation.load(stored.workdir, "test"), stored.evaluation()
    assert loaded.metrics == own.metrics
    assert (loaded.method, loaded.where) == ("nmtr_gmf", str(stored.workdir))
    assert loaded.users.tolist() == sorted(own.users.tolist())
