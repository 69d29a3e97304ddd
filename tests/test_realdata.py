"""The public data sets: counts that their owners publish."""

import pytest

from nmtr_tf.cli import prepare
from nmtr_tf.data.dataset import Dataset

BEIBEI = ["--input=cart:{0}/beibei/cart.txt,buy:{0}/beibei/train.txt", "--heldout={0}/beibei/test.txt"]
TAOBAO = [
    "--input=view:{0}/taobao/view.train.txt,cart:{0}/taobao/cart.train.txt,buy:{0}/taobao/buy.train.txt",
    "--heldout={0}/taobao/buy.test.txt",
]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("flags", "users", "items", "rows"),
    [
        (BEIBEI, 21716, 7977, {"cart": 642622, "buy": 282860}),
        (TAOBAO, 15449, 11953, {"view": 858505, "cart": 180027, "buy": 92180}),
    ],
    ids=["beibei", "taobao"],
)
def test_counts(datasets, tmp_path, flags, users, items, rows):
    flags = [flag.format(datasets) for flag in flags]
    assert (
        prepare.main(["prepare", "--source=adjacency", *flags, f"--dataset_dir={tmp_path}/d", "--quiet"]) == 0
    )
    dataset = Dataset.load(tmp_path / "d")
    everything = dataset.training_view(validation="none", protocol="released")
    assert (everything.num_users, everything.num_items) == (users, items)
    assert {name: matrix.nnz for name, matrix in everything.matrices.items()} == rows
    assert len(everything.held_out["test"]) == users
    assert dataset.protocol == "released"
