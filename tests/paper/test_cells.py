"""Cells: their names and settings, their results, and that none is trained twice."""

import json
import os

import numpy as np
import pytest
from conftest import call

from nmtr_tf.cli import common as cli
from nmtr_tf.cli import prepare, train
from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.files import write_json
from nmtr_tf.paper import cell_runs, cells
from nmtr_tf.paper import results as cell_results
from nmtr_tf.paper.cells import Bench, make_cell, open_bench
from nmtr_tf.paper.variants import Variant, data_subsets, training_kinds
from nmtr_tf.runs.directory import Run

TINY = ("--embedding_dim=4", "--num_layers=1", "--num_epochs=2", "--ks=5,10", "--monitor=NDCG@10", "--quiet")
SHOP = ("view", "cart", "buy")


def bench_of(dataset_dir, workdir, *given: str) -> Bench:
    values = cells.new_flags()
    values(
        ["cells", f"--dataset_dir={dataset_dir}", f"--workdir={workdir}", "--flags_dir=none", *TINY, *given]
    )
    return open_bench(values)


@pytest.fixture
def bench(shop_dir, tmp_path) -> Bench:
    return bench_of(shop_dir, tmp_path)


@pytest.fixture(scope="module")
def trained(shop_dir, tmp_path_factory) -> tuple[Bench, dict]:
    """A cell with a share of the carts, trained."""
    bench = bench_of(shop_dir, tmp_path_factory.mktemp("cells"), "--keep=cart:0.5")
    return bench, cell_runs.run_cell(bench, make_cell(bench, bench.variant("nmtr_gmf")))


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        (Variant("nmtr_gmf"), "nmtr_gmf"),
        (Variant("nmtr_gmf", behaviors=SHOP), "nmtr_gmf"),
        (Variant("nmtr_gmf", behaviors=("cart", "buy")), "nmtr_gmf-cart-buy"),
        (Variant("nmtr_gmf", ("cart", "buy"), (("cart", 0.5),)), "nmtr_gmf-cart_0.5-buy"),
        (Variant("nmtr_gmf", keep=(("cart", 0.25),)), "nmtr_gmf-view-cart_0.25-buy"),
        (Variant("nmtr_mlp", train_mode="sequential"), "nmtr_mlp-sequential"),
        (Variant("nmtr_mlp", share_embeddings=False, seed=3), "nmtr_mlp-separate-seed_3"),
        (Variant("neumf", share_embeddings=True), "neumf-shared"),
        (Variant("nmtr_mlp", loss_weights=(0, 1 / 3, 2 / 3)), "nmtr_mlp-lambda_0_0.3333_0.6667"),
    ],
)
def test_names(variant, name):
    assert variant.name(SHOP) == name


def test_subsets_of_table_four():
    names = [variant.name(SHOP) for variant in data_subsets(Variant("m"), SHOP)]
    assert names == ["m-cart-buy", "m-view-buy", "m-cart_0.5-buy", "m-view_0.5-buy"]
    # With one weaker behavior the whole of it is the ordinary run.
    assert [one.name(("view", "buy")) for one in data_subsets(Variant("m"), ("view", "buy"))] == [
        "m",
        "m-view_0.5-buy",
    ]
    asked = Variant("m", keep=(("view", 0.1),))
    assert data_subsets(asked, SHOP) == [asked]


def test_kinds_of_table_five():
    names = {kind: one.name(SHOP) for kind, one in training_kinds(Variant("m", seed=1)).items()}
    assert names == {
        "multitask": "m-seed_1",
        "sequential": "m-sequential-seed_1",
        "separate": "m-separate-seed_1",
    }


def test_ranks_as_text():
    ranks = np.array([0, 0.5, 7, 199.5, 200, 5000.5])
    text = cell_results.encode_ranks(ranks, 200)
    assert cell_results.decode_ranks(text).tolist() == [0, 0.5, 7, 199.5, 200, 200]
    many = np.random.default_rng(0).geometric(0.005, 20_000).astype(float)
    text = cell_results.encode_ranks(many, 200)
    assert mean_metrics(cell_results.decode_ranks(text), (50, 200)) == mean_metrics(many, (50, 200))
    assert len(text) < 40_000


