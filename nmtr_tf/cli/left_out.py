"""The flags that say what is never recommended."""

from typing import Any

from absl import flags

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.serving.left_out import EXCLUDES, items_of_file


def define_left_out(values: flags.FlagValues) -> None:
    """Defines --exclude and --exclude_items."""
    flags.DEFINE_enum(
        "exclude",
        "auto",
        list(EXCLUDES),
        "Items that are not recommended to their user: 'bought' those bought, in the whole data set, "
        "'touched' those touched by any behavior, 'none' none; 'auto' bought ones, and touched ones too "
        "where the run was trained with --mask=all.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "exclude_items",
        "",
        "File of items that are recommended to nobody, an id a line, UTF-8; ids that the data set does not "
        "have are passed over.",
        flag_values=values,
    )


def define_items(values: flags.FlagValues, use: str) -> None:
    """Defines --items, whose titles are put to a use."""
    flags.DEFINE_string(
        "items",
        "",
        f"CSV file of items with the columns id and title, others passed over; {use}.",
        flag_values=values,
    )


def items_of_flag(values: flags.FlagValues, name: str, dataset: Dataset) -> list[Any] | None:
    """The items of the catalogue that the file of a flag names; None: no file is given."""
    path = values[name].value
    return items_of_file(dataset, name, path) if path else None
