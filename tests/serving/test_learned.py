"""Users of whom nothing was learned get what is popular, wherever one asks."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import call, make_dataset, make_view, refused

import nmtr_tf as nt
from nmtr_tf.cli import recommend
from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import network
from nmtr_tf.serving.export import save_model
from nmtr_tf.serving.learned import Learned
from nmtr_tf.serving.left_out import excluded_items
from nmtr_tf.serving.new_histories import read_histories
from nmtr_tf.serving.recommendation import recommend_table
from nmtr_tf.serving.request import Request
from nmtr_tf.serving.two_stages import fit_two_stages
from serving.exports import random_model

# User 100 did everything, 101 viewed, 102 bought what is held out alone, 103 viewed and bought. Item 5 was
# viewed by 101 alone, 6 is held out alone.
VIEWED = np.array([[1, 1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 1, 0], [0] * 7, [1, 0, 0, 1, 1, 0, 0]])
BOUGHT = np.array([[0, 1, 0, 0, 1, 0, 0], [0] * 7, [0] * 7, [0, 0, 1, 0, 1, 0, 0]])
DATASET = make_dataset({"view": VIEWED, "buy": BOUGHT}, test=[(2, 4), (2, 6), (1, 2)])
SMALL = {"embedding_dim": 4, "num_layers": 1}
CASES: dict[str, tuple[dict[str, Any], list[int]]] = {  # and whom they know
    "bpr": ({"method": "bpr", **SMALL}, [1, 0, 0, 1]),
    "negatives alone": ({"method": "mc_bpr", **SMALL}, [1, 0, 0, 1]),
    "nmtr": ({"method": "nmtr_neumf", **SMALL}, [1, 1, 0, 1]),
    "linear": ({"method": "nmtr_linear"}, [1, 1, 0, 1]),
    "purchases": ({"method": "nmtr_linear", "behaviors": ("buy",)}, [1, 0, 0, 1]),
    "both": ({"method": "nmtr_gmf", "user_rows": "both", **SMALL}, [1, 1, 0, 1]),
}
POPULAR = {
    False: ["4", "1", "2"],
    True: ["4", "1", "2", "0", "3", "5"],
}  # without and with views to learn from


@pytest.fixture(params=CASES)
def case(request):
    """A model, its view, and whom it knows."""
    options, known = CASES[request.param]
    config = RunConfig().with_options(**options)
    view = DATASET.view(config)
    return random_model(config, view), view, np.array(known, bool)


def test_who_is_known_has_a_row_to_learn_from(case):
    model, view, known = case
    learned = Learned.of(network(model), view)
    assert learned.users.tolist() == known.tolist()
    assert learned.knows(np.array([3, -1, 1])).tolist() == [True, False, known[1]]
    counts = np.array([0, 1, 1, 0, 2, 0, 0], np.float32)
    nothing = np.isin(range(7), [6] if known[1] else [0, 3, 5, 6])
    np.testing.assert_array_equal(learned.popularity, np.where(nothing, -np.inf, counts))


def test_they_get_what_is_popular_but_for_what_they_bought(case):
    model, view, known = case
    found = recommend_table(model, DATASET, view, None, Request(k=7, probabilities=True))
    assert found.groupby("user")["known_user"].all().tolist() == known.tolist()
    for row in np.flatnonzero(~known):
        own, popular = found[found["user"] == str(100 + row)], POPULAR[bool(known[1])]
        bought = {"1": ["2"], "2": ["4", "6"]}[str(row)]  # though it is held out
        assert own["item"].tolist() == [item for item in popular if item not in bought]
        assert own["probability_buy"].isna().all()
    nobody = recommend_table(model, DATASET, view, ["nobody"], Request(k=7))
    assert nobody["item"].tolist() == POPULAR[bool(known[1])]
    scorer = ModelScorer(model)
    scores = scorer.scores(tf.constant([0]), scorer.item_side()).numpy()[0]
    own = found[found["user"] == "100"]
    np.testing.assert_allclose(own["score"], scores[own["item"].astype(int)], rtol=1e-5, atol=1e-6)


def test_an_export_answers_the_same(case, tmp_path):
    check_export(tmp_path, *case)


def test_so_does_one_that_finds_candidates_first(tmp_path):
    options, known = CASES["nmtr"]
    view = DATASET.view(RunConfig())
    model = random_model(RunConfig().with_options(**options), view)
    check_export(tmp_path, model, view, np.array(known, bool), 6)


def check_export(tmp_path, model, view, known, candidates=0):
    """That every signature knows whom the model knows, and gives what the library recommends."""
    stages = fit_two_stages(ModelScorer(model), view, candidates, 5)[0] if candidates else None
    save_model(tmp_path, model, view, 5, excluded_items(DATASET, "auto"), stages=stages)
    ask = tf.saved_model.load(str(tmp_path)).signatures
    users = [*view.user_ids.tolist(), "nobody"]
    ids, everything = tf.constant(users), tf.constant([view.item_ids.tolist()] * 5)
    table = recommend_table(model, DATASET, view, users, Request(k=5, candidates=candidates))
    lists = {
        "serving_default": {},
        "recommend_among": {"candidate_item_ids": everything},
        "recommend_excluding": {"exclude_item_ids": tf.fill([5, 1], "")},
    }
    for name, inputs in lists.items():
        found = ask[name](user_id=ids, **inputs)
        assert found["known_user"].numpy().tolist() == [*known.tolist(), False]
        for place, user in enumerate(users):
            expected, count = table[table["user"] == user], int(found["num_items"][place])
            assert found["item_ids"][place, :count].numpy().astype(str).tolist() == expected["item"].tolist()
            scores = found["scores"][place, :count]
            np.testing.assert_allclose(scores, expected["score"], rtol=1e-4, atol=1e-5)
    pair = {"user_id": ids, "item_id": tf.fill([5], "1")}
    for name in {"score", "explain", "user_embeddings"} & set(ask):
        found = ask[name](**(pair if name != "user_embeddings" else {"user_id": ids}))
        assert found["known"].numpy().tolist() == [*known.tolist(), False]
        for output, values in found.items():
            if values.dtype == tf.float32:
                assert not values.numpy()[~found["known"].numpy()].any(), output


@pytest.mark.parametrize("name", ["linear", "both"])
def test_a_given_history_of_items_that_nothing_was_learned_of_is_none(tmp_path, name):
    options, _ = CASES[name]
    view = DATASET.view(RunConfig())
    model = random_model(RunConfig().with_options(**options), view)
    given = [("a", "6"), ("b", "6"), ("b", "0"), ("c", "0"), ("d", "no item")]
    events = pd.DataFrame(given, columns=["user", "item"]).assign(behavior="view")
    new = read_histories(DATASET, view.behaviors, events)
    table = recommend_table(model, DATASET, view, None, Request(k=7, exclude="touched"), new)
    known = {"a": False, "b": True, "c": True, "d": False}
    assert table.groupby("user")["known_user"].all().to_dict() == known
    assert table.loc[table["user"] == "a", "item"].tolist() == POPULAR[True]
    save_model(tmp_path, model, view, 7, excluded_items(DATASET, "none"))
    inputs = {"item_id": tf.constant([["6", ""], ["6", "0"], ["0", ""], ["no item", ""]])}
    if name == "both":
        inputs["behavior"] = tf.fill([4, 2], "view")
    found = tf.saved_model.load(str(tmp_path)).signatures["recommend_for_history"](**inputs)
    assert found["known_user"].numpy().tolist() == list(known.values())
    for place, user in enumerate(known):
        listed = found["item_ids"][place, : int(found["num_items"][place])].numpy().astype(str).tolist()
        assert listed == table.loc[table["user"] == user, "item"].tolist()


def test_a_view_without_any_training_row_of_an_item_or_user():
    view = make_view({"buy": np.zeros((2, 3), int)})
    learned = Learned.of(network(random_model(RunConfig().with_options(method="bpr", **SMALL), view)), view)
    assert not learned.users.any()
    assert np.isneginf(learned.popularity).all()


def test_a_run_and_its_command_say_so(tmp_path, capsys):
    DATASET.save(tmp_path / "data")
    options: dict[str, Any] = {
        "method": "nmtr_linear",
        "behaviors": ("buy",),
        "validation": "none",
        "ks": (2,),
    }
    run = nt.fit(nt.Dataset.load(tmp_path / "data"), workdir=tmp_path / "run", **options)
    reason = "no row to learn from"
    assert run.why_unknown(["100", "102", "x"]) == {"102": reason, "x": "never seen"}
    with pytest.raises(
        InputError, match=r"^`explain`: expected a user with a training row .* '102' has none"
    ):
        run.explain("102", ["1"])
    workdir = f"--workdir={tmp_path}/run"
    assert call(recommend, workdir, "--user_ids=100,102", "--explain", "--k=2") == 0
    first, second = capsys.readouterr().out.split("\n\n")[:2]
    assert first.startswith("For 100, who did ")
    assert second.startswith(f"For 102 (known: no, {reason}), what is popular:\n")
    assert call(recommend, workdir, "--all_users", f"--output={tmp_path}/all.csv") == 0
    assert f"\n2 of them get what is popular: 2 {reason}\n" in capsys.readouterr().out
    assert "exclude each other" in refused(capsys, recommend, workdir, "--all_users", "--user_ids=1")
