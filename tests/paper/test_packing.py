"""Ranks and histories in little room."""

import numpy as np

from nmtr_tf.paper.packing import decode_ranks, encode_ranks, pack_history, unpack_history
from paper.made_up import metrics_of


def test_ranks_as_text():
    ranks = np.array([0, 0.5, 7, 199.5, 200, 5000.5])
    assert decode_ranks(encode_ranks(ranks, 200)).tolist() == [0, 0.5, 7, 199.5, 200, 200]
    many = np.random.default_rng(0).geometric(0.005, 20_000).astype(float)
    text = encode_ranks(many, 200)
    assert metrics_of(decode_ranks(text), (50, 200)) == metrics_of(many, (50, 200))
    assert len(text) < 40_000


def test_history_in_columns():
    history = [{"epoch": 1, "train/loss": 0.123456789}, {"epoch": 2, "train/loss": 1e-9, "test/HR@5": 0.25}]
    columns = pack_history(history)
    assert columns == {"epoch": [1, 2], "train/loss": [0.12346, 1e-9], "test/HR@5": [None, 0.25]}
    assert unpack_history(columns)[1] == history[1]
    assert unpack_history(columns)[0] == {"epoch": 1, "train/loss": 0.12346}
    assert unpack_history(pack_history([])) == []
