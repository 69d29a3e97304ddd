"""The picture of a training: which K it shows, and where it marks the epoch that was chosen."""

import numpy as np
import pytest
from matplotlib.image import imread

from nmtr_tf.reporting.plots import curves_figure, plot_curves


def epochs(count: int, *names: str) -> list[dict[str, float]]:
    """A history in which every scalar is a tenth of its epoch."""
    return [{"epoch": e, "train/loss": 1 / e, **dict.fromkeys(names, 0.1 * e)} for e in range(1, count + 1)]


def at(*ks: int, metrics=("HR", "NDCG"), splits=("validation",)) -> list[str]:
    return [f"{split}/{metric}@{k}" for split in splits for k in ks for metric in metrics]


def titles(figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_k_of_the_monitored_metric_is_drawn():
    history = epochs(3, *at(5, 10, 50, 100))
    figure = curves_figure(history, "title", "NDCG@10", 3)
    assert titles(figure) == ["training loss per instance", "HR@10", "NDCG@10, which chose epoch 3"]
    assert titles(curves_figure(history, "title", "HR@5")) == ["training loss per instance", "HR@5", "NDCG@5"]


def test_without_a_monitored_metric_100_is_drawn_or_the_largest_k():
    assert titles(curves_figure(epochs(3, *at(100, 200)), "title"))[1:] == ["HR@100", "NDCG@100"]
    assert titles(curves_figure(epochs(3, *at(5, 10)), "title"))[1:] == ["HR@10", "NDCG@10"]


def test_the_chosen_epoch_is_marked_on_every_panel():
    history = epochs(9, *at(10, splits=("validation", "test")))
    figure = curves_figure(history, "title", "NDCG@10", 7)
    assert legend(figure) == ["train", "validation", "test", "best epoch 7"]
    assert len(figure.axes) == 3
    loss, *metrics = [[np.asarray(line.get_xydata()).tolist() for line in axes.lines] for axes in figure.axes]
    assert [[7, 0], [7, 1]] in loss  # the vertical line, in shares of the height
    assert [[7, pytest.approx(1 / 7)]] in loss
    for lines in metrics:
        assert [[7, 0], [7, 1]] in lines
        assert lines.count([[7, pytest.approx(0.7)]]) == 2


def test_nothing_is_marked_where_no_epoch_was_chosen():
    figure = curves_figure(epochs(3, *at(10, splits=("test",))), "title", "NDCG@10", None)
    assert legend(figure) == ["train", "test"]
    assert titles(figure)[2] == "NDCG@10"
    assert [len(axes.lines) for axes in figure.axes] == [1, 1, 1]


def test_epochs_without_an_evaluation_are_passed_over():
    history = epochs(4, *at(10))
    for record in (history[0], history[2]):
        for name in at(10):
            del record[name]
    curve = curves_figure(history, "title", "HR@10", 4).axes[1].lines[1]
    np.testing.assert_allclose(np.asarray(curve.get_xydata()), np.array([[2, 0.2], [4, 0.4]]))


def test_other_metrics_have_panels_of_their_own():
    names = at(10, metrics=("Recall", "MRR", "coverage", "top"))
    figure = curves_figure(epochs(3, *names, "train/loss_add/cart", "train/loss_a@b"), "title", "MRR@10", 2)
    expected = ["Recall@10", "MRR@10, which chose epoch 2", "coverage@10", "top@10"]
    assert titles(figure) == ["training loss per instance", *expected]
    assert [int(size) for size in figure.get_size_inches() * 120] == [504 * 3, 408 * 2]


@pytest.mark.parametrize(
    ("history", "monitor", "panels"),
    [
        (epochs(3), "NDCG@5", 1),
        (epochs(3, *at(5)), "NDCG@5", 3),
        (epochs(1, *at(50, 100, splits=("test",))), "HR@50", 3),
    ],
)
def test_the_picture_is_written(tmp_path, history, monitor, panels):
    plot_curves(history, tmp_path / "curves.png", "title", monitor, 1)
    height, width, _ = imread(tmp_path / "curves.png").shape
    assert (height, width) == (408, 504 * panels)
