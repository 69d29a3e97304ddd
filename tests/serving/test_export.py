"""The exported model against the model that it was made from."""

import dataclasses
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_interactions
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import saved_model_pb2

from nmtr_tf.cli import export
from nmtr_tf.config import DataConfig, EvaluationConfig, ModelConfig, RunConfig
from nmtr_tf.data import storage
from nmtr_tf.data.preparation import PrepareOptions, prepare
from nmtr_tf.data.synthetic import synthetic_shop
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.masks import masked_items
from nmtr_tf.evaluation.metrics import mean_metrics
from nmtr_tf.evaluation.ranking import ModelScorer, rank_held_out
from nmtr_tf.models.model import build_model
from nmtr_tf.runs.directory import Run
from nmtr_tf.serving import served_model
from nmtr_tf.serving.export import id_lines, save_model
from nmtr_tf.serving.recommendation import excluded_items

K = 30  # of 40 items
UNKNOWN = "nobody"


def random_model(config, view, seed=0):
    """A model with weights that tell all items apart."""
    model = build_model(config, view.behaviors, view.num_users, view.num_items, seed)
    rng = np.random.default_rng(seed)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return model


def with_number_ids(view):
    users, items = 1000 + 7 * np.arange(view.num_users), 3 * np.arange(view.num_items)
    return dataclasses.replace(view, user_ids=users, item_ids=items)


class Exported:
    """A view, a model, and what was exported of them."""

    def __init__(self, directory, config, view, exclude="target", k=K):
        self.directory, self.view, self.model = directory, view, random_model(config, view)
        self.about = save_model(directory, self.model, view, k, excluded_items(view, view, exclude))
        self.signatures = tf.saved_model.load(str(directory)).signatures
        self.users, self.items = [list(map(str, ids)) for ids in (view.user_ids, view.item_ids)]
        scorer = ModelScorer(self.model)
        self.scores = scorer.scores(tf.range(view.num_users), scorer.item_side()).numpy()
        self.bought = masked_items(view, "test", "target").toarray()

    def ask(self, signature="serving_default", **inputs):
        """Outputs as NumPy arrays, ids as str."""
        found = self.signatures[signature](
            **{name: tf.reshape(tf.constant(ids, tf.string), np.shape(ids)) for name, ids in inputs.items()}
        )
        arrays = {name: tensor.numpy() for name, tensor in found.items()}
        if "item_ids" in arrays:
            ids = arrays["item_ids"]  # reshaped, as NumPy 1 flattens what is empty
            arrays["item_ids"] = np.char.decode(ids.astype(bytes), "utf-8").reshape(ids.shape)
        return arrays

    def best(self, user, hidden):
        """Ids and scores of the K best items that are not hidden (bool [num_items]), filled up."""
        order = [item for item in np.argsort(-self.scores[user], kind="stable") if not hidden[item]][:K]
        short = K - len(order)
        return [self.items[i] for i in order] + [""] * short, [*self.scores[user][order], *[0] * short]

    def check(self, found, user, hidden, place=0):
        """That row `place` of the outputs holds the best items for `user`."""
        ids, scores = self.best(user, hidden)
        assert found["item_ids"][place].tolist() == ids
        np.testing.assert_allclose(found["scores"][place], scores, rtol=1e-5, atol=1e-5)
        assert found["num_items"][place] == K - ids.count("")


NEUMF = ModelConfig("nmtr_neumf", embedding_dim=8, num_layers=2)
GMF = ModelConfig("nmtr_gmf", embedding_dim=8)
MIXED = ModelConfig(units=("gmf", "neumf", "mlp"), embedding_dim=8, num_layers=2, share_embeddings=False)


@pytest.fixture(scope="module")
def neumf(shop, tmp_path_factory):
    return Exported(tmp_path_factory.mktemp("neumf"), NEUMF, shop.training_view())


@pytest.fixture(scope="module")
def gmf(shop, tmp_path_factory):
    return Exported(tmp_path_factory.mktemp("gmf"), GMF, with_number_ids(shop.training_view()))


@pytest.fixture(params=["neumf", "gmf"])
def exported(request):
    return request.getfixturevalue(request.param)


def test_recommendations_are_the_best_unbought_items_by_the_scorers_scores(exported):
    found = exported.ask(user_id=exported.users)
    assert found["known_user"].all()
    for user in range(len(exported.users)):
        exported.check(found, user, exported.bought[user], user)


