"""An exported model under load: from eight threads, single users and batches, for minutes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = int(os.environ.get("NMTR_LOAD_SECONDS", "60"))


def load(exported, tmp_path, length):
    """What a process that has TensorFlow alone found."""
    (tmp_path / "users.json").write_text(json.dumps(exported.users))
    script = Path(__file__).with_name("load.py")
    command = [sys.executable, "-I", str(script), exported.directory, tmp_path / "users.json", "8", length]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_480_calls_from_8_threads_have_the_answers_of_one(exported, tmp_path):
    found = load(exported, tmp_path, "480")
    assert (found["calls"], found["other_items"]) == (480, 0)
    assert found["largest_difference"] < 2e-6


@pytest.mark.slow
def test_at_the_machines_limit_no_answer_is_wrong_and_memory_is_flat(neumf, tmp_path):
    """For a minute; NMTR_LOAD_SECONDS=600 makes it ten."""
    found = load(neumf, tmp_path, f"{SECONDS}s")
    assert found["calls"] > 10 * SECONDS
    assert found["other_items"] == 0
    assert found["largest_difference"] < 2e-6
    before, after = found["mib"]
    assert after < before + 32, found["mib"]
