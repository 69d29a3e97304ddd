"""The options of a search; the command makes its flags from them. It needs no Optuna."""

import dataclasses

from nmtr_tf.errors import InputError
from nmtr_tf.options import check_choices, check_types, option, require


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """How a search goes."""

    trials: int = option(
        0, "Trials of the whole search, however often it is called; 0: 20, or all points of a grid."
    )
    sampler: str = option(
        "tpe",
        "'tpe' learns from the trials before, 'random' does not, 'grid' goes over the paper's grid in random "
        "order.",
        ("tpe", "random", "grid"),
    )
    pruner: str = option(
        "median",
        "Which trials are stopped early: 'median' those that lag behind half of the finished ones, "
        "'hyperband' those behind the best third (successive halving).",
        ("none", "median", "hyperband"),
    )
    search: tuple[str, ...] = option(
        (),
        "Names of the options to search, whatever else is given: the others stay as they are. "
        "Empty: all that the method has, but for those that are given.",
    )
    space: tuple[str, ...] = option(
        (),
        "Other ranges and values, such as learning_rate=0.01..0.1,l2_user=0..0.1,embedding_dim=64:128. "
        "What is named here is searched.",
    )
    seeds_per_trial: int = option(1, "Seeds that a trial trains with, from `seed` on: its value is the mean.")
    validation_users: int = option(
        4000,
        "Validation users at most whose items are ranked, the same in all trials; 0: all. Of several cuts "
        "the value of a trial is over all users, and this is for the evaluations in its epochs.",
    )
    warmup_epochs: int = option(5, "Evaluations before which no trial is stopped.")
    warmup_trials: int = option(5, "Finished trials before which 'median' stops none.")
    max_minutes: float = option(0.0, "No trial is begun after these minutes; 0: no limit.")

    def __post_init__(self):
        check_types(self)
        check_choices(self)
        for name in ("trials", "validation_users", "warmup_epochs", "max_minutes"):
            require(self, getattr(self, name) >= 0, name, "at least 0")
        for name in ("seeds_per_trial", "warmup_trials"):
            require(self, getattr(self, name) >= 1, name, "at least 1")


def without_optuna(error: ImportError) -> ImportError | InputError:
    """What to raise where an import failed: what to install if it is Optuna, else the error itself."""
    if str(error.name).startswith("optuna"):
        return InputError("A search needs the package optuna: pip install 'optuna>=4'")
    return error