def test_hit_ratio_through_the_export_is_evaluates(exported):
    view = exported.view
    ranks = rank_held_out(ModelScorer(exported.model), view, "test", EvaluationConfig())
    users, items = view.held_out["test"].T
    listed = exported.ask(user_id=[exported.users[user] for user in users])["item_ids"]
    for k in (1, 5, 10, K):
        hits = [exported.items[item] in row[:k] for item, row in zip(items, listed, strict=True)]
        assert np.mean(hits) == mean_metrics(ranks.ranks, [k])[f"HR@{k}"]


def test_unknown_users_get_what_is_popular(exported):
    found = exported.ask(user_id=[UNKNOWN, exported.users[3], ""])
    assert found["known_user"].tolist() == [False, True, False]
    exported.check(found, 3, exported.bought[3], 1)
    counts = exported.view.target.toarray().sum(axis=0)
    order = np.argsort(-counts, kind="stable")[:K]
    for place in (0, 2):
        assert found["item_ids"][place].tolist() == [exported.items[item] for item in order]
        np.testing.assert_array_equal(found["scores"][place], counts[order])


def test_an_empty_batch(exported):
    found = exported.ask(user_id=[])
    assert {name: array.shape for name, array in found.items()} == {
        "item_ids": (0, K),
        "scores": (0, K),
        "num_items": (0,),
        "known_user": (0,),
    }


def test_excluded_items_are_left_out_as_well(exported):
    users, items = exported.users, exported.items
    lists = [[items[2], items[2], "no item", items[7]], ["", "", "", ""], [items[5], "", "", ""]]
    found = exported.ask("recommend_excluding", user_id=[users[1], users[2], UNKNOWN], exclude_item_ids=lists)
    hidden = exported.bought.copy()
    hidden[1, [2, 7]] = True
    exported.check(found, 1, hidden[1], 0)
    exported.check(found, 2, hidden[2], 1)
    counts = exported.view.target.toarray().sum(axis=0)
    order = [item for item in np.argsort(-counts, kind="stable") if item != 5][:K]
    assert found["item_ids"][2].tolist() == [items[item] for item in order]


def test_nothing_to_exclude_is_serving_default(exported):
    ids = [exported.users[0], UNKNOWN]
    found = exported.ask("recommend_excluding", user_id=ids, exclude_item_ids=np.empty((2, 0), object))
    expected = exported.ask(user_id=ids)
    np.testing.assert_array_equal(found["item_ids"], expected["item_ids"])
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=1e-5, atol=1e-6)


def test_more_excluded_than_there_are_items(exported):
    but_two = [*exported.items[2:], *[f"gone-{i}" for i in range(50)], *exported.items[2:]]
    assert len(but_two) > len(exported.items)
    user = int(np.flatnonzero(~exported.bought[:, :2].any(axis=1))[0])
    ids = [exported.users[user]]
    found = exported.ask("recommend_excluding", user_id=ids, exclude_item_ids=[but_two])
    hidden = exported.bought[user].copy()
    hidden[2:] = True
    exported.check(found, user, hidden)
    assert found["num_items"] == [2]
    everything = exported.ask("recommend_excluding", user_id=ids, exclude_item_ids=[exported.items])
    assert everything["num_items"] == [0]
    assert set(everything["item_ids"][0]) == {""}
    assert not everything["scores"].any()


def test_candidates_are_ranked_alone_and_once(exported):
    items = exported.items
    lists = [[items[9], "", items[4], items[9], "no item"], [*items[:5]], [items[30], items[31], "", "", ""]]
    ids = [exported.users[6], exported.users[7], UNKNOWN]
    found = exported.ask("recommend_among", user_id=ids, candidate_item_ids=lists)
    for place, (user, candidates) in enumerate([(6, [9, 4]), (7, range(5))]):
        hidden = np.ones(len(items), bool)
        hidden[list(candidates)] = False
        exported.check(found, user, hidden | exported.bought[user], place)
    counts = exported.view.target.toarray().sum(axis=0)
    assert found["num_items"][2] == 2
    assert found["scores"][2][:2].tolist() == sorted(counts[[30, 31]], reverse=True)
    none = exported.ask("recommend_among", user_id=ids, candidate_item_ids=np.empty((3, 0), object))
    assert none["num_items"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("signature", "others"),
    [
        ("recommend_excluding", {"exclude_item_ids": [["a"], ["b"]]}),
        ("recommend_among", {"candidate_item_ids": [["a"], ["b"]]}),
        ("score", {"item_id": ["a", "b"]}),
    ],
)
def test_inputs_of_different_length_are_an_error(gmf, signature, others):
    with pytest.raises(tf.errors.InvalidArgumentError, match="equally many rows"):
        gmf.ask(signature, user_id=[UNKNOWN], **others)


