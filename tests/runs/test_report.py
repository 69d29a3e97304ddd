"""What the page about a run says, against what is known of the run."""

import dataclasses
import shutil
import subprocess
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from conftest import make_dataset
from reporting.pages import Parsed

from nmtr_tf.errors import InputError
from nmtr_tf.files import write_json
from nmtr_tf.reporting.page import Page
from nmtr_tf.runs import Run, fit
from nmtr_tf.runs.report import report_page, write_report
from nmtr_tf.runs.report_data import data_part
from nmtr_tf.runs.report_lists import Spread, recommend_all
from runs.conftest import QUICK


def page_of(run: Run, titles=None, baselines=False, k=5, num_users=20) -> Page:
    return report_page(run, titles or {}, baselines, k, num_users, lambda what: None)


@pytest.fixture(scope="module")
def page(stored) -> Page:
    """Of the stored run, with baselines."""
    titles = {str(item): f"Title of {item}" for item in stored.view.item_ids}
    return page_of(stored, titles, baselines=True)


def column(table, name: str) -> dict[str, str]:
    place = list(table.columns).index(name)
    return {row[0].text: row[place].text for row in table.cells}


def test_sizes_are_those_of_the_data_set(page, stored, shop):
    sizes = page.data.sizes
    bought = column(sizes, "buy")
    rows = shop.header["rows"]["buy"]
    assert bought["all rows"] == f"{sum(rows.values()):,}"
    assert bought["held out for test"] == f"{rows['test']:,}"
    assert bought["this run's training rows"] == f"{stored.view.target.nnz:,}"
    assert column(sizes, "users")["all rows"] == f"{shop.num_users}"
    assert column(page.data.filters, "rows")["duplicates merged"] == "0"


def test_under_strict_what_would_leak_is_said_to_be_taken_out(page, shop):
    leaks = page.data.leaks
    pairs = len(shop.held_out["test"])
    assert page.data.leak.is_good
    assert set(column(leaks, "test, in this run").values()) == {"0.0\u00a0% (0)"}
    assert column(leaks, "test, in the data set")["any of them"] == f"100.0\u00a0% ({pairs})"
    assert "protocol strict took them out" in page.data.leak.text


def test_a_leak_is_counted_by_behavior():
    dataset = make_dataset(
        {"view": [[1, 1, 0], [1, 0, 1]], "cart": [[1, 0, 0], [0, 0, 0]], "buy": [[1, 0, 0], [1, 0, 0]]},
        test=[(0, 1), (1, 1)],
    )
    part = data_part(dataset, dataset.training_view())
    assert not part.leak.is_good
    assert part.leak.text.startswith("50.0\u00a0% (1) of the 2 test pairs")
    found = column(part.leaks, "test, in this run")
    assert found == {"view": "50.0\u00a0% (1)", "cart": "0.0\u00a0% (0)", "any of them": "50.0\u00a0% (1)"}
    assert part.filters is None
    assert part.sentences == ["Source: not recorded. It has no times."]
    alone = data_part(dataset, dataset.training_view(("buy",)))
    assert alone.leak.is_good
    assert alone.leaks is None
    part = data_part(dataset, dataset.training_view(("cart", "buy")))
    assert part.leak.text == "None of the 2 test pairs is in the training rows of another behavior."


def test_the_sentence_of_an_audit_is_quoted_if_it_is_of_this_data_set(shop, tmp_path):
    dataset = shop.save(tmp_path / "shop")
    assert data_part(dataset, dataset.training_view()).audit == ""
    for fingerprint, said in ((dataset.fingerprint, "It leaks."), ("another", "")):
        found = {"verdict": "It leaks.", "dataset_fingerprint": fingerprint}
        write_json(tmp_path / "shop" / "audit.json", found)
        assert data_part(dataset, dataset.training_view()).audit == said
    (tmp_path / "shop" / "audit.json").write_text("no JSON")
    assert data_part(dataset, dataset.training_view()).audit == ""


def test_metrics_stand_beside_baselines_with_intervals(page, stored):
    table = page.results.metrics
    assert table.columns == ["", "NMTR-GMF", "popularity", "touched first", "EASE"]
    metrics = stored.evaluation("test").metrics
    assert column(table, "NMTR-GMF") == {name: f"{value:.4f}" for name, value in metrics.items()}
    for row in table.cells:
        values = [float(cell.text) for cell in row[1:]]
        assert [cell.strong for cell in row[1:]] == [value == max(values) for value in values]
        for cell in row[1:]:
            low, high = map(float, cell.note.split(" to "))
            assert low <= float(cell.text) <= high
    assert [picture.alt.split()[0] for picture in page.results.pictures] == ["HR@10", "NDCG@10"]
    assert page.headlines[0].value == f"{metrics['HR@10']:.4f}"
    groups = stored.evaluation("test").groups
    assert column(page.results.groups, "users") == {n: f"{g['num_pairs']:,}" for n, g in groups.items()}


def test_without_baselines_the_run_stands_alone(stored):
    page = page_of(stored)
    assert page.results.metrics.columns == ["", "NMTR-GMF"]
    assert page.results.notes == []
    assert page.headlines[0].note == ""


