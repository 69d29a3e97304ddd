"""Files and directories are written whole or not at all."""

import errno
import json
import os

import numpy as np
import pytest

from nmtr_tf.errors import InputError
from nmtr_tf.files import check_directory, new_file, read_json, resolved, write_json, writing
from nmtr_tf.folders import new_directory


def tree(root) -> dict[str, str]:
    """Text of every file below a directory, and "/" for directories, hidden ones too."""
    return {
        str(path.relative_to(root)): "/" if path.is_dir() else path.read_text() for path in root.rglob("*")
    }


@pytest.mark.parametrize("before", [None, "old"])
def test_new_file_appears_at_the_end_of_the_block(tmp_path, before):
    path = tmp_path / "x.txt"
    if before:
        path.write_text(before)
    with new_file(path) as temporary:
        temporary.write_text("new")
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".txt")
        assert (path.read_text() if path.exists() else None) == before
    assert tree(tmp_path) == {"x.txt": "new"}


def test_the_last_of_two_that_write_a_file_at_once_wins(tmp_path):
    path = tmp_path / "file"
    with new_file(path) as first:
        first.write_text("first, and longer")
        with new_file(path) as second:
            assert second != first
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first, and longer"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("is_there", [True, False])
def test_what_a_link_names_is_written_not_the_link(tmp_path, is_there):
    (tmp_path / "real").mkdir()
    path, link = tmp_path / "real" / "file", tmp_path / "link"
    link.symlink_to("real/file")
    if is_there:
        path.write_text("old")
    with new_file(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["file", "link", "real"]


def test_a_path_that_cannot_be_is_left_as_it_is(tmp_path):
    (tmp_path / "link").symlink_to("file")
    assert resolved(tmp_path / "link") == resolved(tmp_path / "file")
    assert resolved(str(tmp_path / "a\0b")) == tmp_path / "a\0b"


def test_new_file_makes_parents(tmp_path):
    with new_file(str(tmp_path / "a" / "b" / "x")) as temporary:
        temporary.write_text("new")
    assert tree(tmp_path) == {"a": "/", "a/b": "/", "a/b/x": "new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [None, "old"])
def test_failed_new_file_changes_nothing(tmp_path, before, error):
    path = tmp_path / "x.txt"
    if before:
        path.write_text(before)

    def write():
        with new_file(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert tree(tmp_path) == ({"x.txt": "old"} if before else {})


def test_a_directory_is_checked_without_a_trace(tmp_path):
    check_directory(tmp_path)
    check_directory(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("old")
    for name in ("file", "file/a/b"):
        with pytest.raises(NotADirectoryError) as error:
            check_directory(tmp_path / name)
        assert error.value.filename == str(tmp_path / name)
    assert tree(tmp_path) == {"file": "old"}


FULL = os.strerror(errno.ENOSPC)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "Error writing bytes to file. Detail: ..."),
        OSError(f"Can't synchronously write data (errno = 28, error message = '{FULL}')"),
        RuntimeError(f"{{{{node SaveV2}}}} x/variables; {FULL} [Op:SaveV2]"),
        None,
    ],
    ids=["Arrow", "HDF5", "TensorFlow", "Python"],
)
@pytest.mark.parametrize("new", [new_file, new_directory])
def test_errors_in_writing_name_what_was_to_be_written(tmp_path, monkeypatch, new, error):
    def write():
        with new("a.b") as temporary:
            raise error or OSError(errno.ENOSPC, FULL, f"{temporary}/x")

    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=FULL) as caught:
        write()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "a.b")
    assert tree(tmp_path) == {}


OTHERS = [InputError(FULL), ValueError("x"), OSError("x"), OSError(errno.ENOENT, "no such file", "read.csv")]


@pytest.mark.parametrize("error", OTHERS)
def test_other_errors_stay_as_they_are(error):
    with pytest.raises(type(error)) as caught, writing("a"):
        raise error
    assert caught.value is error


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    for new in (new_file, new_directory):
        with pytest.raises(OSError, match="File exists") as caught, new(tmp_path / "file" / "x"):
            pass
        assert caught.value.filename == str(tmp_path / "file")


def test_json_round_trip(tmp_path):
    path = tmp_path / "x.json"
    content = {"b": [1, 2.5, None, True], "a": {"é\n": "ü"}}
    write_json(path, content)
    assert read_json(path) == content
    assert list(read_json(path)) == ["b", "a"]
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    assert "é" in text


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (float("nan"), ValueError),
        ({"a": [float("inf")]}, ValueError),
        ([-np.inf], ValueError),
        ({"a": object()}, TypeError),
    ],
)
def test_write_json_refuses_what_json_lacks(tmp_path, content, error):
    path = tmp_path / "x.json"
    path.write_text("{}")
    with pytest.raises(error):
        write_json(path, content)
    assert tree(tmp_path) == {"x.json": "{}"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "expected JSON"),
        (b'{"a": 1', "expected JSON"),
        (b'"\xff"', "expected JSON"),
    ],
    ids=["missing", "empty", "truncated", "not UTF-8"],
)
def test_read_json_errors(tmp_path, content, message):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: {message}")
