"""The card of an exported model."""

import json

import pytest

from nmtr_tf.config import DataConfig, ModelConfig, RunConfig
from nmtr_tf.data import storage
from nmtr_tf.data.preparation import PrepareOptions, prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.files import read_json, write_json
from nmtr_tf.runs.directory import Run
from nmtr_tf.serving.model_card import card_text, model_facts, write_model_card

EXPORT = {
    "k": 10,
    "exclude": "target",
    "signatures": {
        "serving_default": {
            "inputs": {"user_id": {"dtype": "string", "shape": [None]}},
            "outputs": {"scores": {"dtype": "float32", "shape": [None, 10]}},
        }
    },
}


@pytest.fixture
def run(tmp_path):
    """A run directory without weights; the card needs none."""
    prepared = prepare(synthetic_shop(60, 40, seed=3), PrepareOptions(min_behaviors=2))
    about = {"source": "synthetic", "table_one": prepared.table_one()}
    storage.save(tmp_path / "shop", prepared.events, prepared.split, "strict", about)
    config = RunConfig(data=DataConfig(dataset_dir=str(tmp_path / "shop")), model=ModelConfig("nmtr_gmf"))
    view = storage.load(tmp_path / "shop").training_view()
    run = Run.create(tmp_path / "run", config, view, overwrite=False)
    run.update(best_epoch=4)
    return run


def facts(run, **changes):
    view = run.view(run.interactions())
    return model_facts(run, view, 3) | EXPORT | changes


def test_facts_of_a_run(run):
    found = facts(run)
    view = run.view(run.interactions())
    assert (found["model"], found["version"], found["best_epoch"]) == ("nmtr_gmf", 3, 4)
    assert found["data"]["name"] == "shop"
    assert found["data"]["source"] == "synthetic"
    assert found["data"]["fingerprint"] == view.fingerprint
    assert found["data"]["num_items"] == 40
    assert found["protocol"] == "strict"
    assert found["training_rows"]["buy"] == view.target.nnz
    assert found["created"].endswith("+00:00")
    assert found["config"] == run.config().to_json()
    assert set(found["versions"]["exported"]) == {"nmtr_tf", "tensorflow", "keras"}
    assert found["versions"]["trained"]["python"]
    assert found["metrics"] is None
    assert found["audit"] is None


def test_the_card_says_what_is_not_known(run):
    text = card_text(facts(run))
    assert text.startswith("# nmtr_gmf, version 3\n")
    assert "Not evaluated (see `python -m experiments.evaluate`)." in text
    assert "Audit: not audited" in text
    assert "None" not in text.split("## Settings")[0]


def test_the_card_has_metrics_audit_signatures_and_settings(run):
    fingerprint = run.about()["dataset_fingerprint"]
    metrics = {"split": "test", "protocol": "strict", "mask": "target", "num_pairs": 1234, "HR@50": 0.25}
    group = {"num_pairs": 34, "HR@50": 0.125}
    write_json(run.workdir / "metrics_test.json", metrics | {"groups": {"a|b": group}})
    write_json(run.workdir.parent / "shop" / "audit.json", audit(fingerprint))
    found = facts(run)
    text = card_text(found)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert found["metrics"]["HR@50"] == 0.25
    assert ["all", "1,234", "0.2500"] in lines
    assert "| a\\|b" in text
    assert "protocol strict, mask target" in text
    assert "Audit: Nothing leaks." in text
    assert ["`serving_default`", "`user_id` string [?]", "`scores` float32 [?, 10]"] in lines
    assert ["`embedding_dim`", "64"] in lines
    assert "items with a `buy` of the user in training are left out" in text


def audit(fingerprint):
    return {"dataset_fingerprint": fingerprint, "verdict": "Nothing leaks.", "splits": {}}


def test_an_audit_of_other_data_is_no_audit(run):
    write_json(run.workdir.parent / "shop" / "audit.json", audit("other"))
    assert facts(run)["audit"] is None


def test_a_data_set_that_was_moved(run):
    folder = run.workdir.parent
    (folder / "shop").rename(folder / "moved")
    interactions = run.interactions(str(folder / "moved"))
    assert model_facts(run, run.view(interactions), 1, str(folder / "moved"))["data"]["name"] == "moved"


@pytest.mark.parametrize(
    ("exclude", "left_out", "held"),
    [
        ("none", "nothing is left out", "vectors learned"),
        ("target", "with a `buy` of the user", "what they did as `buy`"),
        ("all", "touched by any behavior", "everything that they did"),
    ],
)
def test_the_card_says_what_is_left_out_and_what_the_files_hold(run, exclude, left_out, held):
    text = " ".join(card_text(facts(run, exclude=exclude)).split())
    assert left_out in text
    assert held in text


def test_both_files_are_written(run, tmp_path):
    found = facts(run)
    write_model_card(tmp_path / "card", found)
    assert read_json(tmp_path / "card" / "model.json") == json.loads(json.dumps(found))
    assert (tmp_path / "card" / "MODEL_CARD.md").read_text(encoding="utf-8") == card_text(found)


@pytest.mark.parametrize(
    ("method", "origin", "warned"),
    [
        ("nmtr_gmf", "from the cascade view -> cart -> buy (NMTR, arXiv 1809.08161). Exported", False),
        ("gmf", "`buy` by the method GMF, learned from buy. Exported", False),
        ("mc_bpr", "`buy` by the method MC-BPR, learned from view, cart, buy. Exported", True),
        ("cmf", "`buy` by the method CMF, learned from view, cart, buy. Exported", True),
    ],
)
def test_the_card_says_what_the_method_learns_from(run, method, origin, warned):
    config = run.config().to_json()
    predicted = ["view", "cart", "buy"] if method in ("nmtr_gmf", "cmf") else ["buy"]
    text = card_text(facts(run, model=method, config=config, predicted_behaviors=predicted))
    assert origin in text
    assert ("they only order, as the logits do" in text) == warned


def test_predicted_behaviors_of_a_run(run):
    assert facts(run)["predicted_behaviors"] == ["view", "cart", "buy"]
