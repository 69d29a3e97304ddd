"""One writer at a time, whatever becomes of it."""

import os
import subprocess
import sys

import pytest

from nmtr_tf import locks
from nmtr_tf.errors import InputError
from nmtr_tf.locks import held

HOLD = (
    "import sys; from nmtr_tf.locks import held\nwith held(sys.argv[1]): print('held', flush=True); input()"
)


def test_a_lock_leaves_nothing_and_may_be_held_again(tmp_path):
    for _ in range(2):
        with held(tmp_path / "new" / "run"):
            assert [path.name for path in (tmp_path / "new").iterdir()] == [".nmtr-lock.run"]
        assert not list((tmp_path / "new").iterdir())


def test_a_second_writer_of_this_process_is_refused(tmp_path):
    path = tmp_path / "run"
    with held(path), pytest.raises(InputError) as error, held(path):
        pass
    assert str(error.value).startswith(f"{path} is being written by process {os.getpid()} on ")
    with held(path), held(tmp_path / "run2"):
        pass


def test_one_directory_has_one_lock_by_whichever_name(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    (tmp_path / "above").symlink_to(".")
    names = [tmp_path / "run", tmp_path / "link", tmp_path / "above" / "link"]
    for one in names:
        for other in names:
            with held(one), pytest.raises(InputError, match=f"^{other} is being written"), held(other):
                pass


@pytest.mark.parametrize("killed", [False, True])
def test_a_lock_ends_with_its_process(tmp_path, killed):
    path = tmp_path / "run"
    command, pipe = [sys.executable, "-c", HOLD, str(path)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=rf"is being written by process {other.pid} on \S+; wait"),
            held(path),
        ):
            pass
        if killed:
            other.kill()
        else:
            other.stdin.write("\n")
            other.stdin.flush()
        other.wait()
    assert [one.name for one in tmp_path.iterdir()] == ([".nmtr-lock.run"] if killed else [])
    with held(path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_whose_file_went_away_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    path, taken = tmp_path / "run", locks._is_taken

    def remove_first(file: int) -> bool:
        monkeypatch.setattr(locks, "_is_taken", taken)
        (tmp_path / ".nmtr-lock.run").unlink()  # what its last holder does at the end
        return taken(file)

    monkeypatch.setattr(locks, "_is_taken", remove_first)
    with held(path), pytest.raises(InputError), held(path):
        pass


def test_where_nothing_can_be_made_beside_it_the_lock_is_in_the_directory(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with held(tmp_path / "run"):
        assert [path.name for path in (tmp_path / "run").iterdir()] == [".nmtr-lock"]
