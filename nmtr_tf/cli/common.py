"""What the commands share, under the names of one module."""

from nmtr_tf.cli.console import exit_status, import_tensorflow, progress_bar, say
from nmtr_tf.cli.flags import (
    SECTIONS,
    config_from_flags,
    given,
    new_flags,
    require,
    run,
    section_from_flags,
    whole_numbers,
)
from nmtr_tf.cli.typed import command

__all__ = [
    "SECTIONS",
    "command",
    "config_from_flags",
    "exit_status",
    "given",
    "import_tensorflow",
    "new_flags",
    "progress_bar",
    "require",
    "run",
    "say",
    "section_from_flags",
    "whole_numbers",
]
