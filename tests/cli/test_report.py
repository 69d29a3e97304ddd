"""`report` end to end: what a user types and gets."""

import shutil

import pytest
from conftest import call, refused
from reporting.pages import Parsed

from nmtr_tf.cli import report


def test_the_page_is_in_the_run_directory_unless_told(workdir, tmp_path, capsys):
    quick = [f"--workdir={workdir}", "--nobaselines", "--num_users=2", "--k=3"]
    assert call(report, *quick) == 0
    assert capsys.readouterr().out == f"Written: {workdir}/report.html\n"
    page = Parsed((workdir / "report.html").read_text(encoding="utf-8"))
    assert not page.open
    assert len(page.all("article")) == 2
    assert "EASE" not in page.words
    (workdir / "report.html").unlink()
    (tmp_path / "items.csv").write_text("id,title\n" + "".join(
        f"item-{number:04d},Title {number} <b>\n" for number in range(40)
    ))  # fmt: skip
    flags = [*quick, f"--items={tmp_path}/items.csv", f"--output={tmp_path}/new/page.html", "--quiet"]
    assert call(report, *flags) == 0
    assert capsys.readouterr().out == ""
    page = Parsed((tmp_path / "new" / "page.html").read_text(encoding="utf-8"))
    assert "<b>" in page.words
    assert not page.all("b")
    assert not (workdir / "report.html").exists()


def test_a_data_set_that_was_moved(workdir, shop_dir, tmp_path, capsys):
    moved = shutil.copytree(shop_dir, tmp_path / "moved")
    flags = [f"--workdir={workdir}", f"--dataset_dir={moved}", "--nobaselines", "--num_users=1"]
    assert call(report, *flags) == 0
    assert f"--dataset_dir={moved}" in (workdir / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workdir="], "--workdir is needed"),
        (["--workdir=nowhere"], "expected the directory of a trained run"),
        (
            ["--workdir=seeds"],
            "--workdir=seeds has a run for each seed; name one of them, such as seeds/seed_0.",
        ),
        (["--items=nowhere.csv"], "--items=nowhere.csv: no such file"),
        (["--items=other.csv"], "--items=other.csv: expected a CSV file with the columns id and title."),
        (["--output=folder"], "--output=folder should be a file, but it is a directory"),
        (["--output=other.csv/page.html"], "other.csv"),
        (["--k=0"], "flag --k=0"),
        (["--dataset_dir=nowhere"], "no data set here"),
    ],
)
def test_report_refuses_in_one_line(trained_dir, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.csv").write_text("item\n1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "seeds" / "seed_0").mkdir(parents=True)
    (tmp_path / "seeds" / "seed_0" / "run.json").write_text("{}")
    before = sorted(tmp_path.iterdir())
    assert message in refused(capsys, report, f"--workdir={trained_dir}", "--nobaselines", *flags)
    assert sorted(tmp_path.iterdir()) == before
    assert not (trained_dir / "report.html").exists()
