"""Shapes that do not fit: the message names the input, whatever hands it on."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import nmtr_tf as nt
from nmtr_tf.errors import InputError
from serving.exports import UNKNOWN

PAIR = {"user_id": [UNKNOWN, "b"]}


@pytest.mark.parametrize(
    ("signature", "inputs", "name", "received"),
    [
        ("serving_default", {"user_id": [["a"], ["b"]]}, "user_id", r"\[2,1\]"),
        ("serving_default", {"user_id": "a"}, "user_id", r"\[\]"),
        ("user_embeddings", {"user_id": [["a"]]}, "user_id", r"\[1,1\]"),
        ("item_embeddings", {"item_id": [["a", "b"]]}, "item_id", r"\[1,2\]"),
        ("score", {**PAIR, "item_id": [["a"], ["b"]]}, "item_id", r"\[2,1\]"),
        ("recommend_excluding", {**PAIR, "exclude_item_ids": ["a", "b"]}, "exclude_item_ids", r"\[2\]"),
        ("recommend_among", {**PAIR, "candidate_item_ids": [[["a"]]]}, "candidate_item_ids", r"\[1,1,1\]"),
    ],
)
def test_a_wrong_number_of_axes_names_the_input(gmf, signature, inputs, name, received):
    message = rf"Shape of tensor {name} {received} is not compatible with expected shape \[\?"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        gmf.ask(signature, **inputs)


@pytest.mark.parametrize(
    ("signature", "name", "ids"),
    [
        ("recommend_excluding", "exclude_item_ids", [["a"], ["b"]]),
        ("recommend_among", "candidate_item_ids", [["a"], ["b"]]),
        ("score", "item_id", ["a", "b"]),
    ],
)
def test_inputs_of_different_length_are_named(gmf, signature, name, ids):
    message = rf"{name} should have as many rows as user_id\..* \[2\] .* \[1\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        gmf.ask(signature, user_id=[UNKNOWN], **{name: ids})


def test_an_input_that_is_missing_is_named(gmf):
    with pytest.raises(TypeError, match="missing a required argument: 'item_id'"):
        gmf.ask("score", user_id=[UNKNOWN])


@pytest.mark.slow
def test_a_session_as_servers_run_it_names_the_input(gmf):
    """saved_model_cli asks as TensorFlow Serving does: by the names of the graph, in a session."""
    cli = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "run", "--tag_set=serve"]
    cli += [f"--dir={gmf.directory}", "--signature_def=score"]

    def run(**inputs):
        flag = ";".join(f"{name}={json.dumps(ids)}" for name, ids in inputs.items())
        return subprocess.run([*cli, f"--input_exprs={flag}"], capture_output=True, text=True, check=False)

    user, items = gmf.users[3], gmf.items[:2]
    done = run(user_id=[user, UNKNOWN], item_id=items)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stdout.splitlines() if line]
    shown = dict(zip(lines[::2], lines[1::2], strict=True))
    expected = gmf.ask("score", user_id=[user, UNKNOWN], item_id=items)
    assert shown.pop("Result for output key known:") == str(expected.pop("known"))
    assert sorted(shown) == [f"Result for output key {name}:" for name in sorted(expected)]
    for name, probabilities in expected.items():
        found = shown[f"Result for output key {name}:"].strip("[]").split()
        np.testing.assert_allclose(np.array(found, float), probabilities, rtol=1e-5)
    done = run(user_id=[user], item_id=items)
    assert done.returncode != 0
    assert "item_id should have as many rows as user_id." in done.stderr
    done = run(user_id=[user], item_id=[items])
    assert done.returncode != 0
    assert "score_item_id" in done.stderr


@pytest.mark.parametrize("ids", [np.array(7), np.array([["a", "b"]])])
def test_recommend_names_what_is_no_list(text_run, ids):
    message = r"^`user_ids` should be a list of ids, of one axis\. Received: ndarray of [02] axes\.$"
    with pytest.raises(InputError, match=message):
        nt.Run(text_run).recommend(ids)


def test_a_data_frame_is_no_list_of_ids(text_run):
    """It would be the names of its columns."""
    frame = pd.DataFrame({"user": ["007"]})
    run = nt.Run(text_run)
    with pytest.raises(InputError, match=r"^`user_ids` .* Received: DataFrame of 2 axes\.$"):
        run.recommend(frame)
    assert run.recommend(frame["user"], k=1)["user"].tolist() == ["007"]
    with pytest.raises(InputError, match=r"^`among` should be a list of ids, of one axis"):
        run.recommend(frame["user"], among=frame)