def test_history_in_columns():
    history = [{"epoch": 1, "train/loss": 0.123456789}, {"epoch": 2, "train/loss": 1e-9, "test/HR@5": 0.25}]
    columns = cell_results.pack_history(history)
    assert columns == {"epoch": [1, 2], "train/loss": [0.12346, 1e-9], "test/HR@5": [None, 0.25]}
    assert cell_results.unpack_history(columns)[1] == history[1]
    assert cell_results.unpack_history(columns)[0] == {"epoch": 1, "train/loss": 0.12346}
    assert cell_results.unpack_history(cell_results.pack_history([])) == []


def test_peaks_are_by_metric():
    history = [{"test/HR@5": 0.1, "test/NDCG@5": 0.3, "validation/HR@5": 0.9}, {}, {"test/HR@5": 0.2}]
    assert cell_results.peak_metrics(history) == {"HR@5": 0.2, "NDCG@5": 0.3}


def test_differences_of_configs():
    stored = json.loads(json.dumps(RunConfig().to_json()))
    stored["data"]["dataset_dir"] = "shop"
    stored["training"] |= {"num_epochs": 7, "device": "gpu"}
    del stored["model"]["dropout"]  # written before there was dropout
    assert cell_results.config_differences(stored, RunConfig().to_json()) == [
        "--num_epochs is 7 there and 50 here"
    ]
    stored["evaluation"]["ks"] = [1, 2]
    assert "--ks is [1, 2] there" in cell_results.config_differences(stored, RunConfig().to_json())[1]


def test_settings_are_the_flagfile_then_the_command_line(shop_dir, tmp_path):
    folder = tmp_path / "flags" / "shop"
    folder.mkdir(parents=True)
    lines = ["--method=bpr", "--learning_rate=0.3", "--embedding_dim=32", "--behaviors=view,buy"]
    (folder / "nmtr_gmf.flags").write_text("\n".join(["# tuned", *lines]) + "\n")
    bench = bench_of(shop_dir, tmp_path / "work", f"--flags_dir={tmp_path}/flags")
    config = make_cell(bench, bench.variant("nmtr_gmf")).config
    assert (config.model.method, config.model.embedding_dim) == ("nmtr_gmf", 4)
    assert config.training.learning_rate == 0.3
    assert config.training.curve_split == "test"
    assert config.data.behaviors == SHOP
    assert config.data.protocol == "strict"
    assert make_cell(bench, bench.variant("gmf")).config.training.learning_rate == 0.01


def test_epochs_without_a_word_about_them(shop_dir, tmp_path):
    values = cells.new_flags()
    values(["cells", f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}", "--flags_dir=none"])
    bench = open_bench(values)
    assert make_cell(bench, bench.variant("gmf")).config.training.num_epochs == 60
    assert values.num_epochs == 60


def test_loss_weights_of_the_flagfile_stay_where_they_fit(shop_dir, tmp_path):
    folder = tmp_path / "flags" / "shop"
    folder.mkdir(parents=True)
    (folder / "nmtr_gmf.flags").write_text("--loss_weights=0.2,0.3,0.5\n")
    bench = bench_of(shop_dir, tmp_path / "work", f"--flags_dir={tmp_path}/flags")

    def weights(**changes):
        return make_cell(bench, bench.variant("nmtr_gmf", **changes)).config.training.loss_weights

    assert weights() == (0.2, 0.3, 0.5)
    assert weights(loss_weights=(0.0, 0.0, 1.0)) == (0.0, 0.0, 1.0)
    assert weights(behaviors=("cart", "buy")) == ()
    assert weights(train_mode="sequential") == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--loss_weights=0.5,0.4,0.3", "at least 0 each and sum to 1"),
        ("--loss_weights=0.5,0.5", "one weight for each of the 3 behaviors"),
    ],
)
def test_loss_weights_that_do_not_fit(shop_dir, tmp_path, given, message):
    bench = bench_of(shop_dir, tmp_path, given)
    with pytest.raises(InputError, match=message):
        make_cell(bench, bench.variant("nmtr_gmf"))
    assert make_cell(bench, bench.variant("gmf")).config.training.loss_weights == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--keep=cart", "--keep should be behavior:share, such as cart:0.5. Received: 'cart'."),
        ("--keep=cart:much", "--keep should be behavior:share, such as cart:0.5. Received: 'cart:much'."),
        ("--keep=cart:0", "--keep=cart:0: the share should be in (0, 1]."),
        ("--keep=buy:0.5", "--keep: the target behavior 'buy' stays whole; name a weaker behavior."),
        ("--behaviors=view,wish", "--behaviors should be a subset of view,cart,buy in this order"),
        ("--methods=oracle", "--method should be one of"),
    ],
)
def test_bad_flags(shop_dir, tmp_path, given, message):
    with pytest.raises(InputError) as error:
        bench_of(shop_dir, tmp_path, given)
    assert message in str(error.value)
    assert not list(tmp_path.iterdir())


