"""Damaged files of a search are one line."""

import shutil
from typing import Any

import numpy as np
import pytest

from nmtr_tf.config import RunConfig
from nmtr_tf.errors import InputError
from nmtr_tf.tuning.search import tune

CONFIG = RunConfig().with_options(
    method="nmtr_gmf", behaviors=("view", "buy"), num_epochs=3, ks=(5, 10), monitor="NDCG@10"
)
DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "other bytes": lambda content: b"\x00\xff\n" * 200,
    "other JSON": lambda content: b"[1, 2]\n",
    "null": lambda content: b"null\n",
}


@pytest.fixture
def search(shop, tmp_path, script):
    """The directory of a search of two trials, and a function that asks for them again."""
    script([0.1, 0.3, 0.2], [0.2, 0.1, 0.1])
    options: dict[str, Any] = {"search": ("learning_rate",), "workdir": tmp_path, "trials": 2}
    directory = tune(shop, CONFIG, **options).directory
    script()  # nothing is trained anew
    return directory, lambda: tune(shop, CONFIG, **options)


def check_refused(ask, name):
    with pytest.raises(InputError) as error:
        ask()
    assert "\n" not in str(error.value)
    assert name in str(error.value)


@pytest.mark.parametrize("name", ["search.json", "trials.csv", "search.db"])
def test_damaged_files(search, name):
    directory, ask = search
    if name != "search.db":
        (directory / "search.db").unlink()  # then it goes on from the other two
    path = directory / name
    content = path.read_bytes()
    for damage, change in DAMAGES.items():
        if (name, damage) != ("search.db", "empty"):  # SQLite's way of saying that nothing is there yet
            path.write_bytes(change(content))
            check_refused(ask, name)


@pytest.mark.slow
def test_changed_bytes_of_a_database(search):
    """What they change may be free room, or the number of a trial that is played again."""
    directory, ask = search
    path, generator, refused = directory / "search.db", np.random.default_rng(1), []
    content = path.read_bytes()
    used = np.flatnonzero(np.frombuffer(content, np.uint8))  # most of it is free
    for place in generator.choice(used, size=20):
        changed = bytearray(content)
        changed[place] ^= 1 << generator.integers(8)
        path.write_bytes(changed)
        shutil.rmtree(directory / ".locks", ignore_errors=True)
        try:
            ask()
        except InputError as error:
            refused.append(str(error))
        except IndexError:  # the script has no further trial to play
            pass
    assert refused
    assert not any("\n" in message for message in refused)
