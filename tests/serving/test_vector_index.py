"""The index of an export's item vectors: against the model's own lists, by the example of the card."""

import importlib
import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import call, make_view, refused

from nmtr_tf.cli import export
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.models.network import network
from nmtr_tf.runs import Run
from nmtr_tf.serving.served_model import ServedModel
from nmtr_tf.serving.two_stages import fit_two_stages
from nmtr_tf.serving.vector_index import check_index
from serving.conftest import stored_run
from serving.exports import GMF, NEUMF, UNKNOWN, random_model

K = 8
# Whoever has a vector store need not have this package.
ALONE = 'import sys\nsys.modules["nmtr_tf"] = sys.modules["keras"] = None\n'
PRINTED = "\nimport json\nprint(json.dumps([found, [item.decode() for item in best.numpy() if item]]))"


def exported(run, folder, *flags):
    """The directory of a version with an index."""
    arguments = (f"--workdir={run}", f"--export_dir={folder}", f"--k={K}", "--index=faiss", "--quiet", *flags)
    assert call(export, *arguments) == 0
    return folder / "1"


def example(directory):
    """The code of the card."""
    card = (directory / "MODEL_CARD.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(blocks[0].splitlines()) <= 11  # ten, and a blank one
    return "\n".join(blocks)


def test_the_example_gives_the_lists_of_the_run(shop_run, tmp_path, monkeypatch):
    (tmp_path / "blocked.txt").write_text("item-0007\nitem-0011\n")
    blocked = ["item-0007", "item-0011"]
    flags = f"--exclude_items={tmp_path}/blocked.txt", "--exclude=touched"
    directory = exported(shop_run, tmp_path / "m", *flags)
    run, names = Run(shop_run), dict[str, Any]()
    monkeypatch.chdir(directory)
    exec(compile(example(directory), "MODEL_CARD.md", "exec"), names)
    everything = run.recommend([names["user"]], k=2 * K, exclude="none", exclude_items=blocked)
    assert names["found"] == everything["item"].tolist()
    np.testing.assert_allclose(names["scores"][0], everything["score"], rtol=1e-4, atol=1e-5)
    expected = run.recommend([names["user"]], k=K, exclude="touched", exclude_items=blocked)["item"].tolist()
    assert expected != names["found"][:K]  # something was left out
    assert names["best"].numpy().astype(str).tolist() == expected
    about = json.loads((directory / "model.json").read_text())["index"]
    known = {"kind": "IndexFlatIP", "user_vectors": "user_embeddings"}
    assert about == {"num_items": 38, "dimensions": 8 + 1, **known}


def test_the_files_hold_what_any_store_of_vectors_needs(text_run, tmp_path):
    directory = exported(text_run, tmp_path / "m", "--k=5")
    run, index = Run(text_run), importlib.import_module("faiss").read_index(f"{directory}/index/items.faiss")
    vectors = np.load(directory / "index" / "item_vectors.npy")
    item_ids = (directory / "index" / "item_ids.txt").read_bytes().decode().split("\n")[:-1]
    assert item_ids == run.view.item_ids.tolist()
    assert type(index).__name__ == "IndexFlatIP"
    np.testing.assert_array_equal(index.reconstruct_n(0, index.ntotal), vectors)
    scorer = ModelScorer(run.model)
    asked = tf.saved_model.load(directory).signatures["user_embeddings"]
    found = asked(user_id=tf.constant([*run.view.user_ids, UNKNOWN]))
    assert found["known"].numpy().tolist() == [*[True] * run.view.num_users, False]
    products = found["embedding"].numpy() @ vectors.T
    scores = scorer.scores(tf.range(run.view.num_users), scorer.item_side())
    np.testing.assert_allclose(products[:-1], scores, rtol=1e-4, atol=1e-5)
    assert not products[-1].any()


@pytest.mark.slow
@pytest.mark.parametrize(("method", "flags"), [("nmtr_gmf", []), ("nmtr_neumf", ["--candidates=39"])])
def test_a_program_without_this_package_has_the_same_lists(shop_dir, tmp_path, method, flags):
    run = Run(stored_run(Dataset.load(shop_dir), tmp_path / "run", method))
    directory = exported(run.workdir, tmp_path / "m", *flags)
    code = ALONE + example(directory) + PRINTED
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=directory)
    assert done.returncode == 0, done.stderr
    found, best = json.loads(done.stdout)
    user = run.view.user_ids[:1].tolist()
    assert best == run.recommend(user, k=K)["item"].tolist()
    if method == "nmtr_gmf":
        assert found == run.recommend(user, k=2 * K, exclude="none")["item"].tolist()


def test_vectors_of_two_stages_are_those_of_the_first(shop, tmp_path):
    view = shop.training_view()
    model = random_model(NEUMF, view)
    scorer = ModelScorer(model)
    stages, _ = fit_two_stages(scorer, view, 20, K)
    files = tmp_path / "users.txt", tmp_path / "items.txt"
    for path, ids in zip(files, (view.user_ids, view.item_ids), strict=True):
        path.write_text("\n".join([*ids, ""]))
    served = ServedModel(model, view, view.target, K, files, stages=stages)
    users = served.user_embeddings(tf.constant([*view.user_ids, UNKNOWN]))["embedding"].numpy()
    items = served.item_embeddings(tf.constant(view.item_ids))["embedding"].numpy()
    logits = scorer.scores(tf.range(view.num_users), scorer.item_side()).numpy()
    first = np.c_[logits[:, stages.anchors], np.ones(view.num_users)] @ stages.weights.numpy()
    np.testing.assert_allclose(users[:-1] @ items.T, first, rtol=1e-3, atol=1e-3)
    assert not users[-1].any()


@pytest.mark.parametrize(
    ("index", "method", "message"),
    [
        ("faiss", "nmtr_neumf", r"are not, but with `candidates=1000`, say, the index finds the candidates"),
        ("faiss", "nmtr_linear", r"are not, which `recommend` and the export rank as they are"),
        ("annoy", "nmtr_gmf", r"`index` should be 'faiss', or None. Received: 'annoy'"),
    ],
)
def test_models_without_vectors_are_refused(index, method, message):
    config = RunConfig().with_options(method=method, embedding_dim=4)
    net = network(random_model(config, make_view({"buy": np.eye(9)})))
    with pytest.raises(InputError, match=message):
        check_index(index, net, 0)
    check_index(None, net, 0)


def test_without_faiss_a_line_says_what_to_install(shop_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "faiss", None)
    flags = (f"--workdir={shop_run}", f"--export_dir={tmp_path}/m", "--k=5", "--index=faiss")
    assert "--index=faiss needs the package faiss: pip install 'faiss-cpu>=1.14.2'" in refused(
        capsys, export, *flags
    )
    assert not (tmp_path / "m").exists()
    check_index(None, network(random_model(GMF, make_view({"buy": np.eye(9)}))), 0)
