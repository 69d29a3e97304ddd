"""The training view: what a run trains on and is evaluated against."""

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np
from scipy import sparse

from nmtr_tf.data.ages import ages_of
from nmtr_tf.data.events import Events
from nmtr_tf.data.matrices import BehaviorMatrices
from nmtr_tf.data.pairs import contained


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingView(BehaviorMatrices):
    """The behaviors, rows and held-out pairs of one run; `Dataset.training_view` makes it.

    Its matrices are those that the run may learn from: of the chosen behaviors, without what the protocol
    takes out. Attributes as in `BehaviorMatrices`; `fingerprint` is that of the data set.

    Attributes:
        every: Behavior name -> the training rows of every behavior of the data set, whatever the run uses of
            them, without what the protocol takes out.
        between: Of data that is split in time: behavior name -> its rows between the cuts that are held
            out for validation: what users did before the test pairs, and a run does not learn from.
        shown: Under protocol strict: behavior name -> the training rows from which it took the held-out
            pairs. Else empty.
        log: The prepared events, where they have times; None: they have none.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray
    matrices: Mapping[str, sparse.csr_array]
    held_out: Mapping[str, np.ndarray]
    protocol: str
    fingerprint: str
    every: Mapping[str, sparse.csr_array]
    between: Mapping[str, sparse.csr_array] = dataclasses.field(default_factory=dict)
    shown: Mapping[str, sparse.csr_array] = dataclasses.field(default_factory=dict)
    log: Events | None = None

    @functools.cached_property
    def ages(self) -> Mapping[str, np.ndarray]:
        """Behavior name -> days from each training row to the last one, as `ages_of` has them.

        A row's time is that of the first such event of the pair. Only a view with a `log` has ages.
        """
        assert self.log is not None  # a run that reads them is refused without times
        return ages_of(self.log, self.matrices)

    def without_test(self) -> "TrainingView":
        """The view without its test pairs, for what must not see them."""
        held_out = {**self.held_out, "test": self.held_out["test"][:0]}
        return dataclasses.replace(self, held_out=held_out)

    def head(self, behavior: str) -> "TrainingView":
        """The view in which an auxiliary behavior is the target.

        Its held-out pairs are those of the target that the user had shown this behavior too, before protocol
        strict took them out of training; none under other protocols, where they are trained on. Its
        training rows are masked in its rankings.

        Args:
            behavior: An auxiliary behavior of the view.
        """
        held_out = {
            split: pairs[contained(pairs, self.shown[behavior])] if self.shown else pairs[:0]
            for split, pairs in self.held_out.items()
        }
        return dataclasses.replace(self, matrices={behavior: self.matrices[behavior]}, held_out=held_out)
