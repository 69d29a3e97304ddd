"""Whatever has happened to a file that is read back, the command says so in one line and exits with 2."""

import json
import shutil

import numpy as np
import pytest
from conftest import call

from nmtr_tf.cli import audit, compare, evaluate, export, recommend, report, train

EVALUATE = (evaluate, "--workdir={run}")
RECOMMEND = (recommend, "--workdir={run}", "--k=3")
EXPORT = (export, "--workdir={run}", "--export_dir={out}/models")
REPORT = (report, "--workdir={run}", "--output={out}/report.html")
COMPARE = (compare, "{run}", "{run}/evaluated")
WARM = (
    train,
    "--init_from={run}",
    "--dataset_dir={run}/dataset",
    "--workdir={out}/warm",
    "--method=nmtr_gmf",
)
FINAL = (train, "--final_of={run}", "--workdir={out}/final")
TRAIN = (train, "--dataset_dir={run}/dataset", "--workdir={out}/run")
AUDIT = (audit, "--dataset_dir={run}/dataset", "--output_dir={out}")

READERS = {
    "config.json": (EVALUATE, RECOMMEND, EXPORT, REPORT, WARM, FINAL),
    "run.json": (EVALUATE, RECOMMEND, EXPORT, REPORT, WARM, FINAL),
    "metrics.jsonl": (REPORT, FINAL),
    "users.parquet": (WARM,),
    "items.parquet": (WARM,),
    "checkpoints/best.keras": (EVALUATE, RECOMMEND, EXPORT),
    "metrics_test.json": (COMPARE, FINAL, REPORT, EXPORT),
    "ranks_test.parquet": (COMPARE, FINAL, REPORT, EXPORT),
    "dataset/dataset.json": (EVALUATE, TRAIN, AUDIT),
    "dataset/interactions.parquet": (EVALUATE, TRAIN, AUDIT),
    "dataset/users.parquet": (RECOMMEND, TRAIN),
    "dataset/items.parquet": (RECOMMEND, TRAIN),
}


def damages(content: bytes):
    """Ways in which a file can be damaged, by name: its content then."""
    yield "empty", b""
    yield "half", content[: len(content) // 2]
    yield "no file of its kind", b"\x00\xff" * 300
    yield "another kind of JSON", b"[1, 2]\n"
    yield "an object of nothing", b"{}\n"
    yield "null", b"null\n"


def calls():
    for file, readers in READERS.items():
        for number, reader in enumerate(readers):
            name = reader[0].__name__.rpartition(".")[2]
            marks = [pytest.mark.slow] * (number > 0 or name == "report")
            yield pytest.param(file, reader, id=f"{file}-{name}-{number}", marks=marks)


@pytest.fixture(scope="module")
def sound(stored, tmp_path_factory):
    """A run that all of these commands work on."""
    run = shutil.copytree(stored.workdir, tmp_path_factory.mktemp("sound") / "run")
    (run / "evaluated").mkdir()
    for name in ("metrics_test.json", "ranks_test.parquet"):
        shutil.copy(run / name, run / "evaluated" / name)
    return run


@pytest.mark.parametrize(("file", "reader"), list(calls()))
def test_damaged_files_are_one_line(sound, tmp_path, capsys, file, reader):
    command, *flags = reader
    path = sound / file
    content = path.read_bytes()
    try:
        for name, damaged in damages(content):
            path.write_bytes(damaged)
            status = call(command, *[flag.format(run=sound, out=tmp_path / "out") for flag in flags])
            printed = capsys.readouterr()
            assert status == 2, name
            assert printed.err.startswith("error: "), name
            assert printed.err.count("\n") == 1, name
            assert path.name in printed.err or path.parent.name in printed.err, (name, printed.err)
    finally:
        path.write_bytes(content)
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]  # nothing half-written either


