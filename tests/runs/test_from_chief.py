"""What the chief sends to the other workers, with sums that are played: no other process is there."""

import numpy as np
import pytest

from nmtr_tf import workers
from nmtr_tf.cluster import Worker


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 21, 4000])
@pytest.mark.parametrize("gib", [8, 2**30])
def test_content_of_any_length_arrives(monkeypatch, length, gib):
    """A length of more than `_GIB` travels in two numbers: a checkpoint may have more bytes than an int32."""
    content, sent = np.random.default_rng(0).bytes(length), []

    def summed(values):
        assert values.size == 0 or np.abs(values).max() <= np.iinfo(np.int32).max
        sent.append(values.astype(np.int32))
        return sent[-1]

    monkeypatch.setattr(workers, "_GIB", gib)
    monkeypatch.setattr(workers, "summed", summed)
    monkeypatch.setattr(workers, "current_worker", lambda: Worker(0, 2))
    assert workers.from_chief(content) == content
    replies = iter(sent)
    monkeypatch.setattr(workers, "summed", lambda values: np.reshape(next(replies), values.shape))
    monkeypatch.setattr(workers, "current_worker", lambda: Worker(1, 2))
    assert workers.from_chief(b"of another") == content
    assert max(map(int, sent[0]), default=0) < max(gib, length)