def test_a_baseline_that_does_not_fit_is_named(stored, monkeypatch):
    monkeypatch.setattr("nmtr_tf.evaluation.baselines.needs.MAX_DENSE", 3)
    results = page_of(stored, baselines=True).results
    assert results.metrics.columns == ["", "NMTR-GMF", "popularity", "touched first"]
    assert results.notes[-1].startswith("EASE is not there: it holds a dense matrix of the fewer")


def test_the_curves_and_the_best_epoch(page, stored):
    assert f"epoch {stored.info.best_epoch}" in page.training.sentences[0]
    assert f"epoch {stored.info.best_epoch}, the best one" in page.training.pictures[0].alt
    losses = column(page.training.epochs, "train/loss")
    assert losses == {str(one["epoch"]): f"{one['train/loss']:.4f}" for one in stored.history}


def test_users_are_shown_with_their_whole_history(page, stored, shop):
    assert len(page.users) == 20
    recommended = stored.recommend(None, 5)
    held_out = {shop.user_ids[u]: shop.item_ids[i] for u, i in shop.held_out["test"]}
    ranks = stored.ranks("test").set_index("user")
    for card in page.users:
        user = shop.user_ids.tolist().index(card.user)
        own = recommended[recommended["user"] == card.user]
        assert [one.item for one in card.recommended] == own["item"].tolist()
        assert list(card.history) == ["buy", "cart", "view"]
        for code, behavior in enumerate(shop.behaviors):
            of_user = (shop.events.user == user) & (shop.events.behavior == code)
            count, items = card.history[behavior]
            assert count == of_user.sum()
            own_items = shop.item_ids[shop.events.item[of_user]].tolist()
            times = dict(zip(own_items, shop.events.timestamp[of_user].tolist(), strict=True))
            latest = sorted(times.values(), reverse=True)[: len(items)]
            assert [times[one.item] for one in items] == latest
            assert all(one.title == f"Title of {one.item}" for one in items)
        held = held_out[card.user]
        rank = f"{ranks['rank'][card.user] + 1:,.6g} of {ranks['num_candidates'][card.user]:,}"
        assert card.held_out == f"Held out for test: Title of {held}, ranked {rank}"
        marked = [one.item for one in card.history["buy"][1] if one.marks == ("held out",)]
        assert held in marked
    again = page_of(stored)
    assert [card.user for card in again.users] == [card.user for card in page.users]
    assert {one.title for card in again.users for one in card.recommended} == {""}


def test_recommended_items_are_marked_with_what_the_user_did(page, shop):
    found = False
    train = {name: matrix.toarray() for name, matrix in shop.matrices.items()}
    items, users = shop.item_ids.tolist(), shop.user_ids.tolist()
    for card in page.users:
        for one in card.recommended:
            did = [
                name for name, rows in train.items() if rows[users.index(card.user), items.index(one.item)]
            ]
            assert [mark for mark in one.marks if mark != "held out"] == did
            found |= bool(did)
    assert found


def test_coverage_and_popularity_by_hand():
    counts, order = np.array([1, 0, 6, 3]), np.array([2, 3, 0, 1])
    spread = Spread.of(counts, order)
    assert spread.num_items == 3
    assert spread.coverage == 0.75
    assert spread.top == {1: 0.6, 10: 0.6}
    assert spread.tenths == pytest.approx([0.6, 0.3, 0.1, 0, 0, 0, 0, 0, 0, 0])


def test_coverage_is_that_of_all_lists(page, stored):
    table = stored.recommend(None, 5)
    coverage = table["item"].nunique() / stored.view.num_items
    assert column(page.spread.coverage, "coverage")["first 5"] == f"{100 * coverage:.1f}\u00a0%"
    first = table[table["rank"] == 1]["item"].nunique()
    assert column(page.spread.coverage, "different items")["first 1"] == f"{first}"
    assert f"{len(table):,} recommendations" in page.spread.sentences[0]


def test_all_users_are_recommended_to_in_chunks(stored, monkeypatch):
    whole = recommend_all(stored, 3)
    monkeypatch.setattr("nmtr_tf.runs.report_lists._CHUNK", 7)
    chunked = recommend_all(stored, 3)
    for name in ("users", "items", "ranks"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(chunked, name))
    assert recommend_all(stored, 10_000).k == stored.view.num_items


@pytest.mark.slow
def test_the_python_call_makes_the_same_run(page, stored):
    names: dict[str, Any] = {}
    exec(page.source.python.removesuffix('run.evaluate("test")'), names)
    again = names["run"]
    assert [one["train/loss"] for one in again.history] == pytest.approx(
        [one["train/loss"] for one in stored.history]
    )
    own = dataclasses.replace(stored.config, data=again.config.data)
    assert again.config == own