@pytest.mark.parametrize("file", READERS)
def test_changed_bytes_are_one_line_or_no_matter(sound, tmp_path, capsys, file):
    """What they change may be a name that nobody asks for; a traceback it is never."""
    command, *flags = READERS[file][0]
    path, generator = sound / file, np.random.default_rng(0)
    content = path.read_bytes()
    try:
        for place in generator.integers(len(content), size=1 if command is report else 8):
            changed = bytearray(content)
            changed[place] ^= 1 << generator.integers(8)
            path.write_bytes(changed)
            status = call(command, *[flag.format(run=sound, out=tmp_path / "out") for flag in flags])
            errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
            assert (status, len(errors)) in ((0, 0), (2, 1))
    finally:
        path.write_bytes(content)


EDITS = [
    ("config.json", ("model", "embedding_dim"), 99, "changed since the run was trained"),
    ("config.json", ("model", "method"), "bpr", "the entry 'model.method' should be 'nmtr_gmf'"),
    (
        "config.json",
        ("training", "num_epochs"),
        "six",
        "'num_epochs' should be a whole number. Received: 'six'",
    ),
    ("config.json", ("data", "protocol"), "banana", "'protocol' should be one of"),
    (
        "run.json",
        ("protocol",),
        "banana",
        "the entry 'protocol' should be one of 'released', 'strict', 'time'",
    ),
    ("run.json", ("num_users",), None, "the entry 'num_users' should be a whole number. Received: None"),
    ("run.json", ("stage_epochs",), [1, "2"], "the entry 'stage_epochs[1]' should be a whole number"),
    ("dataset/dataset.json", ("protocol",), "banana", "dataset.json: the entry 'protocol' should be one of"),
    (
        "dataset/dataset.json",
        ("num_users",),
        7,
        "disagree on 'num_users': 76 in the tables, 7 in dataset.json",
    ),
    (
        "dataset/dataset.json",
        ("rows", "buy"),
        3,
        "the entry 'rows.buy' should be an object of names and values",
    ),
    ("dataset/dataset.json", ("behaviors",), ["buy", "buy", "view"], "'behaviors' should be different names"),
    ("dataset/dataset.json", ("filters",), [3], "the entry 'filters[0]' should be an object"),
]


@pytest.mark.parametrize(("file", "keys", "value", "message"), EDITS)
def test_edited_files_are_one_line_that_names_the_entry(sound, capsys, file, keys, value, message):
    path = sound / file
    content = path.read_bytes()
    entries = json.loads(content)
    *outer, last = keys
    place = entries
    for key in outer:
        place = place[key]
    place[last] = value
    try:
        path.write_text(json.dumps(entries))
        assert call(evaluate, f"--workdir={sound}") == 2
    finally:
        path.write_bytes(content)
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_where_a_run_computes_may_be_edited(sound, capsys):
    path = sound / "config.json"
    content = path.read_text()
    entries = json.loads(content)
    entries["evaluation"]["eval_memory_mb"] = 17
    entries["training"]["device"] = "cpu"
    try:
        path.write_text(json.dumps(entries))  # and laid out otherwise
        assert call(evaluate, f"--workdir={sound}", "--quiet") == 0
    finally:
        path.write_text(content)


def test_an_evaluation_of_other_settings_is_none_of_the_run(sound, capsys):
    path = sound / "metrics_test.json"
    content = path.read_text()
    entries = json.loads(content)
    assert entries["config_checksum"] == json.loads((sound / "run.json").read_text())["config_checksum"]
    try:
        path.write_text(json.dumps(entries | {"config_checksum": "0" * 64}))
        assert call(report, f"--workdir={sound}", f"--output={sound}/report.html") == 2
    finally:
        path.write_text(content)
    assert "evaluated with other settings than config.json has; evaluate it again" in capsys.readouterr().err


def test_runs_of_before_without_checksums_are_read(sound, capsys):
    path = sound / "run.json"
    content = path.read_text()
    entries = json.loads(content)
    del entries["config_checksum"]
    try:
        path.write_text(json.dumps(entries))
        assert call(evaluate, f"--workdir={sound}", "--quiet") == 0
    finally:
        path.write_text(content)
