"""Models with made-up weights, and what was exported of them."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from nmtr_tf.config import ModelConfig, RunConfig
from nmtr_tf.data.ids import as_text
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.data.view import TrainingView
from nmtr_tf.evaluation.masks import masked_items
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.times import times_of
from nmtr_tf.models.network import network
from nmtr_tf.serving.export import save_model
from nmtr_tf.serving.two_stages import fit_two_stages

K = 30  # of 40 items
UNKNOWN = "nobody"

NEUMF = ModelConfig("nmtr_neumf", embedding_dim=8, num_layers=2)
GMF = ModelConfig("nmtr_gmf", embedding_dim=8)


def random_model(config: ModelConfig | RunConfig, view: TrainingView, seed: int = 0) -> keras.Model:
    """A model with weights that tell all items apart."""
    run = config if isinstance(config, RunConfig) else RunConfig(model=config)
    plan = resolve(run, view.behaviors)
    times = times_of(view, plan)
    model = build_model(plan, view.num_users, view.num_items, seed, histories_of(view), times)
    rng, linear = np.random.default_rng(seed), getattr(network(model).user_rows, "item_weights", [])
    for weight in [*model.trainable_variables, *linear]:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return model


def with_number_ids(view: TrainingView) -> TrainingView:
    """The view with whole numbers as ids."""
    users, items = 1000 + 7 * np.arange(view.num_users), 3 * np.arange(view.num_items)
    return dataclasses.replace(view, user_ids=as_text(users), item_ids=as_text(items))


class Exported:
    """A view, a model, and what was exported of them, without the items of a matrix, or what was bought."""

    def __init__(self, directory, config, view, left_out=None, k=K, offered=None, candidates=0):
        self.directory, self.view, self.model = Path(directory), view, random_model(config, view)
        bought = masked_items(view, "test", "target")
        left_out = bought if left_out is None else left_out
        scorer = ModelScorer(self.model)
        stages = fit_two_stages(scorer, view, candidates, k)[0] if candidates else None
        self.about = save_model(directory, self.model, view, k, left_out, offered, stages)
        self.signatures = tf.saved_model.load(str(directory)).signatures
        self.users, self.items = [list(map(str, ids)) for ids in (view.user_ids, view.item_ids)]
        self.scores = scorer.scores(tf.range(view.num_users), scorer.item_side()).numpy()
        self.bought = bought.toarray()

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

    def check_embeddings(self):
        """That inner products of the embeddings are the target logits, and unknown ids have none."""
        users = self.ask("user_embeddings", user_id=[*self.users, UNKNOWN])
        items = self.ask("item_embeddings", item_id=[*self.items, "no item"])
        assert users["known"].tolist() == [True] * len(self.users) + [False]
        assert items["known"].tolist() == [True] * len(self.items) + [False]
        assert not users["embedding"][-1].any()
        assert not items["embedding"][-1].any()
        products = users["embedding"][:-1] @ items["embedding"][:-1].T
        np.testing.assert_allclose(products, self.scores, rtol=1e-4, atol=1e-5)
        order = np.argsort(-products, axis=1)
        np.testing.assert_array_equal(order, np.argsort(-self.scores, axis=1))

    def meta_graph(self):
        """What the file with the graph holds."""
        content = (self.directory / "saved_model.pb").read_bytes()
        return saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