def test_score_is_the_probability_of_every_behavior(exported):
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 80, 50), rng.integers(0, 40, 50)
    users %= len(exported.users)
    found = exported.ask(
        "score",
        user_id=[exported.users[user] for user in users],
        item_id=[exported.items[item] for item in items],
    )
    logits = exported.model({"user_ids": users, "item_ids": items})
    assert list(logits) == list(exported.view.behaviors)
    for name, values in logits.items():
        np.testing.assert_allclose(found[name], tf.sigmoid(values), rtol=1e-5, atol=1e-6)
    assert found["known"].all()


def test_score_marks_unknown_ids(exported):
    user, item = exported.users[0], exported.items[0]
    found = exported.ask("score", user_id=[user, UNKNOWN, user, ""], item_id=[item, item, "no item", ""])
    assert found["known"].tolist() == [True, False, False, False]
    for name in exported.view.behaviors:
        assert found[name][0] > 0
        assert not found[name][1:].any()


def check_embeddings(exported):
    users = exported.ask("user_embeddings", user_id=[*exported.users, UNKNOWN])
    items = exported.ask("item_embeddings", item_id=[*exported.items, "no item"])
    assert users["known"].tolist() == [True] * len(exported.users) + [False]
    assert items["known"].tolist() == [True] * len(exported.items) + [False]
    assert not users["embedding"][-1].any()
    assert not items["embedding"][-1].any()
    products = users["embedding"][:-1] @ items["embedding"][:-1].T
    np.testing.assert_allclose(products, exported.scores, rtol=1e-4, atol=1e-5)
    order = np.argsort(-products, axis=1)
    np.testing.assert_array_equal(order, np.argsort(-exported.scores, axis=1))


def test_inner_products_of_embeddings_are_the_target_logits(gmf):
    check_embeddings(gmf)
    assert gmf.about["user_embeddings"]["outputs"]["embedding"]["shape"] == [None, 8 + 1]


def test_embeddings_of_separate_tables_have_the_same_top_100(tmp_path):
    rng = np.random.default_rng(1)
    pairs = {name: rng.random((20, 150)) < 0.05 for name in ("view", "buy")}
    config = dataclasses.replace(GMF, share_embeddings=False)
    exported = Exported(tmp_path, config, make_interactions(pairs), "none", k=100)
    check_embeddings(exported)
    assert exported.about["user_embeddings"]["outputs"]["embedding"]["shape"] == [None, 2 * 8 + 1]
    vectors = exported.ask("user_embeddings", user_id=exported.users)["embedding"]
    products = vectors @ exported.ask("item_embeddings", item_id=exported.items)["embedding"].T
    nearest = np.array(exported.items)[np.argsort(-products, axis=1)[:, :100]]
    np.testing.assert_array_equal(nearest, exported.ask(user_id=exported.users)["item_ids"])


def test_only_inner_products_have_embeddings(neumf, gmf):
    ranking = ["recommend_among", "recommend_excluding", "score", "serving_default"]
    assert sorted(neumf.signatures) == ranking
    assert sorted(gmf.signatures) == [
        "item_embeddings",
        *ranking[:3],
        "serving_default",
        "user_embeddings",
    ]


def test_mixed_units_separate_tables_small_chunks_and_all_excluded(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(served_model, "users_at_once", lambda *_: 7)
    exported = Exported(tmp_path, MIXED, shop.training_view(), "all")
    found = exported.ask(user_id=exported.users)
    touched = excluded_items(exported.view, exported.view, "all").toarray()
    assert touched.sum() > exported.bought.sum()
    for user in range(len(exported.users)):
        exported.check(found, user, touched[user], user)


def test_all_excludes_touched_items_where_the_test_pairs_leak_too(tmp_path):
    view = make_interactions({"view": [[1, 1, 0, 0]], "buy": [[1, 0, 0, 0]]}, test=[(0, 1)])
    save_model(tmp_path, random_model(GMF, view), view, 4, excluded_items(view, view, "all"))
    found = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](user_id=tf.constant(["100"]))
    assert found["num_items"].numpy() == [2]
    assert set(found["item_ids"].numpy()[0]) == {b"2", b"3", b""}


def test_behaviors_of_any_name(tmp_path):
    names = ("add to cart", "größe+1", "scores", "buy")
    exported = Exported(tmp_path, GMF, make_interactions({name: np.eye(4) for name in names}), k=2)
    found = exported.ask("score", user_id=["100"], item_id=["1"])
    assert sorted(found) == sorted([*names, "known"])


