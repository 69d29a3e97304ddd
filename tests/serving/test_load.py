"""An exported model under load: from eight threads, single rows and batches, for minutes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from runs.given_histories import histories

from nmtr_tf.config import RunConfig
from serving.exports import Exported
from serving.load import ask_from_threads

SECONDS = int(os.environ.get("NMTR_LOAD_SECONDS", "600"))
GROWTH_MIB = 32
HISTORY = {"method": "nmtr_gmf", "embedding_dim": 8, "user_rows": "history", "objective": "whole_data"}


def scored(exported):
    """Inputs of the signatures that any model has: all users, known and not, and 200 pairs."""
    rng = np.random.default_rng(0)
    users = [*exported.users, "nobody"]
    pairs = {"user_id": users, "item_id": [*exported.items, "nothing"]}
    return {
        "serving_default": {"user_id": users},
        "score": {name: rng.choice(ids, 200).tolist() for name, ids in pairs.items()},
    }


def check(found, signatures):
    """That all signatures were asked, and no answer was wrong."""
    assert found["errors"] == []
    assert set(found["calls"]) == set(signatures)
    assert min(found["calls"].values()) > 50
    assert found["wrong"] == 0
    assert found["largest_difference"] < 2e-6


def test_480_calls_from_8_threads_have_the_answers_of_one(exported):
    inputs = {
        signature: {name: np.array(ids, object) for name, ids in named.items()}
        for signature, named in scored(exported).items()
    }
    found = ask_from_threads(exported.signatures, inputs, 8, num_calls=480)
    check(found, inputs)
    assert sum(found["calls"].values()) == 480


def test_what_is_wrong_is_found(neumf):
    """The comparison can fail: by ids and numbers of items, by a score that is a little off, by an error."""
    users = {"serving_default": {"user_id": np.array(neumf.users, object)}}

    def asked(change):
        """What is found where all answers are changed but the first, which is for all users."""
        first = iter([True])

        def serve(user_id):
            answer = neumf.signatures["serving_default"](user_id=user_id)
            return answer if next(first, False) else change(answer)

        return ask_from_threads({"serving_default": serve}, users, 2, num_calls=20)

    assert asked(lambda answer: {**answer, "num_items": answer["num_items"] + 1})["wrong"] == 20
    off = asked(lambda answer: {**answer, "scores": answer["scores"] + 1e-4})
    assert off["wrong"] == 0
    assert off["largest_difference"] == pytest.approx(1e-4, rel=0.02)
    assert len(asked(lambda answer: {"nothing": answer["nothing"]})["errors"]) == 2


@pytest.mark.slow
def test_at_the_machines_limit_no_answer_is_wrong_and_memory_is_flat(shop, tmp_path):
    """For ten minutes; NMTR_LOAD_SECONDS=60 makes it one."""
    view = shop.training_view()
    exported = Exported(tmp_path / "export", RunConfig().with_options(**HISTORY), view)
    inputs = {**scored(exported), "recommend_for_history": histories(view, range(view.num_users))}
    inputs["explain"] = inputs["score"]
    (tmp_path / "inputs.json").write_text(json.dumps(inputs))
    script, length = Path(__file__).with_name("load.py"), f"{SECONDS}s"
    command = [sys.executable, "-I", str(script), exported.directory, tmp_path / "inputs.json", "8", length]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    check(found, inputs)
    assert sum(found["calls"].values()) > 10 * SECONDS
    after_warm_up, at_the_end = found["mib"]
    assert at_the_end < after_warm_up + GROWTH_MIB, found["mib"]
