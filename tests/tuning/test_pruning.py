"""Median pruning, by hand."""

import pytest

from nmtr_tf.tuning.pruning import MedianPruner, median_best


def test_median_of_the_best_so_far_by_hand():
    curves = [[0.1, 0.5, 0.2], [0.3, 0.3], [0.2, 0.1, 0.9]]
    assert median_best(curves, 1) == 0.2
    assert median_best(curves, 2) == 0.3  # .5, .3, .2
    assert median_best(curves, 3) == 0.5  # .5, .3 (stopped early), .9


class Stub:
    """What the callback needs of a model."""

    stop_training = False


def pruned_at(values, curves, warmup_epochs=0, warmup_trials=1):
    """Number of the evaluation at which a trial with these values is stopped; None: never."""
    pruner = MedianPruner("m", curves, warmup_epochs, warmup_trials)
    pruner.set_model(Stub())
    for epoch, value in enumerate(values):
        pruner.on_epoch_end(epoch, {} if value is None else {"m": value})
        assert pruner.pruned == pruner.model.stop_training
        if pruner.pruned:
            return len(pruner.curve)
    return None


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([0.1, 0.1, 0.1], {}, 1),
        ([0.3, 0.1, 0.4, 0.1], {}, 4),  # a dip is forgiven: the best so far counts
        ([0.2, 0.3, 0.4], {}, None),  # level with the median is not below it
        ([0.1, 0.1, 0.1], {"warmup_epochs": 2}, 3),
        ([0.1, 0.1, 0.1], {"warmup_trials": 4}, None),
        ([None, 0.1, 0.1], {}, 1),  # an epoch without evaluation is passed over
    ],
)
def test_pruning_by_hand(values, options, expected):
    curves = [[0.1, 0.2, 0.3, 0.3], [0.2, 0.3, 0.4, 0.5], [0.3, 0.5, 0.6, 0.7]]
    assert pruned_at(values, curves, **options) == expected


def test_nothing_is_pruned_without_finished_trials():
    assert pruned_at([0.0], []) is None