def test_ids_of_any_text_come_back_as_they_were(tmp_path):
    ids = [" a ", "a", "a,b", "a\tb", '"a"', "ä", "茶", "0", "00"]
    view = make_interactions({"view": np.eye(9), "buy": np.eye(9)})
    view = dataclasses.replace(view, user_ids=np.array(ids, object), item_ids=np.array(ids[::-1], object))
    exported = Exported(tmp_path, GMF, view, "none", k=9)
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
        (["a", 1], "all whole numbers or all text to be exported. Received: 'a' and 1"),
        ([1.5], "Received: 1.5"),
    ],
)
def test_ids_that_have_no_line_of_text_are_refused(ids, message, tmp_path):
    with pytest.raises(InputError, match=message):
        id_lines(np.array(ids, object), "item_ids")


def test_a_behavior_named_known_and_weights_that_are_nan_are_refused(tmp_path):
    view = make_interactions({"known": [[1, 0]], "buy": [[1, 0]]})
    with pytest.raises(InputError, match="named 'known'"):
        save_model(tmp_path, random_model(GMF, view), view, 1, view.target)
    view = make_interactions({"buy": [[1, 0]]})
    for config in (GMF, NEUMF):
        for name in ("user_embedding", "item_embedding"):
            model = random_model(config, view)
            table = model.get_layer(name).embeddings
            table.assign(np.full(table.shape, np.nan))
            with pytest.raises(InputError, match="NaN or infinite"):
                save_model(tmp_path, model, view, 1, view.target)
    assert not list(tmp_path.iterdir())


def test_signatures_are_readable_without_loading(neumf):
    cli = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "show", "--tag_set=serve"]
    shown = subprocess.run([*cli, f"--dir={neumf.directory}"], capture_output=True, text=True, check=True)
    assert all(f'SignatureDef key: "{name}"' in shown.stdout for name in neumf.about)
    graph = saved_model(neumf).meta_graphs[0]
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


