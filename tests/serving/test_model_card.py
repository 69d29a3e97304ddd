"""The card of an exported model."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from nmtr_tf.config import RunConfig
from nmtr_tf.data.preparation import prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.files import read_json, write_json
from nmtr_tf.methods.plan import resolve
from nmtr_tf.runs import Run
from nmtr_tf.runs.info import versions
from nmtr_tf.serving.card_files import card_text, write_model_card
from nmtr_tf.serving.model_card import ModelCard, ModelFacts

SIGNATURES = {
    "serving_default": {
        "inputs": {"user_id": {"dtype": "string", "shape": [None]}},
        "outputs": {"scores": {"dtype": "float32", "shape": [None, 10]}},
    }
}


@pytest.fixture
def dataset(tmp_path):
    """A stored shop."""
    return prepare(synthetic_shop(60, 40, seed=3), min_behaviors=2).save(tmp_path / "shop")


def card_of(dataset, options=None, **facts) -> ModelCard:
    """The card of a model that nobody had to train."""
    config = dataset.resolved(
        RunConfig().with_options(**(options or {"method": "nmtr_gmf", "mask": "target"}))
    )
    known = ModelFacts(dataset, config, best_epoch=4, versions=versions())
    facts_of_it = dataclasses.replace(known, **facts)
    plan = resolve(config, dataset.behaviors)
    return ModelCard(plan, dataset.view(config), facts_of_it, 3, 10, SIGNATURES)


def test_facts_of_a_model(dataset):
    card = card_of(dataset)
    found = card.to_json()
    assert (found["model"], found["version"], found["best_epoch"]) == ("nmtr_gmf", 3, 4)
    assert found["data"]["name"] == "shop"
    assert found["data"]["source"] == "synthetic"
    assert found["data"]["fingerprint"] == dataset.fingerprint
    assert found["data"]["num_items"] == 40
    assert found["protocol"] == "strict"
    assert found["training_rows"]["buy"] == card.view.target.nnz
    assert found["created"].endswith("+00:00")
    assert found["config"] == card.facts.config.to_json()
    assert set(found["versions"]["exported"]) == {"nmtr_tf", "tensorflow", "keras"}
    assert found["versions"]["trained"]["python"]
    assert found["metrics"] is None
    assert found["audit"] is None
    assert found["behaviors"] == found["predicted_behaviors"] == ["view", "cart", "buy"]
    assert (found["k"], found["exclude"], found["signatures"]) == (10, "auto", SIGNATURES)
    assert (found["left_out"], found["exclude_items"]) == ("bought", [])


def test_the_card_says_what_is_not_known(dataset):
    text = card_text(card_of(dataset))
    assert text.startswith("# nmtr_gmf, version 3\n")
    assert "Not evaluated (see the command `evaluate`)." in text
    assert "Audit: not audited (see the command `audit`)." in text
    assert "None" not in text.split("## Settings")[0]


def test_the_card_has_metrics_audit_signatures_and_settings(dataset):
    write_json(dataset.directory / "audit.json", audit(dataset.fingerprint))
    evaluation = Evaluation(
        split="test",
        protocol="strict",
        mask="target",
        behaviors=("view", "cart", "buy"),
        dataset_fingerprint=dataset.fingerprint,
        about={"method": "nmtr_gmf"},
        metrics={"HR@50": 0.25},
        groups={"a|b": {"num_pairs": 34, "num_users": 34, "HR@50": 0.125}},
        users=np.arange(1234),
        items=np.zeros(1234, int),
        ranks=np.zeros(1234, int),
        tied=np.ones(1234, int),
        num_candidates=np.full(1234, 40, np.int32),
    )
    card = card_of(dataset, evaluation=evaluation)
    text = card_text(card)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    metrics = card.to_json()["metrics"]
    assert metrics["HR@50"] == 0.25
    assert (metrics["split"], metrics["num_pairs"], metrics["method"]) == ("test", 1234, "nmtr_gmf")
    assert metrics["groups"] == {"a|b": {"num_pairs": 34, "num_users": 34, "HR@50": 0.125}}
    assert ["all", "1,234", "0.2500"] in lines
    assert "| a\\|b" in text
    assert "protocol strict, mask target" in text
    assert "Audit: Nothing leaks." in text
    assert ["`serving_default`", "`user_id` string [?]", "`scores` float32 [?, 10]"] in lines
    assert ["`embedding_dim`", "64"] in lines
    assert (
        "everything that the user bought (`buy`), in the whole data set, is left out (`exclude=auto`" in text
    )


def audit(fingerprint):
    return {"dataset_fingerprint": fingerprint, "verdict": "Nothing leaks.", "splits": {}}


def test_an_audit_of_other_data_is_no_audit(dataset):
    write_json(dataset.directory / "audit.json", audit("other"))
    assert card_of(dataset).audit is None


@pytest.mark.slow
def test_the_card_of_a_run_that_was_evaluated_and_whose_data_set_was_moved(text_run, tmp_path):
    moved = shutil.copytree(text_run.parent / "data", tmp_path / "moved")
    run = Run(shutil.copytree(text_run, tmp_path / "run")).use_dataset(moved)
    table = run.evaluate(ks=(5,))
    found = read_json(run.export(tmp_path / "models", k=3) / "model.json")
    assert found["data"]["name"] == "moved"
    assert found["best_epoch"] == 4
    assert found["versions"]["trained"] == run.info.versions
    assert found["metrics"]["HR@5"] == table.loc["all", "HR@5"]
    assert found["metrics"]["num_pairs"] == table.loc["all", "users"]


def test_a_data_set_that_is_stored_nowhere(dataset):
    card = card_of(dataclasses.replace(dataset, directory=None))
    assert card.data["name"] == "data"
    assert card.audit is None


@pytest.mark.parametrize(
    ("exclude", "left_out", "held"),
    [
        ("none", "nothing is left out", "vectors learned"),
        ("auto", "the user bought (`buy`), in the whole data set", "what they did as `buy`"),
        ("bought", "the user bought (`buy`), in the whole data set", "what they did as `buy`"),
        ("touched", "touched by any behavior, in the whole data set", "everything that they did"),
    ],
)
def test_the_card_says_what_is_left_out_and_what_the_files_hold(dataset, exclude, left_out, held):
    text = " ".join(card_text(card_of(dataset, exclude=exclude)).split())
    assert left_out in text
    assert held in text


@pytest.mark.parametrize("mask", ["all", "auto"])
def test_a_model_judged_on_untouched_items_leaves_touched_ones_out(dataset, mask):
    card = card_of(dataset, {"method": "nmtr_gmf", "mask": mask})
    assert (card.to_json()["exclude"], card.to_json()["left_out"]) == ("auto", "touched")
    assert (
        "touched by any behavior, in the whole data set, is left out (`exclude=auto`, `mask=all`)"
        in " ".join(card_text(card).split())
    )


def test_both_files_are_written(dataset, tmp_path):
    card = card_of(dataset)
    write_model_card(tmp_path / "card", card)
    assert read_json(tmp_path / "card" / "model.json") == json.loads(json.dumps(card.to_json()))
    assert (tmp_path / "card" / "MODEL_CARD.md").read_text(encoding="utf-8") == card_text(card)


@pytest.mark.parametrize(
    ("method", "origin", "warned"),
    [
        ("nmtr_gmf", "from the cascade view -> cart -> buy (NMTR, arXiv 1809.08161). Exported", False),
        ("gmf", "`buy` by the method GMF, learned from buy. Exported", False),
        ("mc_bpr", "`buy` by the method MC-BPR, learned from view, cart, buy. Exported", True),
        ("cmf", "`buy` by the method CMF, learned from view, cart, buy. Exported", True),
    ],
)
def test_the_card_says_what_the_method_learns_from(dataset, method, origin, warned):
    card = card_of(dataset, {"method": method})
    text = card_text(card)
    everything = method in ("nmtr_gmf", "cmf")
    assert card.to_json()["predicted_behaviors"] == (["view", "cart", "buy"] if everything else ["buy"])
    assert origin in text
    assert ("they only order, as the logits do" in text) == warned


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        (
            {"loss": "squared"},
            "are their sigmoids; trained by the squared loss, they only order, as the logits do.",
        ),
        (
            {"loss": "log"},
            "come from training against sampled negatives and are no rates at which users act.",
        ),
        (
            {"objective": "ones_own"},
            "are their sigmoids; trained by the ones_own objective, they may only order,",
        ),
    ],
)
def test_the_warning_follows_what_was_minimised(dataset, options, warning):
    text = " ".join(card_text(card_of(dataset, {"method": "nmtr_gmf", **options})).split())
    assert warning in text
    assert ("against sampled negatives" in text) == ("no rates" in warning)


def test_settings_that_follow_from_the_method_are_said(dataset):
    """The cascade of the sum reads histories and is trained by the whole-data loss, unless told otherwise."""
    text = card_text(card_of(dataset, {"method": "nmtr_linear_gmf"}))
    rows = dict(re.findall(r"^\| `(\w+)` +\| (\S*)", text, re.MULTILINE))
    assert (rows["objective"], rows["user_rows"], rows["method"]) == (
        "whole_data",
        "history",
        "nmtr_linear_gmf",
    )
