"""The recipes of data/README.md, each on a file of ten rows or so."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nmtr_tf.cli.prepare import main
from nmtr_tf.data.dataset import Dataset

README = Path(__file__).parents[2] / "data" / "README.md"
EVENTS = [  # user, behavior, items, minutes
    ("ann@x.org", "view", ["A-1"], 0),
    ("ann@x.org", "cart", ["A-1"], 1),
    ("ann@x.org", "buy", ["A-1", "B-2"], 2),
    ("ann@x.org", "view", ["C-3"], 3),
    ("ann@x.org", "buy", ["C-3"], 4),
    ("bob@x.org", "view", ["B-2"], 5),
    ("bob@x.org", "cart", ["B-2"], 6),
    ("bob@x.org", "buy", ["B-2"], 7),
    ("bob@x.org", "buy", ["A-1"], 8),
    ("bob@x.org", "scroll", [], 9),
]
START = pd.Timestamp("2024-05-01 08:00:00")


def times(form: str) -> list[str]:
    return [(START + pd.Timedelta(minutes=minutes)).strftime(form) for *_, minutes in EVENTS]


def lines(folder, name: str, objects: list[dict]) -> None:
    (folder / name).write_text("".join(json.dumps(content) + "\n" for content in objects))


def ga4(folder) -> None:
    names = {"view": "view_item", "cart": "add_to_cart", "buy": "purchase", "scroll": "scroll"}
    pd.DataFrame(
        {
            "event_timestamp": [
                int((START + pd.Timedelta(minutes=row[3])).timestamp() * 10**6) for row in EVENTS
            ],
            "event_name": [names[row[1]] for row in EVENTS],
            "user_pseudo_id": [row[0] for row in EVENTS],
            "items": [[{"item_id": item, "price": 1.5} for item in row[2]] for row in EVENTS],
        }
    ).to_parquet(folder / "ga4.parquet")


def shopify(folder) -> None:
    stamps = times("%Y-%m-%d %H:%M:%S +0200")
    orders, views = ["Name,Email,Created at,Lineitem sku,Notes"], ["user,item,timestamp"]
    for (user, behavior, items, minutes), stamp in zip(EVENTS, stamps, strict=True):
        if behavior == "view":
            views.append(f"{user},{items[0]},{int(START.timestamp()) + 60 * minutes - 7200}")
        if behavior == "buy":
            orders += [f'#{minutes},{user},{stamp},{item},"please\nring"' for item in items]
    (folder / "orders_export.csv").write_text("\n".join(orders))
    (folder / "views.csv").write_text("\n".join(views))


def woocommerce(folder) -> None:
    stamps = times("%Y-%m-%d %H:%M")
    orders = ["Order Number,Order Date,Email (Billing),SKU,Quantity"]
    for (user, behavior, items, minutes), stamp in zip(EVENTS, stamps, strict=True):
        if behavior == "buy":
            orders += [f"{minutes},{stamp},{user},{item},1" for item in items]
    (folder / "woocommerce.csv").write_text("\ufeff" + "\n".join(orders))


def amplitude(folder) -> None:
    stamps = times("%Y-%m-%d %H:%M:%S.%f")
    found = [
        {"user_id": user, "event_type": kind, "event_time": stamp, "event_properties": {"product_id": item}}
        for (user, kind, items, _), stamp in zip(EVENTS, stamps, strict=True)
        for item in items or [""]
    ]
    lines(folder, "amplitude.jsonl", found)


def segment(folder) -> None:
    stamps = times("%Y-%m-%dT%H:%M:%S.000Z")
    rows = [(*row, stamp) for row, stamp in zip(EVENTS, stamps, strict=True)]
    lines(
        folder,
        "product_viewed.jsonl",
        [
            {"userId": user, "timestamp": stamp, "properties": {"product_id": items[0]}}
            for user, kind, items, _, stamp in rows
            if kind == "view"
        ],
    )
    lines(
        folder,
        "order_completed.jsonl",
        [
            {
                "userId": user,
                "timestamp": stamp,
                "properties": {"products": [{"product_id": i} for i in items]},
            }
            for user, kind, items, _, stamp in rows
            if kind == "buy"
        ],
    )


def recbole(folder) -> None:
    text = "user_id:token\titem_id:token\ttype:token\ttimestamp:float\n"
    for user, kind, items, minutes in EVENTS:
        if kind in ("view", "buy"):
            text += "".join(f"{user}\t{item}\t{kind}\t{START.timestamp() + 60 * minutes}\n" for item in items)
    (folder / "shop.inter").write_text(text)


def movielens(folder) -> None:
    rng = np.random.default_rng(0)
    text = "userId,movieId,rating,timestamp\n"
    ratings = [5.0, 4.0, 4.5, 1.0, 4.0, 5.0, 0.5, 3.5, 4.0, 2.0]
    for place, rating in enumerate(ratings):
        text += f"{1 + place // 5},{10 + place % 5},{rating},{1_000_000_000 + int(rng.integers(1000))}\n"
    (folder / "ratings.csv").write_text(text)


SHOP = {"users": 2, "items": 3, "buy": 5, "view": 3}
RECIPES = {
    "GA4": (ga4, {"users": 2, "items": 3, "purchase": 5, "add_to_cart": 2, "view_item": 3}, ["C-3", "A-1"]),
    "Shopify": (shopify, SHOP, ["C-3", "A-1"]),
    "WooCommerce": (woocommerce, {"users": 2, "items": 3, "buy": 5}, ["C-3", "A-1"]),
    "Amplitude": (amplitude, {"users": 2, "items": 3, "buy": 5, "cart": 2, "view": 3}, ["C-3", "A-1"]),
    "Segment": (segment, SHOP, ["C-3", "A-1"]),
    "RecBole": (recbole, SHOP, ["C-3", "A-1"]),
    "MovieLens": (movielens, {"users": 2, "items": 5, "liked": 6, "seen": 10}, None),
}


def commands() -> dict[str, str]:
    recipes = README.read_text(encoding="utf-8").split("## Recipes")[1]
    return dict(re.findall(r"### (\w+).*?```sh\n(.*?)```", recipes, re.DOTALL))


def test_every_recipe_is_run():
    assert list(commands()) == list(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(tmp_path, monkeypatch, capsys, name):
    make, table_one, last = RECIPES[name]
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    command = shlex.split(commands()[name].replace("\\\n", " "))
    assert command[:2] == ["nmtr", "prepare"]
    assert main(command[1:]) == 0
    printed = capsys.readouterr().out
    assert ("Times from 2024-05-01 to 2024-05-01" if last else "Times from 2001-09-09") in printed
    (directory,) = (tmp_path / "out").iterdir()
    dataset = Dataset.load(directory)
    assert dataset.about["table_one"] == table_one
    assert not dataset.about["bad_rows"]
    if last:
        items = dataset.item_ids[dataset.held_out["test"][:, 1]]
        assert items.tolist() == last
