"""As many behaviors as an int32 has bits for, and no more."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from nmtr_tf.data.logs.readers import read_log
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.data.preparation import prepare
from nmtr_tf.errors import InputError
from nmtr_tf.training.sampling import PairSampler

NAMES = tuple(f"b{n}" for n in range(31))
MESSAGE = "`behaviors` should be 31 names at most. Received: 32; leave out or unite some of them."


def frame(names) -> pd.DataFrame:
    """Each of four users shows each behavior on three of four items."""
    index = pd.MultiIndex.from_product([range(4), range(3), names], names=["user", "item", "behavior"])
    table = index.to_frame(index=False)
    return table.assign(item=(table["item"] + table.user) % 4)


def test_as_many_as_there_may_be():
    view = prepare(frame(NAMES), behaviors=NAMES).training_view(protocol="released", validation="none")
    shown, bought = view.matrices["b0"].toarray(), view.target.toarray()
    assert (shown.sum(), bought.sum()) == (12, 8)
    assert (histories_of(view).toarray() == shown * (2**30 - 1) + bought * 2**30).all()
    batches = PairSampler(view, 12, 1, seed=0).sample(np.int64(0))
    assert [len(batch.user_ids) for batch in batches] == [12] * 30 + [8]


def test_more_are_refused(tmp_path):
    names = (*NAMES, "b31")
    wide = pd.DataFrame(1, range(3), ["user", "item", *names])
    frame(names).to_csv(tmp_path / "a.csv", index=False)
    for read in (
        lambda: prepare(frame(names), behaviors=names),
        lambda: read_log(tmp_path / "a.csv", behaviors=names),
        lambda: read_log(dict.fromkeys(names, "no file")),
        lambda: read_log(wide, wide=names),
        lambda: read_log(wide, thresholds=dict.fromkeys(names, 1)),
        lambda: dataclasses.replace(read_log(frame(NAMES), behaviors=NAMES), behaviors=names),
    ):
        with pytest.raises(InputError) as caught:
            read()
        assert str(caught.value) == MESSAGE
    assert len(read_log(tmp_path / "a.csv", behaviors=NAMES, ignore_behaviors=["b31"]).behaviors) == 31
