"""TF_CONFIG: which worker a process is, and what is wrong with it in one line."""

import json

import pytest

from nmtr_tf.cluster import Worker, this_worker
from nmtr_tf.errors import InputError

WORKERS = ["a:1", "b:2"]


def config(cluster=None, kind="worker", index=0) -> str:
    return json.dumps({"cluster": cluster or {"worker": WORKERS}, "task": {"type": kind, "index": index}})


def test_other_strategies_have_one_process(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{")
    assert this_worker("none") == this_worker("mirrored") == Worker(0, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (config(), Worker(0, 2)),
        (config(index=1), Worker(1, 2)),
        (config({"chief": ["c:3"], "worker": WORKERS}, "chief"), Worker(0, 3)),
        (config({"chief": ["c:3"], "worker": WORKERS}, index=1), Worker(2, 3)),
    ],
)
def test_number_and_count(monkeypatch, text, expected):
    monkeypatch.setenv("TF_CONFIG", text)
    worker = this_worker("multi_worker")
    assert worker == expected
    assert worker.is_chief == (worker.number == 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "expected JSON"),
        ("[]", "expected an entry 'cluster'"),
        ('{"cluster": {}}', "expected an entry 'cluster'"),
        (config({"ps": ["a:1"]}), "expected an entry 'cluster'"),
        (config({"worker": "a:1"}), "expected a list of host:port"),
        (config({"worker": ["a"]}), "expected a list of host:port"),
        (config({"worker": ["a:70000"]}), "expected a list of host:port"),
        (config({"chief": WORKERS, "worker": ["c:3"]}), "expected a list of host:port"),
        (config({"worker": ["a:1", "a:1"]}), "expected different addresses"),
        (config(index=2), "expected an entry 'task'"),
        (config(index=-1), "expected an entry 'task'"),
        (config(index=True), "expected an entry 'task'"),
        (config(kind="chief"), "expected an entry 'task'"),
        ('{"cluster": {"worker": ["a:1"]}}', "expected an entry 'task'"),
    ],
)
def test_what_is_wrong(monkeypatch, text, expected):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=f"^TF_CONFIG: {expected}"):
        this_worker("multi_worker")


def test_it_is_missing(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(
        InputError, match=r"^`strategy=multi_worker` needs the environment variable TF_CONFIG"
    ):
        this_worker("multi_worker")
