"""Directories that stand whole or not at all, wherever a replacement is cut."""

import os
import shutil
import stat

import pytest

from nmtr_tf.errors import InputError
from nmtr_tf.folders import check_replaceable, finish, new_directory, passing_directory
from nmtr_tf.locks import held


def tree(root) -> dict[str, str]:
    """Text of every file below a directory, and "/" for directories, hidden ones too."""
    return {
        str(path.relative_to(root)): "/" if path.is_dir() else path.read_text() for path in root.rglob("*")
    }


class Killed(BaseException):
    """The process, at this point."""


@pytest.mark.parametrize("before", [None, "old"])
def test_new_directory_replaces_at_the_end_of_the_block(tmp_path, before):
    path = tmp_path / "a" / "d"
    if before:
        path.mkdir(parents=True)
        (path / "only_before").write_text(before)
    with new_directory(str(path)) as temporary:
        (temporary / "x").write_text("new")
        (temporary / "sub").mkdir()
        assert temporary.parent == path.parent
        assert (tree(path) if path.exists() else None) == ({"only_before": "old"} if before else None)
    assert tree(tmp_path) == {"a": "/", "a/d": "/", "a/d/x": "new", "a/d/sub": "/"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [None, "old"])
def test_failed_new_directory_changes_nothing(tmp_path, before, error):
    path = tmp_path / "d"
    if before:
        path.mkdir()
        (path / "x").write_text(before)

    def write():
        with new_directory(path) as temporary:
            (temporary / "x").write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert tree(tmp_path) == ({"d": "/", "d/x": "old"} if before else {})


@pytest.mark.parametrize("moment", range(8))
def test_a_replacement_that_is_cut_anywhere_is_finished_by_the_next_command(tmp_path, monkeypatch, moment):
    """At each of its steps the old one or the new one is whole, and `finish` puts it in its place."""
    path, step = tmp_path / "d", 0
    path.mkdir()
    (path / "x").write_text("old")

    def counted(function):
        def call(*args, **options):
            nonlocal step
            step += 1
            if step > moment:  # whatever a killed process would still have cleaned up stays
                raise Killed
            return function(*args, **options)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", counted(os.replace))
        patched.setattr(shutil, "rmtree", counted(shutil.rmtree))
        try:
            with new_directory(path) as temporary:
                (temporary / "x").write_text("new")
        except Killed:
            pass
    finish(path)
    assert (path / "x").read_text() == ("old" if moment < 2 else "new")
    with new_directory(path) as temporary:  # sweeps what is left
        (temporary / "x").write_text("newer")
    assert tree(tmp_path) == {"d": "/", "d/x": "newer"}


def test_nobody_finishes_what_another_is_about(tmp_path):
    (tmp_path / ".nmtr-next.d").mkdir()
    with held(tmp_path / "d"):
        finish(tmp_path / "d")
        assert not (tmp_path / "d").exists()
    finish(tmp_path / "d")
    assert tree(tmp_path) == {"d": "/"}


def test_two_cannot_write_one_directory(tmp_path):
    with new_directory(tmp_path / "d") as first:
        with pytest.raises(InputError, match="is being written by"), new_directory(tmp_path / "d"):
            pass
        (first / "x").write_text("new")
    assert tree(tmp_path) == {"d": "/", "d/x": "new"}


def test_what_a_link_names_is_replaced_not_the_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    with new_directory(tmp_path / "link") as temporary:
        (temporary / "x").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "x").read_text() == "new"


def test_what_cannot_be_swapped_is_refused_before_anything_is_built(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError), new_directory(tmp_path / "file"):
        pass
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    with pytest.raises(
        InputError, match="is a mount point, which cannot be replaced; name a directory below"
    ):
        check_replaceable(tmp_path)


def test_a_passing_directory_is_gone_at_the_end_and_takes_those_of_killed_processes_along(tmp_path):
    for name in (".nmtr-spill-of-a-killed-one", ".nmtr-other-kind", "spill-of-a-user"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text("")
    with passing_directory(tmp_path, "spill") as first, passing_directory(tmp_path, "spill") as second:
        assert first.is_dir()  # whose process is at it
        assert second.is_dir()
        assert stat.S_IMODE(first.stat().st_mode) == 0o700
        (first / "much").write_text("")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".nmtr-other-kind", "spill-of-a-user"]


def test_a_passing_directory_goes_when_its_block_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), passing_directory(tmp_path / "new", "spill"):
        raise ZeroDivisionError
    assert tree(tmp_path) == {"new": "/"}