def test_keep_everything_is_no_subset(shop_dir, tmp_path):
    assert bench_of(shop_dir, tmp_path, "--keep=cart:1").keep == ()


def test_result_of_a_cell(trained):
    bench, result = trained
    assert result["name"] == "nmtr_gmf-view-cart_0.5-buy"
    path = bench.results_dir / bench.dataset / "strict" / f"{result['name']}.json"
    assert path.stat().st_size < 10_000
    assert "/" not in result["config"]["data"]["dataset_dir"]
    assert result["keep"] == {"cart": 0.5}
    assert (result["protocol"], result["seed"], result["epochs"]) == ("strict", 0, 2)
    assert result["dataset_fingerprint"] == bench.interactions.fingerprint
    assert len(result["ranks"]) == result["num_test_users"] == len(bench.interactions.held_out["test"])
    assert mean_metrics(result["ranks"], (5, 10)) == pytest.approx(result["test"])
    # The best epoch's test metrics are in its history: with few users all are ranked after each epoch.
    best = result["history"][result["best_epoch"] - 1]
    assert {name: best[f"test/{name}"] for name in result["test"]} == pytest.approx(result["test"], abs=1e-4)
    assert result["curve_users"] == result["num_test_users"]
    assert result["peak"]["HR@10"] == pytest.approx(max(r["test/HR@10"] for r in result["history"]), abs=1e-4)
    by_purchases = {name: row["num_pairs"] for name, row in result["groups"].items() if name.endswith(" buy")}
    assert sum(by_purchases.values()) == result["num_test_users"]
    assert list(result["heads"]) == ["view", "cart"]
    assert result["num_parameters"] > 0
    assert sorted(result["flags"]) == sorted(set(TINY) - {"--quiet"})


def test_the_run_saw_half_of_the_carts(trained):
    bench, _ = trained
    whole = bench.interactions.training_view(SHOP, "strict")
    thinned = bench.view(make_cell(bench, bench.variant("nmtr_gmf")))
    assert thinned.matrices["cart"].nnz < 0.8 * whole.matrices["cart"].nnz
    assert thinned.matrices["view"].nnz == whole.matrices["view"].nnz


def never(*arguments, **options):
    raise AssertionError("trained again")


def test_a_finished_cell_is_never_trained_again(trained, monkeypatch):
    bench, result = trained
    monkeypatch.setattr(train, "train_one", never)
    cell = make_cell(bench, bench.variant("nmtr_gmf"))
    again = cell_runs.run_cells(bench, [cell, cell])
    assert list(again) == [cell.name]
    assert again[cell.name]["history"] == result["history"]
    assert again[cell.name]["ranks"].tolist() == result["ranks"].tolist()


def test_a_run_without_its_result_is_only_evaluated(trained, monkeypatch):
    bench, result = trained
    bench.result_path(result["name"]).unlink()
    monkeypatch.setattr(train, "train_one", never)
    again = cell_runs.run_cell(bench, make_cell(bench, bench.variant("nmtr_gmf")))
    assert again["ranks"].tolist() == result["ranks"].tolist()
    assert again["test"] == pytest.approx(result["test"])