def saved_model(exported):
    content = (exported.directory / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(content)


def test_the_graph_holds_nothing_of_the_size_of_the_data(tmp_path):
    view = make_interactions({"buy": np.eye(3000, dtype=bool)})
    exported = Exported(tmp_path, GMF, view)
    graph = saved_model(exported).meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    sizes = [node.attr["value"].tensor.ByteSize() for node in nodes if node.op == "Const"]
    assert max(sizes) < 3000 * 4


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
served = tf.saved_model.load(sys.argv[1]).signatures
found = served["serving_default"](user_id=tf.constant(json.loads(sys.argv[2])))
print(json.dumps({name: x.numpy().astype("U" if name == "item_ids" else x.dtype.as_numpy_dtype).tolist()
                  for name, x in found.items()}))
"""


def test_a_program_that_has_tensorflow_alone_can_use_it(neumf, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(neumf.directory, moved)
    users = [neumf.users[5], UNKNOWN]
    command = [sys.executable, "-I", "-c", ALONE, str(moved), json.dumps(users)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = {name: np.array(values) for name, values in json.loads(done.stdout).items()}
    assert found["known_user"].tolist() == [True, False]
    neumf.check(found, 5, neumf.bought[5])


# The command.


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """The directory of a run that was given its weights, and beside it its data set."""
    folder = tmp_path_factory.mktemp("run")
    prepared = prepare(synthetic_shop(60, 40, seed=3), PrepareOptions(min_behaviors=2))
    storage.save(folder / "shop", prepared.events, prepared.split, "strict", {"source": "synthetic"})
    config = RunConfig(data=DataConfig(dataset_dir=str(folder / "shop")), model=GMF)
    view = storage.load(folder / "shop").training_view()
    run = Run.create(folder / "run", config, view, overwrite=False)
    random_model(GMF, view).save(run.best_checkpoint)
    return run.workdir


def command(*arguments):
    return export.main(["export", *map(str, arguments)])


def test_versions_are_numbered_and_never_replaced(workdir, tmp_path, capsys):
    base = tmp_path / "models" / "nmtr"
    flags = [f"--workdir={workdir}", f"--export_dir={base}", "--k=5"]
    assert command(*flags) == 0
    out = capsys.readouterr().out
    assert "recommend_excluding  user_id, exclude_item_ids" in out
    assert f"--model_base_path={base}" in out
    first = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    names = {"MODEL_CARD.md", "model.json", "saved_model.pb", "assets", "variables", "fingerprint.pb"}
    assert {path.name for path in (base / "1").iterdir()} == names
    (base / "7").mkdir()
    (base / "notes").mkdir()
    assert command(*flags, "--exclude=none", "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert sorted(path.name for path in base.iterdir()) == ["1", "7", "8", "notes"]
    assert first == {path: path.read_bytes() for path in (base / "1").rglob("*") if path.is_file()}
    about = [json.loads((base / name / "model.json").read_text()) for name in ("1", "8")]
    assert [(one["version"], one["exclude"], one["k"]) for one in about] == [(1, "target", 5), (8, "none", 5)]


def test_an_export_of_a_run_answers_as_the_run(workdir, tmp_path):
    assert command(f"--workdir={workdir}", f"--export_dir={tmp_path}/m", f"--k={K}", "--quiet") == 0
    run = Run(workdir)
    view = run.view(run.interactions())
    ranks = rank_held_out(ModelScorer(run.load_model()), view, "test", EvaluationConfig())
    serve = tf.saved_model.load(f"{tmp_path}/m/1").signatures["serving_default"]
    listed = serve(user_id=tf.constant(view.user_ids[ranks.users]))["item_ids"].numpy()
    items = [str(item).encode() for item in view.item_ids[ranks.items]]
    hits = [item in row[:10] for item, row in zip(items, listed.tolist(), strict=True)]
    assert np.mean(hits) == mean_metrics(ranks.ranks, [10])["HR@10"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--export_dir=m"], "--workdir is needed"),
        (["--workdir={run}"], "--export_dir is needed"),
        (["--workdir={run}", "--export_dir=m"], "--k=100 is more than the 40 items"),
        (["--workdir=nowhere", "--export_dir=m"], "expected the directory of a trained run"),
        (["--workdir={run}", "--export_dir=m", "--dataset_dir=nowhere"], "no data set here"),
        (["--workdir={run}", "--export_dir={run}/run.json", "--k=5"], "should be a directory"),
        (["--workdir={run}", "--export_dir=m", "--exclude=some"], "exclude"),
        (["--workdir={run}", "--export_dir=m", "--k=0"], "k"),
    ],
)
def test_the_command_refuses_in_one_line(workdir, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    assert command(*(flag.format(run=workdir) for flag in flags)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not list(tmp_path.rglob("*/*"))


def test_a_run_without_a_checkpoint_is_refused(workdir, tmp_path, capsys):
    shutil.copytree(workdir, tmp_path / "run", ignore=shutil.ignore_patterns("*.keras"))
    assert command(f"--workdir={tmp_path}/run", f"--export_dir={tmp_path}/m") == 2
    assert "it has no checkpoints/last.keras" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("broken", ["tensorflow.saved_model.save", "nmtr_tf.serving.export.write_model_card"])
def test_a_failure_leaves_nothing_half_written(workdir, tmp_path, monkeypatch, capsys, broken):
    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(broken, fails)
    assert command(f"--workdir={workdir}", f"--export_dir={tmp_path}/m", "--k=5") == 2
    assert capsys.readouterr().err == "error: disk full\n"
    assert not list((tmp_path / "m").iterdir())


def test_help_describes_every_flag(capsys):
    assert command("--help") == 0
    out = capsys.readouterr().out
    assert out.startswith(export.__doc__.strip().splitlines()[0])
    assert all(name in out for name in export.FLAGS)


@pytest.mark.skipif(
    not shutil.which("tensorflow_model_server"), reason="needs tensorflow_model_server on PATH"
)
def test_tensorflow_serving(workdir, tmp_path):
    assert command(f"--workdir={workdir}", f"--export_dir={tmp_path}/nmtr", "--k=5", "--quiet") == 0
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    flags = [f"--rest_api_port={ports[0]}", f"--port={ports[1]}", "--grpc_socket_path="]
    server = subprocess.Popen(
        ["tensorflow_model_server", *flags, "--model_name=nmtr", f"--model_base_path={tmp_path}/nmtr"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        body = json.dumps({"instances": [{"user_id": "user-0001"}]}).encode()
        answer = post(f"http://127.0.0.1:{ports[0]}/v1/models/nmtr:predict", body)
        assert answer["predictions"][0]["known_user"] is True
        assert len(answer["predictions"][0]["item_ids"]) == 5
    finally:
        server.kill()
        server.wait()


def post(url, body, patience=60):
    """The answer, as soon as the server has loaded the model."""
    for _ in range(patience):
        try:
            with urllib.request.urlopen(url, body, timeout=10) as response:
                return json.load(response)
        except OSError:  # noqa: PERF203
            time.sleep(1)
    raise TimeoutError(url)
