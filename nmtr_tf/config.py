"""Configuration of a run: its sections of options, checked together, with a JSON round trip."""

import dataclasses
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nmtr_tf.contrast_section import ContrastConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation_section import EvaluationConfig
from nmtr_tf.history_section import HistoryConfig
from nmtr_tf.linear_section import LinearConfig
from nmtr_tf.options import check_plain
from nmtr_tf.schema import checked, checksum
from nmtr_tf.sections import PROTOCOLS, DataConfig, ModelConfig, TrainingConfig
from nmtr_tf.time_section import TimeConfig

__all__ = [
    "OPTION_TYPES",
    "PROTOCOLS",
    "ContrastConfig",
    "DataConfig",
    "EvaluationConfig",
    "HistoryConfig",
    "LinearConfig",
    "ModelConfig",
    "RunConfig",
    "TimeConfig",
    "TrainingConfig",
    "config_differences",
]

# They say where and in what portions a run computes, not what.
_WITHOUT_EFFECT = ("dataset_dir", "device", "strategy", "num_replicas", "eval_memory_mb")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that, with the data set, determines a run."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)
    linear: LinearConfig = dataclasses.field(default_factory=LinearConfig)
    history: HistoryConfig = dataclasses.field(default_factory=HistoryConfig)
    contrast: ContrastConfig = dataclasses.field(default_factory=ContrastConfig)
    time: TimeConfig = dataclasses.field(default_factory=TimeConfig)

    def __post_init__(self):
        metrics, monitor = self.evaluation.metric_names, self.training.monitor
        if metrics and monitor and monitor not in metrics:
            raise InputError(
                f"`monitor` should be a metric that is computed, one of {', '.join(metrics)}. "
                f"Received: {monitor!r}."
            )

    def of_catalogue(self, num_items: int) -> "RunConfig":
        """The config with cut-offs and the metric that selects epochs spelled out, for so many items.

        Raises:
            InputError: If that metric is given and is not computed.
        """
        evaluation = self.evaluation.of_catalogue(num_items)
        monitor = self.training.monitor or evaluation.shown_metric
        training = dataclasses.replace(self.training, monitor=monitor)
        return dataclasses.replace(self, evaluation=evaluation, training=training)

    def with_options(self, **options: Any) -> "RunConfig":
        """The config with some options, of whichever section, replaced.

        Raises:
            InputError: If there is no such option, or a value is not allowed.
        """
        sections: dict[str, Any] = {}
        for part in dataclasses.fields(self):
            section = getattr(self, part.name)
            own = {field.name for field in dataclasses.fields(section)} & set(options)
            sections[part.name] = dataclasses.replace(section, **{name: options.pop(name) for name in own})
        if options:
            raise InputError(f"There is no option `{min(options)}`; `method`, `num_epochs`, ... are.")
        return RunConfig(**sections)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Plain dictionaries, ready for `json.dump`.

        Raises:
            InputError: If an option holds a part of the user's own that has no registered name.
        """
        for part in dataclasses.fields(self):
            check_plain(getattr(self, part.name))
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, sections: Any, where: str | Path = "the config") -> "RunConfig":
        """The inverse of `to_json`; what is missing has its default.

        Args:
            sections: Section -> option -> value.
            where: The file, for messages.

        Raises:
            InputError: On an unknown section or option, or a value that is not allowed.
        """
        kinds = typing.get_type_hints(cls)
        sections = checked(where, sections, dict.fromkeys(kinds, dict[str, Any]), kinds)
        typed = {}
        for name, values in sections.items():
            own = {
                field: _STORED.get(kind, kind) for field, kind in typing.get_type_hints(kinds[name]).items()
            }
            typed[name] = checked(f"{where}, section {name!r}", values, own, own)
        try:
            return cls(**{name: kinds[name](**values) for name, values in typed.items()})
        except InputError as error:  # out of range, or values that do not go together
            raise InputError(f"{where}: {error}".replace("`", "'")) from None


_STORED = {Any: str, tuple[Any, ...]: tuple[str, ...]}
"""What takes a part or its name is stored as the name."""


def config_checksum(sections: Any) -> str:
    """sha256 of a stored config, but for what says where and in what portions a run computes.

    It is of what the file says, whatever options later versions have.
    """
    return checksum(
        {
            name: {option: value for option, value in values.items() if option not in _WITHOUT_EFFECT}
            for name, values in sections.items()
        }
    )


def config_differences(stored: RunConfig, wanted: RunConfig, sections: Iterable[str] = ()) -> list[str]:
    """What a stored config has otherwise, a text each; what has no effect on the numbers is passed over.

    Args:
        stored: What is there.
        wanted: What is asked for.
        sections: The sections that are compared; empty: all.
    """
    differences = []
    for section in tuple(sections) or [field.name for field in dataclasses.fields(RunConfig)]:
        theirs, ours = getattr(stored, section), getattr(wanted, section)
        for name in (field.name for field in dataclasses.fields(ours)):
            there, here = getattr(theirs, name), getattr(ours, name)
            if name not in _WITHOUT_EFFECT and there != here:
                differences.append(f"`{name}` is {there!r} there and {here!r} here")
    return differences


OPTION_TYPES: dict[str, Any] = {
    name: kind
    for section in typing.get_type_hints(RunConfig).values()
    for name, kind in typing.get_type_hints(section).items()
}
"""{name of an option: its type}"""
