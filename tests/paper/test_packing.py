"""Places and histories in little room."""

import base64
import zlib

import numpy as np

from nmtr_tf.evaluation.metrics import metric_values
from nmtr_tf.evaluation.places import Places
from nmtr_tf.paper.packing import (
    pack_history,
    pack_places,
    unpack_history,
    unpack_mean_ranks,
    unpack_places,
)
from paper.made_up import metrics_of_places, places_of


def test_places_as_text():
    places = Places(np.array([4, 4, 9, 9, 9]), np.array([0, 7, 199, 200, 5000]), np.array([2, 1, 40, 3, 1]))
    packed = pack_places(places, 200)
    found = unpack_places(packed)
    assert found.users.tolist() == [0, 0, 1, 1, 1]
    assert found.ranks.tolist() == [0, 7, 199, 200, 200]
    assert found.tied.tolist() == [2, 1, 40, 1, 1]
    of_users = [metric_values(one, "NDCG@200").tolist() for one in (found, places)]
    assert of_users[0] == of_users[1]


def test_what_is_the_same_for_all_takes_no_room():
    many = places_of(np.random.default_rng(0).geometric(0.005, 20_000))
    packed = pack_places(many, 200)
    assert list(packed) == ["ranks"]
    assert len(packed["ranks"]) < 40_000
    assert metrics_of_places(unpack_places(packed), (50, 200)) == metrics_of_places(many, (50, 200))


def test_ranks_of_the_version_before():
    """They were doubled means over ties: the rank 3.5 is a tie of the places 3 and 4."""
    doubled = np.array([0, 7, 400], "<i4").tobytes()
    found = unpack_mean_ranks(base64.b64encode(zlib.compress(doubled)).decode())
    assert (found.ranks.tolist(), found.tied.tolist()) == ([0, 3, 200], [1, 2, 1])
    assert found.users.tolist() == [0, 1, 2]


def test_history_in_columns():
    history = [{"epoch": 1, "train/loss": 0.123456789}, {"epoch": 2, "train/loss": 1e-9, "test/HR@5": 0.25}]
    columns = pack_history(history)
    assert columns == {"epoch": [1, 2], "train/loss": [0.12346, 1e-9], "test/HR@5": [None, 0.25]}
    assert unpack_history(columns)[1] == history[1]
    assert unpack_history(columns)[0] == {"epoch": 1, "train/loss": 0.12346}
    assert unpack_history(pack_history([])) == []