def test_an_interrupted_cell_starts_again(bench, monkeypatch):
    cell = make_cell(bench, bench.variant("gmf"))
    run = Run(bench.run_path(cell.name))

    def interrupted(values, workdir, config, view, device, start):
        Run.create(workdir, config, view, overwrite=False)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "train_one", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cell_runs.run_cell(bench, cell)
    assert run.about()["status"] == "running"
    assert not bench.results_dir.exists()
    result = cell_runs.run_cell(bench, cell)
    assert result["epochs"] == 2
    assert result["heads"] == {}  # it predicts the target alone


def test_a_result_with_other_settings_is_refused(trained, shop_dir):
    bench, result = trained
    other = bench_of(shop_dir, bench.workdir, "--keep=cart:0.5", "--learning_rate=0.5")
    cell = make_cell(other, other.variant("nmtr_gmf"))
    with pytest.raises(InputError) as error:
        cell_runs.run_cells(other, [cell])
    assert f"{result['name']}.json: a result with other settings" in str(error.value)
    assert "--learning_rate is 0.01 there and 0.5 here" in str(error.value)


def test_the_result_and_the_workdir_of_another_data_set_are_refused(trained, tmp_path):
    bench, _ = trained
    flags = ["--source=synthetic", "--synthetic_users=50", "--synthetic_items=40", "--quiet"]
    assert call(prepare, *flags, f"--dataset_dir={tmp_path}/{bench.dataset}") == 0
    with pytest.raises(InputError, match="belongs to another data set, 'shop', than the one in"):
        bench_of(tmp_path / bench.dataset, bench.workdir)
    given = (f"--results_dir={bench.results_dir}", "--keep=cart:0.5")
    other = bench_of(tmp_path / bench.dataset, tmp_path / "work", *given)
    with pytest.raises(InputError, match=r"-buy\.json: the result of another data set than the one in"):
        cell_runs.run_cell(other, make_cell(other, other.variant("nmtr_gmf")))


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "with the entry 'name'"), ("[", "expected JSON"), ("[]", "with the entry")],
)
def test_a_file_that_is_no_result(bench, content, message):
    path = bench.result_path("gmf")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        cell_runs.run_cells(bench, [make_cell(bench, bench.variant("gmf"))])


def test_plan_and_its_estimate(trained, shop_dir, capsys):
    bench, result = trained
    path = bench.result_path(result["name"])
    slow = {**cell_results.read_result(path), "seconds": 200.0, "epochs": 2}  # 100 s an epoch
    cell_results.write_result(path, slow)
    loud = bench_of(shop_dir, bench.workdir, "--keep=cart:0.5", "--noquiet")
    wanted = [
        loud.variant("nmtr_gmf"),
        loud.variant("nmtr_gmf", keep=()),  # 2 epochs
        loud.variant("nmtr_gmf", keep=(), train_mode="sequential"),  # 2 epochs for each of 3 behaviors
        loud.variant("bpr", keep=()),
    ]
    capsys.readouterr()
    cell_runs.show_plan(loud, [make_cell(loud, variant) for variant in wanted])
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
    assert rows["nmtr_gmf-view-cart_0.5-buy"] == ["finished"]
    assert rows["nmtr_gmf"] == ["to", "train", "at", "most", "3", "min"]
    assert rows["nmtr_gmf-sequential"] == ["to", "train", "at", "most", "10", "min"]
    assert rows["bpr"] == ["to", "train", "unknown"]
    assert " ".join(["3", *rows["3"]]) == "3 of 4 to train: at most 13 min and 1 of unknown time."


def test_estimate_from_an_interrupted_run(bench):
    directory = bench.run_path("gmf")
    directory.mkdir(parents=True)
    write_json(directory / "run.json", {"method": "gmf", "started": "2024-05-01T09:00:00+00:00"})
    (directory / "metrics.jsonl").write_text("{}\n{}\n{}\n")
    start = 1714554000  # of 2024-05-01T09:00:00
    os.utime(directory / "metrics.jsonl", (start + 60, start + 60))
    assert cell_runs.seconds_per_epoch(bench, "gmf") == pytest.approx(20)
    assert cell_runs.seconds_per_epoch(bench, "mlp") is None


def test_every_flag_of_cells_has_help():
    values = cells.new_flags()
    assert all(values[name].help for name in values)
    assert "method" not in values
    assert isinstance(cli.section_from_flags(type(RunConfig().data), values).behaviors, tuple)