def test_the_command_names_every_option_that_was_changed(page, stored):
    for flag in (
        f"--workdir={stored.workdir}",
        "--method=nmtr_gmf",
        "--embedding_dim=8",
        "--ks=5,10",
        "--learning_rate=0.05",
        "--seed=0",
    ):
        assert flag in page.source.command
    assert "--dropout" not in page.source.command
    assert page.source.facts["Fingerprint of the data"] == stored.info.dataset_fingerprint
    assert page.source.facts["TensorFlow"] == stored.info.versions["tensorflow"]


@pytest.mark.slow
def test_an_evaluation_of_its_own_is_named_and_so_are_its_baselines(workdir):
    run = Run(workdir)
    run.evaluate("test", mask="all", ks=(3,), metrics=("HR",))
    page = page_of(run, baselines=True)
    assert "--ks=3 --metrics=HR --mask=all\n" in page.source.command
    assert page.source.python.endswith("""run.evaluate("test", ks=(3,), metrics=('HR',), mask='all')""")
    assert [row[0].text for row in page.results.metrics.cells] == ["HR@3"]
    assert "mask all" in page.results.sentences[0]
    assert any(note.startswith("Mask all leaves no touched item") for note in page.results.notes)


def test_a_run_that_was_not_evaluated_is(workdir):
    for name in ("metrics_test.json", "ranks_test.parquet"):
        (workdir / name).unlink()
    run = Run(workdir)
    steps: list[str] = []
    path = run.report(baselines=False, num_users=3, progress=steps.append)
    assert path == workdir / "report.html"
    assert run.is_evaluated("test")
    assert steps == ["ranking test", "resampling", "recommending", "drawing"]
    assert len(Parsed(path.read_text(encoding="utf-8")).all("article")) == 3


def test_a_report_belongs_to_the_run_that_is_replaced(workdir, shop):
    (workdir / "report.html").write_text("old")
    fit(shop, workdir=workdir, overwrite=True, **QUICK)
    assert not (workdir / "report.html").exists()


def test_a_run_in_memory_needs_a_path(in_memory, tmp_path):
    with pytest.raises(InputError, match="`path` is needed: the run is in memory only"):
        in_memory.report()
    path = in_memory.report(tmp_path / "page.html", baselines=False, k=3, num_users=0)
    page = Parsed(path.read_text(encoding="utf-8"))
    assert "nmtr train" not in page.words
    assert "On the command line" not in page.words


@pytest.mark.parametrize(("options", "name"), [({"k": 0}, "k"), ({"num_users": -1}, "num_users")])
def test_numbers_out_of_range_are_refused(stored, tmp_path, options, name):
    with pytest.raises(InputError, match=f"`{name}` should be at least"):
        write_report(stored, tmp_path / "page.html", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_on_one_behavior_without_validation(shop, tmp_path):
    run = fit(shop, behaviors=["buy"], validation="none", **{**QUICK, "monitor": "HR@5"})
    page = Parsed(run.report(tmp_path / "page.html", num_users=1).read_text(encoding="utf-8"))
    assert "The run has one behavior" in page.words
    assert "the last weights were kept" in page.words
    assert "behaviors=('buy',)" in page.words


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if not found:
        pytest.skip("no Chromium here; apt-get install chromium")
    return found


_MEASURE = """<!DOCTYPE html><iframe id="page" width="%d" height="4000" srcdoc="%s"></iframe><script>
onload = () => {
  const page = document.getElementById("page").contentDocument, root = page.documentElement;
  const images = [...page.images].filter(one => one.naturalWidth > 0 && one.clientWidth > 100);
  document.title = [root.clientWidth, root.scrollWidth, page.images.length, images.length].join(" ");
};</script>"""


@pytest.mark.slow
def test_a_browser_shows_it_on_a_desk_and_on_a_phone(stored, tmp_path):
    browser = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/user"]
    odd = {str(item): f"<b>{'long title ' * 9}</b>{'x' * 60}" for item in stored.view.item_ids}
    items = pd.DataFrame({"id": list(odd), "title": list(odd.values())})
    path = write_report(stored, tmp_path / "page.html", items=items)
    shot = ["--hide-scrollbars", "--window-size=1100,1500", f"--screenshot={tmp_path}/page.png"]
    subprocess.run([*browser, *shot, path.as_uri()], check=True, capture_output=True, timeout=120)
    pixels = matplotlib.image.imread(tmp_path / "page.png")
    assert pixels.shape[:2] == (1500, 1100)
    assert (pixels[..., :3].min(axis=-1) < 0.5).mean() > 0.005  # ink
    assert (pixels[..., :3].min(axis=-1) > 0.9).mean() > 0.5  # on white
    escaped = path.read_text(encoding="utf-8").replace("&", "&amp;").replace('"', "&quot;")
    for width in (1100, 360):
        (tmp_path / "frame.html").write_text(_MEASURE % (width, escaped), encoding="utf-8")
        frame = [*browser, "--dump-dom", (tmp_path / "frame.html").as_uri()]
        done = subprocess.run(frame, check=True, capture_output=True, timeout=120, text=True)
        title = done.stdout.partition("<title>")[2].partition("</title>")[0]
        room, needed, images, shown = map(int, title.split())
        assert needed <= room <= width
        assert shown == images == 6
