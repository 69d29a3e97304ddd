"""Variants: which there are, and what their cells are called."""

import pytest

from nmtr_tf.paper.variants import Variant, both_neumfs, data_subsets, label_of_row, training_kinds

SHOP = ("view", "cart", "buy")


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


def test_neumf_has_two_rows_in_table_three():
    rows = both_neumfs([Variant(name, seed=1, behaviors=("view", "buy")) for name in ("mlp", "neumf", "cmf")])
    assert [one.name(SHOP) for one in rows] == [
        "mlp-view-buy-seed_1",
        "neumf-view-buy-seed_1",
        "neumf-view-buy-shared-seed_1",
        "cmf-view-buy-seed_1",
    ]
    assert [one.row for one in rows] == ["mlp", "neumf", "neumf-shared", "cmf"]
    labels = ["MLP", "NeuMF", "NeuMF, shared embeddings", "CMF"]
    assert [label_of_row(one.row) for one in rows] == labels


def test_subsets_of_table_four():
    names = [variant.name(SHOP) for variant in data_subsets(Variant("m"), SHOP)]
    assert names == ["m-cart-buy", "m-view-buy", "m-cart_0.5-buy", "m-view_0.5-buy"]
    # With one auxiliary behavior the whole of it is the ordinary run.
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


def test_no_behavior_leads_a_file_elsewhere():
    behaviors = ("view", "../../../pwn", "add/cart", "buy")
    variant = Variant("nmtr_gmf", behaviors[1:], (("../../../pwn", 0.5),))
    name = "nmtr_gmf-%2E.%2F..%2F..%2Fpwn_0.5-add%2Fcart-buy"
    assert variant.name(behaviors) == name
