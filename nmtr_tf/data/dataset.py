"""A data set: prepared events, which of them are held out, and the views that runs have of it."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from nmtr_tf.config import PROTOCOLS, DataConfig, RunConfig
from nmtr_tf.data.ages import has_times
from nmtr_tf.data.dropped import NOBODY, DroppedUsers
from nmtr_tf.data.events import SPLITS, Events, fingerprint
from nmtr_tf.data.held_out import matrices_of, pairs_of, protocol_of_view
from nmtr_tf.data.ids import as_text
from nmtr_tf.data.matrices import BehaviorMatrices
from nmtr_tf.data.order import after_within
from nmtr_tf.data.pairs import united, without
from nmtr_tf.data.storage import header_of, read_dropped, read_tables, write_tables
from nmtr_tf.data.subsets import chosen_behaviors, keep_share, parse_shares
from nmtr_tf.data.view import TrainingView
from nmtr_tf.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset(BehaviorMatrices):
    """A prepared log with its held-out rows; `nmtr_tf.prepare` makes it.

    `matrices` are the training rows as the files have them, `held_out` the held-out pairs.

    Attributes:
        events: Distinct events, sorted by (user, item, behavior).
        split: Integers [num_events], positions in `SPLITS`; only rows of the target may be held out, but
            under protocol "time", where all rows after a cut are.
        protocol: "released" or "strict": what a view takes unless it is told otherwise; or "time".
        about: Where the data came from and what preparation did, plain values for dataset.json: source,
            checksums, rows_read, bad_rows, ignored_rows, impossible_times, filters, seed, table_one.
        directory: Where it is stored; None: nowhere.
        dropped: Users of the log that preparation dropped.

    Raises:
        InputError: If split, events and protocol do not fit.
    """

    events: Events
    split: np.ndarray
    protocol: str
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    directory: Path | None = None
    dropped: DroppedUsers = NOBODY

    def __post_init__(self):
        if self.protocol not in PROTOCOLS:
            known = ", ".join(map(repr, PROTOCOLS))
            raise InputError(f"`protocol` should be one of {known}. Received: {self.protocol!r}.")
        split, count = np.asarray(self.split), len(self.events)
        if split.shape != (count,) or not np.isin(split, range(len(SPLITS))).all():
            raise InputError(f"`split` should be a position in {SPLITS} for each of {count} events.")
        of_others = self.events.behavior[split > 0] != len(self.events.behaviors) - 1
        if self.protocol != "time" and of_others.any():
            raise InputError(f"`split` should hold out rows of {self.events.target_behavior!r} only.")
        object.__setattr__(self, "split", split.astype(np.int8))  # frozen, but not yet handed out

    @classmethod
    def load(cls, dataset_dir: str | Path) -> "Dataset":
        """Loads a data set directory.

        Raises:
            InputError: If it is not a data set directory, is of another schema version, or is damaged.
        """
        return cls(*read_tables(dataset_dir), Path(dataset_dir), read_dropped(dataset_dir))

    def save(self, dataset_dir: str | Path, overwrite: bool = False) -> "Dataset":
        """Writes a data set directory, whole or not at all: see data/README.md for its layout.

        Args:
            dataset_dir: Directory to create.
            overwrite: Whether a data set that stands there is replaced.

        Returns:
            The same data set, which knows its directory.

        Raises:
            InputError: If something stands there that may not be replaced.
        """
        write_tables(dataset_dir, self.events, self.split, self.header, overwrite, self.dropped)
        return dataclasses.replace(self, directory=Path(dataset_dir))

    @property
    def behaviors(self) -> tuple[str, ...]:
        """Names of the behaviors, weakest first."""
        return self.events.behaviors

    @functools.cached_property
    def user_ids(self) -> np.ndarray:  # type: ignore[override]
        """Raw user ids, str (object) [num_users], also those that are numbers."""
        return as_text(self.events.users)

    @functools.cached_property
    def item_ids(self) -> np.ndarray:  # type: ignore[override]
        """Raw item ids, likewise [num_items]."""
        return as_text(self.events.items)

    @functools.cached_property
    def matrices(self) -> Mapping[str, sparse.csr_array]:  # type: ignore[override]
        """Behavior name -> its training rows, binary CSR [num_users, num_items]."""
        return matrices_of(self.events, self.split == SPLITS.index("train"))

    @functools.cached_property
    def _for_validation(self) -> Mapping[str, sparse.csr_array]:
        """Behavior name -> its rows that are held out for validation: of the target alone, or by time."""
        return matrices_of(self.events, self.split == SPLITS.index("validation"))

    @functools.cached_property
    def whole(self) -> Mapping[str, sparse.csr_array]:
        """Behavior name -> all its rows, held-out ones included, binary CSR [num_users, num_items]."""
        return matrices_of(self.events, np.ones(len(self.events), bool))

    @functools.cached_property
    def held_out(self) -> Mapping[str, np.ndarray]:  # type: ignore[override]
        """Split name -> int32 [num_pairs, 2] of (user, item) rows of the target, by user.

        Of data that is split in time those of users and items that have rows before the split begins.
        """
        return {
            name: pairs_of(self.events, self.split, place, self.protocol)
            for place, name in enumerate(SPLITS)
            if place
        }

    @functools.cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        """sha256 of vocabularies, behaviors, rows, splits and times."""
        return fingerprint(self.events, self.split)

    @property
    def header(self) -> dict[str, Any]:
        """The content of dataset.json: schema version, names, counts, protocol, fingerprint, and `about`."""
        own = header_of(self.events, self.split, self.protocol)
        return own | {name: value for name, value in self.about.items() if name not in own}

    @property
    def name(self) -> str:
        """The last part of its directory; "data" where it is stored nowhere."""
        return self.directory.resolve().name if self.directory else "data"

    def resolved(self, config: RunConfig) -> RunConfig:
        """The config with behaviors, their order, protocol, mask, directory and cut-offs spelled out.

        Raises:
            InputError: If the order does not fit the behaviors; and as `RunConfig.of_catalogue` does.
        """
        data = dataclasses.replace(
            config.data,
            dataset_dir=str(self.directory or ""),
            behaviors=config.data.behaviors or self.behaviors,
            after=self._after(config.data),
            protocol=config.data.protocol or self.protocol,
        )
        config = dataclasses.replace(config, data=data).of_catalogue(self.num_items)
        return config.with_options(mask=config.evaluation.mask_under(data.protocol))

    def view(self, config: RunConfig) -> TrainingView:
        """The training view of a run; raises what `training_view` does."""
        data = config.data
        return self.training_view(
            data.behaviors, data.protocol, data.validation, data.keep, config.training.seed
        )

    def full_view(self, config: RunConfig) -> TrainingView:
        """The view of a run that is fitted on everything: all rows, and no held-out pairs.

        Args:
            config: Its behaviors and their shares are read.

        Raises:
            InputError: As for `training_view`.
        """
        behaviors = chosen_behaviors(config.data.behaviors, self.behaviors)
        whole = {name: self.whole[name] for name in behaviors}
        shares = parse_shares(config.data.keep, behaviors)
        matrices = keep_share(whole, shares, config.training.seed)
        nothing = {name: pairs[:0] for name, pairs in self.held_out.items()}
        protocol = config.data.protocol or self.protocol
        ids = self.user_ids, self.item_ids
        return TrainingView(*ids, matrices, nothing, protocol, self.fingerprint, self.whole, log=self._timed)

    def training_view(
        self,
        behaviors: Sequence[str] = (),
        protocol: str = "",
        validation: str = "random",
        keep: Sequence[str] = (),
        seed: int = 0,
    ) -> TrainingView:
        """What a run trains on and is evaluated against.

        Args:
            behaviors: Behaviors to keep, in the data set's order, the target among them; empty: all.
            protocol: "strict" takes the held-out pairs of the splits in use out of every behavior,
                "released" leaves those of auxiliary behaviors where the files have them; "time" is that of
                data that is split in time; "": as prepared.
            validation: "random" keeps the rows for validation held out, "none" gives them back to training.
            keep: Shares of each user's rows of auxiliary behaviors that are kept, such as "cart:0.5".
            seed: Seed of the draws of `keep`.

        Raises:
            InputError: If the behaviors are not an ordered subset that ends with the target, a share does
                not fit them, or `protocol` or `validation` is unknown or does not fit the data set.
        """
        DataConfig(protocol=protocol, validation=validation)  # checks them
        behaviors = chosen_behaviors(behaviors, self.behaviors)
        shares = parse_shares(keep, behaviors)
        every, held_out = dict(self.matrices), dict(self.held_out)
        between: Mapping[str, sparse.csr_array] = {}
        if validation == "none":
            every = {name: united(matrix, self._for_validation[name]) for name, matrix in every.items()}
            held_out["validation"] = held_out["validation"][:0]
        elif self.protocol == "time":
            between = self._for_validation
        protocol = protocol_of_view(protocol, self.protocol)
        shown = every if protocol == "strict" else {}
        if shown:
            pairs = np.concatenate(list(held_out.values()))
            every = {name: without(matrix, pairs) for name, matrix in every.items()}
        matrices = keep_share({name: every[name] for name in behaviors}, shares, seed)
        ids = self.user_ids, self.item_ids
        view = TrainingView(*ids, matrices, held_out, protocol, self.fingerprint, every, between, shown)
        return dataclasses.replace(view, log=self._timed)

    def before(self, split: str, behaviors: Sequence[str] = ()) -> TrainingView:
        """A view of all that users had done before the held-out pairs of a split, whatever is trained on.

        Where one pair a user is held out, that is all rows but the test rows of the target.
        """
        is_timed = self.protocol == "time"
        validation = "random" if is_timed and split == "validation" else "none"
        return self.training_view(behaviors, "time" if is_timed else "released", validation)

    @property
    def _timed(self) -> Events | None:
        """The events, where they have times."""
        return self.events if has_times(self.events) else None

    def _after(self, data: DataConfig) -> tuple[str, ...]:
        """What each of a run's behaviors comes after: as it says, else as prepared."""
        after = data.after or tuple(self.about.get("after", ()))
        return after_within(after, data.behaviors or self.behaviors, self.behaviors)
