"""The table of units, and units of users' own."""

import keras
import numpy as np
import pytest
from conftest import BEHAVIORS

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.plan import resolve
from nmtr_tf.methods.unit_kinds import UNITS, register_unit, unit_kind, unit_name
from nmtr_tf.models.network import network
from nmtr_tf.models.units import GMF, MF, MLP, Linear, NeuMF, Unit

IDS = {"user_ids": np.array([0, 5, 5], np.int32), "item_ids": np.array([2, 1, 0], np.int32)}


class Distance(Unit):
    """Minus the squared distance of p and q, times the weight `scale`."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, embedding_dim):
        super().build(embedding_dim)
        self.scale = self.add_weight((), "ones", name="scale")

    def user_part(self, p):
        return p

    def item_part(self, q):
        return q

    def combine(self, user_part, item_part, training=False):
        difference = user_part[..., :, None, :] - item_part[..., None, :, :]
        return -self.scale * keras.ops.sum(difference**2, axis=-1)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


class Wide(Distance):
    """Has a tower, and its constructor takes no other options."""

    def __init__(self, widths, **kwargs):
        super().__init__(**kwargs)
        self.widths = tuple(widths)


@pytest.fixture
def registered(monkeypatch):
    """Names that a test registers are taken out of the table again."""
    monkeypatch.setattr(UNITS, "_parts", dict(UNITS))


def model_of(units, method="nmtr_gmf", behaviors=BEHAVIORS):
    config = RunConfig().with_options(method=method, units=units, embedding_dim=4, num_layers=2)
    plan = resolve(config, behaviors)
    return plan, build_model(plan, 8, 6, seed=0)


def test_the_built_in_units():
    assert [UNITS[name].unit_class for name in UNITS] == [MF, GMF, MLP, NeuMF, Linear]
    assert [name for name, kind in UNITS.items() if kind.has_tower] == ["mlp", "neumf"]
    assert [name for name, kind in UNITS.items() if kind.has_two_parts] == ["neumf"]
    assert [name for name, kind in UNITS.items() if kind.from_history] == ["linear"]


def test_a_unit_gets_the_options_that_its_constructor_names():
    options = {"widths": (4, 2), "dropout": 0.5, "seed": 3, "separate": True}
    mf, gmf, mlp, neumf, linear = (kind.make(**options) for kind in UNITS.values())
    assert gmf.seed == mlp.seed == neumf.seed == 3
    assert (mlp.widths, mlp.dropout, neumf.widths, neumf.separate) == ((4, 2), 0.5, (4, 2), True)
    assert not hasattr(mf, "seed")
    assert not hasattr(linear, "seed")
    assert unit_kind(Distance).make(**options).seed == 3
    assert unit_kind(Wide).make(**options).widths == (4, 2)


def test_a_class_in_place_of_a_name():
    plan, model = model_of(("gmf", Distance, Wide))
    assert plan.unit_names == ("gmf", Distance, Wide)
    assert [unit.has_tower for unit in plan.units] == [False, False, True]
    assert [type(unit) for unit in network(model).cascade.units] == [GMF, Distance, Wide]
    p, q = (np.array(rows.tables[0]) for rows in (network(model).user_rows, network(model).item_rows))
    logits = model(IDS)
    expected = -np.sum((p[[0, 5, 5]] - q[[2, 1, 0]]) ** 2, axis=1)
    np.testing.assert_allclose(logits["cart"] - logits["view"], expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("name", "unit_class"), [("mf", MF), ("gmf", GMF), ("mlp", MLP), ("neumf", NeuMF)])
def test_a_built_in_class_is_known_by_its_name(name, unit_class):
    assert unit_name(unit_class) == name
    plan, _ = model_of((unit_class,), "neumf")
    assert plan.unit_names == (name,)
    assert plan.separates_parts == (name == "neumf")


def test_a_registered_unit_is_known_by_name_and_by_class(registered):
    assert register_unit("distance", Distance) is Distance
    assert unit_name(Distance) == "distance"
    for given in ("distance", Distance):
        plan, model = model_of(("gmf", given, "mlp"))
        assert plan.unit_names == ("gmf", "distance", "mlp")
        assert isinstance(network(model).cascade.units[1], Distance)


def test_register_unit_decorates(registered):
    @register_unit("nearness")
    class Nearness(Distance):
        pass

    assert UNITS["nearness"].unit_class is Nearness
    assert not UNITS["nearness"].has_tower


def test_a_model_with_a_registered_unit_is_saved_and_loaded(registered, tmp_path):
    register_unit("distance", Distance)
    _, model = model_of(("distance", "gmf", "distance"))
    network(model).cascade.units[0].scale.assign(3.0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(network(loaded).cascade.units[0].scale) == 3.0
    for name, logits in model(IDS).items():
        np.testing.assert_array_equal(loaded(IDS)[name], logits)


def test_two_units_of_one_class_name_are_two_when_saved(registered, tmp_path):
    """The registered name says which, as two modules may each have a class of this name."""

    def scaled(by):
        class Scaled(Distance):
            def combine(self, user_part, item_part, training=False):
                return by * super().combine(user_part, item_part)

        return Scaled

    register_unit("double", scaled(2))
    register_unit("triple", scaled(3))
    _, model = model_of(("double", "triple"), behaviors=("view", "buy"))
    model.save(tmp_path / "model.keras")
    logits = keras.models.load_model(tmp_path / "model.keras")(IDS)
    np.testing.assert_allclose(logits["buy"], 2.5 * np.array(logits["view"]), rtol=1e-5)


def test_a_unit_registered_again_replaces_the_one_before(registered):
    """As a notebook does when a cell runs twice."""
    for number in range(2):
        again = register_unit("mine", type("Mine", (Distance,), {"number": number}))
    assert UNITS["mine"].unit_class.number == 1
    assert keras.saving.get_registered_object("nmtr_tf_units>mine") is again


@pytest.mark.parametrize("wrong", [3, None, dict, keras.layers.Dense, GMF(seed=0)], ids=repr)
def test_what_is_no_unit(wrong):
    with pytest.raises(InputError, match=r"^`units` should be names or subclasses of nmtr_tf.Unit") as caught:
        model_of((wrong,), "gmf")
    assert caught.value.option == "units"


def test_an_unknown_name_is_one_line():
    with pytest.raises(
        InputError, match=r"^`units` .* mf, gmf, mlp, neumf, linear \(.* registered .*\)\. Received: 'x'"
    ):
        model_of(("x",), "gmf")
    with pytest.raises(InputError, match=r"should be letters, digits and underscores\. Received: 'a,b'"):
        register_unit("a,b", Distance)


@pytest.mark.parametrize("name", ["mf", "gmf", "mlp", "neumf"])
def test_the_table_says_of_inner_products_what_the_classes_say(name):
    assert UNITS[name].is_inner_product == UNITS[name].unit_class.is_inner_product


def test_a_class_of_ones_own_says_whether_it_is_an_inner_product():
    class Half(MF):
        def user_part(self, p):
            return p / 2

    assert unit_kind(Half).is_inner_product
    assert not unit_kind(Distance).is_inner_product
