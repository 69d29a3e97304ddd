"""The table of search budgets."""

import pytest
from conftest import call, refused

from nmtr_tf.cli import tables
from nmtr_tf.paper.documents import to_markdown
from nmtr_tf.paper.page_blocks import begin, end
from nmtr_tf.paper.results_page import CELLS
from nmtr_tf.paper.search_tables import budgets_table
from paper.made_up import result_of

BEGIN, END = begin(CELLS), end(CELLS)
HEAD = "trial,status,value,best_epoch,epochs,seconds,seed,learning_rate,l2_user,HR@10,NDCG@10,curve"
NMTR = [
    "1,finished,0.25,2,9,1.5,0,0.1,0,0.5,0.25,0.1 0.25",
    "2,pruned,0.3,1,1,1.5,0,0.2,0,0.6,0.3,0.3",  # its value counts for nothing
    "3,diverged,,0,0,0.1,0,0.3,0.01,,,",
    "4,finished,0.2625,7,12,1.5,0,0.1,0,0.25,0.2625,0.2625",
]
KNN_HEAD = "trial,status,value,best_epoch,epochs,seconds,seed,knn_beta,HR@10,NDCG@10,curve"
KNN = ["1,finished,0.2,0,0,1.5,0,0.5,0.2,0.1,0.2", "2,finished,0.1,0,0,1.5,0,0.5,0.1,0.2,0.1"]


def search_in(directory, name, head, rows):
    path = directory / "search" / name / "trials.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([head, *rows, ""]))
    return path


def rows_of(text):
    return [
        [part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]


def markdown_of(directory, title):
    table = budgets_table(directory, title)
    assert table is not None
    return to_markdown(table)


def test_a_row_a_search_by_hand(tmp_path):
    search_in(tmp_path, "item_knn_all", KNN_HEAD, KNN)
    search_in(tmp_path, "nmtr_gmf", HEAD, NMTR)
    search_in(tmp_path, "nmtr_gmf-dimension", HEAD.replace("l2_user", "embedding_dim"), NMTR[2:3])
    search_in(tmp_path, "bpr", HEAD, NMTR)
    text = markdown_of(tmp_path, "shop, strict")
    head, _, *rows = rows_of(text)
    assert head == [
        "",
        "trials",
        "finished",
        "stopped early",
        "diverged",
        "searched",
        "best on validation",
        "epochs",
    ]
    own = ["4", "2", "1", "1", "learning_rate, l2_user", "NDCG@10 .2625", "7 of 12"]
    assert rows[0] == ["BPR", *own]  # in the order of Table III, baselines below
    assert rows[1] == ["NMTR-GMF", *own]
    assert rows[2] == ["NMTR-GMF, dimension", "1", "0", "0", "1", "learning_rate, embedding_dim", "-", "-"]
    assert rows[3][1:] == ["2", "2", "0", "0", "knn_beta", "HR@10 .2000", "-"]
    assert "Budgets are not equal: 2 to 5 trials." in text


def test_equal_budgets_are_said_to_be(tmp_path):
    search_in(tmp_path, "nmtr_gmf", HEAD, NMTR)
    search_in(tmp_path, "bpr", HEAD, NMTR)
    assert "Every method and baseline here had 4 trials." in markdown_of(tmp_path, "")


def test_a_directory_without_searches_has_no_table(tmp_path):
    assert budgets_table(tmp_path, "") is None


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("bpr", [NMTR[0].replace("finished", "begun")], "line 2: expected a trial as tune writes it"),
        ("bpr", [], "trials.csv: expected trials as tune writes them. Found none."),
        ("new_one", NMTR, "trials.csv: "),
    ],
)
def test_what_is_no_search_is_refused(tmp_path, capsys, name, rows, message):
    result = result_of("gmf")
    result.save(tmp_path / "results" / "beibei" / "strict" / "gmf.json")
    search_in(tmp_path / "results" / "beibei" / "strict", name, HEAD, rows)
    (tmp_path / "page.md").write_text(f"{BEGIN}\n{END}\n")
    command = [f"--results_dir={tmp_path}/results", f"--write={tmp_path}/page.md"]
    assert message in refused(capsys, tables, *command)


def test_the_page_has_them_with_the_cells_and_without(tmp_path):
    result_of("gmf").save(tmp_path / "results" / "beibei" / "strict" / "gmf.json")
    for dataset in ("beibei", "gowalla"):
        search_in(tmp_path / "results" / dataset / "strict", "bpr", HEAD, NMTR)
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    assert call(tables, f"--results_dir={tmp_path}/results", f"--write={page}", "--quiet") == 0
    text = page.read_text()
    assert text.index("**Table III: beibei") < text.index("**Search budgets: beibei, strict**")
    assert "### gowalla, strict, searches\n\n**Search budgets: gowalla, strict**" in text
