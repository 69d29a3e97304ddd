"""The picture of a search."""

import pytest

from nmtr_tf.reporting.searches import best_so_far, plot_search

VALUES = {
    1: ("diverged", None),
    2: ("finished", 0.2),
    3: ("pruned", 0.9),
    4: ("finished", 0.1),
    5: ("finished", 0.3),
}


def test_the_best_so_far_by_hand():
    assert best_so_far(VALUES) == {2: 0.2, 3: 0.2, 4: 0.2, 5: 0.3}
    assert best_so_far({1: ("diverged", None)}) == {}


@pytest.mark.parametrize("values", [VALUES, {1: ("diverged", None)}, {}])
@pytest.mark.parametrize("importance", [{}, {"learning_rate": 0.75, "l2_user": 0.25}])
def test_a_picture_of_any_search(tmp_path, values, importance):
    plot_search(tmp_path / "search.png", values, importance, "BPR, shop, strict", "NDCG@10")
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")
