"""The files of an exported model, and what cannot be exported."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_view
from tensorflow.core.framework import tensor_pb2

from nmtr_tf.config import ModelConfig
from nmtr_tf.data.pairs import matrix_of
from nmtr_tf.errors import InputError
from nmtr_tf.models.network import network
from nmtr_tf.serving.export import id_lines, save_model
from serving.exports import GMF, NEUMF, UNKNOWN, Exported, K, random_model


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Exports of 600 users and items, with behaviors whose names no layer and no file could have."""
    names = ("page/view", "add to cart", "größe+1", "scores", "add/cart")
    view = make_view({name: np.eye(600, dtype=bool) for name in names})
    folder = tmp_path_factory.mktemp("named")
    return [Exported(folder / config.method, config, view, k=2) for config in (GMF, NEUMF)]


def test_ids_of_any_text_come_back_as_they_were(tmp_path):
    ids = [" a ", "a", "a,b", "a\tb", '"a"', "ä", "茶", "0", "00"]
    view = make_view({"view": np.eye(9), "buy": np.eye(9)})
    view = dataclasses.replace(view, user_ids=np.array(ids, object), item_ids=np.array(ids[::-1], object))
    exported = Exported(tmp_path, ModelConfig("bpr"), view, matrix_of(np.zeros(0, int), (9, 9)), k=9)
    found = exported.ask(user_id=ids)
    assert found["known_user"].all()
    order = np.argsort(-exported.scores, axis=1)
    assert found["item_ids"].tolist() == [[ids[::-1][item] for item in row] for row in order]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", ""], "empty or contain line breaks. Received: ''"),
        (["a\nb"], r"'a\\nb'"),
        (["a\rb"], r"'a\\rb'"),
    ],
)
def test_ids_that_have_no_line_of_text_are_refused(ids, message, tmp_path):
    with pytest.raises(InputError, match=message):
        id_lines(np.array(ids, object), "item_ids")


def test_a_behavior_named_known_and_weights_that_are_nan_are_refused(tmp_path):
    view = make_view({"known": [[1, 0]], "buy": [[1, 0]]})
    with pytest.raises(InputError, match="named 'known'"):
        save_model(tmp_path, random_model(GMF, view), view, 1, view.target)
    view = make_view({"buy": [[1, 0]]})
    for config in (GMF, NEUMF):
        for side in ("user_rows", "item_rows"):
            model = random_model(config, view)
            (table,) = getattr(network(model), side).distinct_tables
            table.assign(np.full(table.shape, np.nan))
            with pytest.raises(InputError, match="NaN or infinite"):
                save_model(tmp_path, model, view, 1, view.target)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_signatures_are_readable_without_loading(neumf):
    cli = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "show", "--tag_set=serve"]
    shown = subprocess.run([*cli, f"--dir={neumf.directory}"], capture_output=True, text=True, check=True)
    assert all(f'SignatureDef key: "{name}"' in shown.stdout for name in neumf.about)
    graph = neumf.meta_graph()
    for name, about in neumf.about.items():
        definition = graph.signature_def[name]
        for specs, tensors in ((about["inputs"], definition.inputs), (about["outputs"], definition.outputs)):
            assert set(specs) == set(tensors)
            for key, spec in specs.items():
                assert tf.as_dtype(tensors[key].dtype).name == spec["dtype"]
                assert tf.TensorShape(tensors[key].tensor_shape).as_list() == spec["shape"]
    assert neumf.about["recommend_among"] == {
        "inputs": {
            "user_id": {"dtype": "string", "shape": [None]},
            "candidate_item_ids": {"dtype": "string", "shape": [None, None]},
        },
        "outputs": {
            "item_ids": {"dtype": "string", "shape": [None, K]},
            "known_user": {"dtype": "bool", "shape": [None]},
            "num_items": {"dtype": "int32", "shape": [None]},
            "scores": {"dtype": "float32", "shape": [None, K]},
        },
    }
    assert neumf.about["score"]["outputs"] == {
        name: {"dtype": "float32", "shape": [None]} for name in neumf.view.behaviors
    } | {"known": {"dtype": "bool", "shape": [None]}}


