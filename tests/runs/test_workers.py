"""Two processes on this machine that train one run: they learn what one learns, and a worker may die."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import nmtr_tf as nt
from runs.cut_runs import outcome

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FLAGS = ["--embedding_dim=4", "--ks=5,10", "--device=cpu", "--method=nmtr_gmf", "--patience=0"]
FLAGS += ["--batch_size=128", "--num_epochs=6", "--l2_item=0.01"]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start(flags: list[list[str]], folder: Path) -> list[subprocess.Popen]:
    """A worker for each list of flags; what they print goes into files."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(flags))]
    processes = []
    for index, own in enumerate(flags):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": json.dumps(config)}
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
        with (folder / f"out_{index}").open("wb") as out, (folder / f"err_{index}").open("wb") as err:
            command = [sys.executable, "-m", "experiments.train", "--strategy=multi_worker", *own]
            processes.append(subprocess.Popen(command, stdout=out, stderr=err, env=environment, cwd=ROOT))
    return processes


def ends(processes: list[subprocess.Popen]) -> list[int]:
    return [process.wait(timeout=300) for process in processes]


def errors(folder: Path) -> list[str]:
    return [(folder / f"err_{index}").read_text() for index in range(2)]


def alone(flags: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "experiments.train", "--quiet", *flags]
    subprocess.run(command, env=environment, cwd=ROOT, check=True)


def assert_close(one: Path, two: Path) -> None:
    """The runs differ by rounding alone."""
    weights = [nt.Run(workdir).model.get_weights() for workdir in (one, two)]
    for here, there in zip(*weights, strict=True):
        np.testing.assert_allclose(here, there, atol=1e-4 * np.abs(there).max(initial=1e-30))
    logs = [nt.Run(workdir).history for workdir in (one, two)]
    for here, there in zip(*logs, strict=True):
        assert here["validation/NDCG@10"] == pytest.approx(there["validation/NDCG@10"], abs=1e-9)
        assert here["train/loss"] == pytest.approx(there["train/loss"], rel=1e-5)


def cut(flags: list[str], workdir: Path, folder: Path, victim: int) -> None:
    """Starts two workers, kills one once there is a checkpoint, and looks at how the other ends."""
    processes = start([[*flags, f"--workdir={workdir}"]] * 2, folder)
    training = workdir / "checkpoints" / "training"
    while not list(training.glob("00000002-*")):
        assert all(process.poll() is None for process in processes), errors(folder)
        time.sleep(0.05)
    processes[victim].send_signal(signal.SIGKILL)
    statuses = ends(processes)
    assert statuses[1 - victim] == 2
    line = errors(folder)[1 - victim]
    assert line.startswith("error: --strategy=multi_worker: another worker has stopped or cannot be reached")
    assert line.count("\n") == 1


def test_workers_learn_what_one_process_does_whoever_dies(shop_dir, tmp_path):
    flags = [*FLAGS, f"--dataset_dir={shop_dir}"]
    alone([*flags, f"--workdir={tmp_path}/one"])
    assert ends(start([[*flags, f"--workdir={tmp_path}/two"]] * 2, tmp_path)) == [0, 0]
    assert (tmp_path / "out_1").read_text() == ""
    assert_close(tmp_path / "two", tmp_path / "one")
    assert nt.Run(tmp_path / "two").info.num_replicas == 2

    cut(flags, tmp_path / "cut", tmp_path, victim=1)
    resumed = [*flags, f"--workdir={tmp_path}/cut", "--resume=must"]
    assert ends(start([resumed] * 2, tmp_path)) == [0, 0], errors(tmp_path)
    assert "goes on from the checkpoint" in (tmp_path / "out_0").read_text()
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "two")

    cut(flags, tmp_path / "shrunk", tmp_path, victim=0)
    alone([*flags, f"--workdir={tmp_path}/shrunk", "--resume=must"])
    assert_close(tmp_path / "shrunk", tmp_path / "one")


def test_workers_share_alternating_least_squares(shop_dir, tmp_path):
    flags = [*FLAGS, f"--dataset_dir={shop_dir}", "--objective=whole_data", "--learner=als"]
    flags += ["--num_epochs=2", "--l2_user=0.1", "--l2_unit=1"]
    alone([*flags, f"--workdir={tmp_path}/one"])
    assert ends(start([[*flags, f"--workdir={tmp_path}/two"]] * 2, tmp_path)) == [0, 0], errors(tmp_path)
    assert_close(tmp_path / "two", tmp_path / "one")


@pytest.mark.parametrize("other", ["--l2_user=1", "--eval_memory_mb=7"])
def test_workers_with_other_settings_are_refused(shop_dir, tmp_path, other):
    """By the memory of a chunk of users the workers share these out."""
    flags = [*FLAGS, f"--dataset_dir={shop_dir}", f"--workdir={tmp_path}/run"]
    assert ends(start([flags, [*flags, other]], tmp_path)) == [2, 2]
    assert errors(tmp_path)[1] == (
        "error: --strategy=multi_worker: this worker has other settings or another data set than the first "
        "one; start all with the same command, on the same data.\n"
    )
