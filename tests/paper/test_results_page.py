"""The part of RESULTS.md that is made of finished cells."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from conftest import call, refused

from nmtr_tf.cli import tables
from nmtr_tf.paper.page_blocks import begin, end
from nmtr_tf.paper.results_page import CELLS
from paper.made_up import result_of

BEGIN, END = begin(CELLS), end(CELLS)


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text(f"# Results\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    return path


def results_in(directory, *results):
    for result in results:
        result.save(directory / result.dataset / result.protocol / f"{result.name}.json")
    return directory


def test_the_page_is_made_of_the_results_alone(tmp_path, page):
    gmf = result_of("gmf", given=("num_epochs=50",))
    folder = results_in(tmp_path / "results", gmf, result_of("nmtr_gmf-sequential"), result_of("nmtr_gmf"))
    other: dict[str, Any] = {"dataset": "taobao", "protocol": "released"}
    second = dataclasses.replace(result_of("bpr-seed_1", **other), seed=1)
    results_in(folder, result_of("bpr", **other), second)
    command = [f"--results_dir={folder}", f"--write={page}", "--quiet"]
    assert call(tables, *command) == 0
    text = page.read_text()
    assert text.startswith(f"# Results\n\n{BEGIN}\n\n### beibei, protocol strict, mask all\n")
    assert text.endswith(f"{END}\n\nAfter.\n")
    assert "old" not in text
    assert text.count("**Table III: beibei") == 2  # both selections where the paper has values
    assert text.count("**Table III: taobao") == 1
    assert text.count("**Beside Table III: taobao") == 1
    assert "**Beside Table III: beibei" not in text
    assert "--workdir=out/tables --seeds=0,1`: runs: 2, seeds 0, 1, at most" in text
    assert "Table IV" not in text  # it has no cell of its own yet
    assert text.count("**Table V: beibei") == 2
    assert (
        "- `nmtr tables --table=3 --dataset_dir=out/beibei --protocol=strict "
        "--workdir=out/tables --num_epochs=50`: runs: 1, seed 0, at most 50 epochs, patience 10; a CPU, "
        "2 cores, TensorFlow 2.21.0; training took 1.5 min." in text
    )
    missing = next(line for line in text.splitlines() if line.startswith("Not done: "))
    assert "`nmtr_gmf-cart_0.5-buy`" in missing
    assert "`nmtr_gmf-separate`" in missing
    assert "`nmtr_gmf-sequential`" not in missing
    assert "`gmf`" not in missing
    assert call(tables, *command) == 0
    assert page.read_text() == text


def test_a_page_is_checked_against_the_results(tmp_path, page, capsys):
    folder = results_in(tmp_path / "results", result_of("gmf"))
    flags = [f"--results_dir={folder}", f"--check={page}"]
    assert "line 4 is not what the results give" in refused(capsys, tables, *flags)
    assert "old" in page.read_text()
    assert call(tables, f"--results_dir={folder}", f"--write={page}", "--quiet") == 0
    assert call(tables, *flags) == 0
    good = page.read_text()
    value = f"{result_of('gmf').test['HR@50']:.4f}".lstrip("0")
    page.write_text(good.replace(value, ".9999", 1))
    line = refused(capsys, tables, *flags)
    number = next(n for n, text in enumerate(page.read_text().splitlines(), start=1) if ".9999" in text)
    assert f"--check={page}: line {number} is not what the results give: expected" in line
    assert ".9999" in line


@pytest.mark.parametrize("name", ["README.md", "RESULTS.md"])
def test_a_page_of_this_project_is_what_its_results_give(name):
    root = Path(__file__).parents[2]
    assert call(tables, f"--results_dir={root}/docs/results", f"--check={root}/{name}", "--quiet") == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "--write={page}: no such file"),
        ("# Results\n", "each once, in this order"),
        (f"{END}\n{BEGIN}\n", "each once, in this order"),
        (f"{BEGIN}\n{BEGIN}\n{END}\n", "each once, in this order"),
        (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", "each once, in this order"),
        (f"{BEGIN}\n{begin('audits')}\n{END}\n{end('audits')}\n", "each once, in this order"),
        (f"{BEGIN}\n", "each once, in this order"),
        (f"{begin('audit')}\n{end('audit')}\n", "'benchmark <directory>'. Received: 'audit'."),
        (f"{begin('audits')}\n{end('audits')}\n", "expected <data set>/audit.json, of audit. Found none."),
        (f"{begin('evaluations a/b')}\n{end('evaluations a/b')}\n", "expected a/b/<name>/metrics_test.json."),
    ],
)
def test_a_page_without_its_marks(tmp_path, capsys, content, message):
    folder = results_in(tmp_path / "results", result_of("gmf"))
    page = tmp_path / "page.md"
    if content is not None:
        page.write_text(content)
    line = refused(capsys, tables, f"--results_dir={folder}", f"--write={page}")
    assert message.format(page=page) in line
    assert page.read_text() == content if content else not page.exists()


def test_a_page_of_nothing_or_of_mixed_data(tmp_path, page, capsys):
    (tmp_path / "results").mkdir()
    command = [f"--results_dir={tmp_path}/results", f"--write={page}"]
    line = refused(capsys, tables, *command)
    assert (
        f"--results_dir={tmp_path}/results: expected <data set>/<protocol>/<cell>.json. Found none." in line
    )
    results_in(tmp_path / "results", result_of("gmf"), result_of("mlp", dataset_fingerprint="def"))
    assert "mlp.json is of another data set than gmf.json" in refused(capsys, tables, *command)
    assert "old" in page.read_text()