@pytest.mark.slow
def test_the_graph_holds_nothing_of_the_size_of_the_data(named):
    for exported in named:
        graph = exported.meta_graph().graph_def
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        shapes = [node.attr["value"].tensor.tensor_shape for node in nodes if node.op == "Const"]
        assert max(tf.TensorShape(shape).num_elements() for shape in shapes) < 600


def test_a_rest_request(exported):
    body = json.dumps(
        {
            "signature_name": "recommend_excluding",
            "instances": [
                {"user_id": exported.users[0], "exclude_item_ids": [exported.items[0], ""]},
                {"user_id": UNKNOWN, "exclude_item_ids": exported.items[:2]},
            ],
        }
    )
    request = json.loads(body)
    names = request["instances"][0]
    rows = {name: [one[name] for one in request["instances"]] for name in names}  # as the server stacks them
    found = exported.ask(request["signature_name"], **rows)
    columns = {name: array.tolist() for name, array in found.items()}
    predictions = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    answer = json.loads(json.dumps({"predictions": predictions}, allow_nan=False))
    assert len(answer["predictions"]) == 2
    assert answer["predictions"][1]["known_user"] is False
    assert exported.items[0] not in answer["predictions"][0]["item_ids"]
    columnar = json.loads(json.dumps({"signature_name": "score", "inputs": {"user_id": [UNKNOWN]}}))
    found = exported.ask(columnar["signature_name"], **columnar["inputs"], item_id=exported.items[:1])
    json.dumps({"outputs": {name: array.tolist() for name, array in found.items()}}, allow_nan=False)


def test_a_grpc_request(exported):
    # tensorflow_serving's messages are a package of their own; PredictRequest.inputs is a map from input
    # name to TensorProto, so a map of serialized TensorProtos is what goes over the wire.
    values = {"user_id": exported.users[:2], "item_id": exported.items[:2]}
    wire = {name: tf.make_tensor_proto(ids).SerializeToString() for name, ids in values.items()}
    inputs = {
        name: tf.constant(tf.make_ndarray(tensor_pb2.TensorProto.FromString(content)))
        for name, content in wire.items()
    }
    found = exported.signatures["score"](**inputs)
    answer = {name: tf.make_ndarray(tf.make_tensor_proto(tensor)) for name, tensor in found.items()}
    assert answer["known"].tolist() == [True, True]
    for name, array in exported.ask("score", **values).items():
        np.testing.assert_array_equal(answer[name], array)


ALONE = """
import sys
sys.modules["nmtr_tf"] = sys.modules["keras"] = None  # also where they are installed
for name in ("nmtr_tf", "keras"):
    try:
        __import__(name)
        raise SystemExit(name + " can be imported")
    except ImportError:
        pass
import json, tensorflow as tf
for line in sys.stdin:
    directory, signature, inputs = json.loads(line)
    served = tf.saved_model.load(directory).signatures[signature]
    found = served(**{name: tf.constant(ids) for name, ids in inputs.items()})
    print(json.dumps({name: x.numpy().astype("U" if name == "item_ids" else x.dtype.as_numpy_dtype).tolist()
                      for name, x in found.items()}))
"""


@pytest.mark.slow
def test_a_program_that_has_tensorflow_alone_can_use_it(neumf, named, tmp_path):
    moved = shutil.copytree(neumf.directory, tmp_path / "elsewhere")
    pair = {"user_id": ["101"], "item_id": ["3"]}
    asked = [(moved, "serving_default", {"user_id": [neumf.users[5], UNKNOWN]})]
    asked += [(exported.directory, "score", pair) for exported in named]
    lines = "".join(json.dumps([str(directory), *rest]) + "\n" for directory, *rest in asked)
    command = [sys.executable, "-I", "-c", ALONE]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, input=lines)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    found, *scores = [{name: np.array(values) for name, values in one.items()} for one in answers]
    assert found["known_user"].tolist() == [True, False]
    neumf.check(found, 5, neumf.bought[5])
    for exported, there in zip(named, scores, strict=True):
        assert sorted(there) == sorted([*exported.view.behaviors, "known"])
        logits = exported.model({"user_ids": np.array([1]), "item_ids": np.array([3])})
        for name, values in logits.items():
            np.testing.assert_allclose(there[name], tf.sigmoid(values), rtol=1e-5)
