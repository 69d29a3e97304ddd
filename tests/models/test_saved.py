"""A saved model that is damaged is one line, whatever the damage."""

import keras
import numpy as np
import pytest

from nmtr_tf.errors import InputError
from nmtr_tf.models.saved import load_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    keras.Sequential([keras.Input([3]), keras.layers.Dense(2)]).save(path)
    return path


def test_a_whole_one_is_read(saved):
    assert load_model(saved).count_params() == 8


@pytest.mark.parametrize("length", [0, 1, 4, 0.3, 0.6, 0.99])
def test_a_cut_one(saved, tmp_path, length):
    content = saved.read_bytes()
    refused(tmp_path, content[: int(length if length in (0, 1, 4) else length * len(content))])


def test_flipped_bits(saved, tmp_path):
    """Where a bit matters, it is found; the dates of a zip file, say, do not."""
    content, found = saved.read_bytes(), []
    for place in np.random.default_rng(0).integers(len(content), size=40):
        flipped = content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]
        path = tmp_path / "flipped.keras"
        path.write_bytes(flipped)
        try:
            load_model(path)
        except InputError as error:
            found.append(str(error))
    assert len(found) > 10
    assert not any("\n" in message for message in found)


def test_what_is_no_model(tmp_path):
    refused(tmp_path, b"PK\x03\x04 but no more")
    with pytest.raises((InputError, OSError), match=r"nowhere\.keras"):
        load_model(tmp_path / "nowhere.keras")


def refused(tmp_path, content):
    path = tmp_path / "damaged.keras"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged\.keras: not a model, or damaged; train") as error:
        load_model(path)
    assert "\n" not in str(error.value)
