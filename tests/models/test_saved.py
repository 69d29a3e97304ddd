"""A saved model that is damaged is one line, whatever the damage."""

import io
import json
import re
import zipfile
from typing import Any

import h5py
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


def replaced(path, saved, **members):
    """The saved model with other members: name without its ending -> bytes."""
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, members.get(name.split(".")[0], old.read(name)))
    return path


CODE = {"class_name": "__lambda__", "config": {"code": "", "defaults": None, "closure": None}}
HARMFUL: dict[str, dict[str, Any]] = {
    "Lambda": {"function": CODE},
    "TFSMLayer": {"filepath": "somewhere", "call_endpoint": "serve"},
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_code_that_a_model_brings_along_is_refused(saved, tmp_path, kind):
    """A layer of Python code, and one that loads a graph from elsewhere (CVE-2026-1462)."""
    with zipfile.ZipFile(saved) as archive:
        config = json.loads(archive.read("config.json"))
    layer = config["config"]["layers"][-1]
    layer.update(class_name=kind, config={"name": "harmful", **HARMFUL[kind]})
    path = replaced(tmp_path / "model.keras", saved, config=json.dumps(config).encode())
    with pytest.raises(InputError, match=r"model\.keras: not a model, .* disallowed by default\.") as error:
        load_model(path)
    assert "\n" not in str(error.value)


def test_weights_that_are_in_another_file_are_refused(saved, tmp_path):
    """They would be read into the model, whatever the file is (CVE-2026-1669)."""
    (tmp_path / "secret").write_bytes(bytes(24))
    with zipfile.ZipFile(saved) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content, "a") as file:
        name = next(name for name in walk(file) if file[name].shape == (3, 2))
        del file[name]
        file.create_dataset(name, (3, 2), "float32", external=[(str(tmp_path / "secret"), 0, 24)])
    path = replaced(tmp_path / "model.keras", saved, model=content.getvalue())
    with pytest.raises(InputError, match=r"model\.keras: not a model, or damaged") as error:
        load_model(path)
    assert re.search("Not allowed: .*external", str(error.value.__cause__))


def walk(file):
    """The names of the data sets in a file."""
    found = []
    file.visititems(lambda name, one: found.append(name) if isinstance(one, h5py.Dataset) else None)
    return found
