"""The settings of methods that are shipped: flagfiles, found by name."""

from pathlib import Path

import nmtr_tf
from nmtr_tf.errors import InputError


def settings_dir() -> Path:
    """The folder of the flagfiles: inside the installed package, or the repository's own."""
    package = Path(nmtr_tf.__file__).parent
    installed = package / "flags"
    return installed if installed.is_dir() else package.parent / "flags"


def settings_names() -> list[str]:
    """The names: <data set>/<method>, recommended and quickstart."""
    folder = settings_dir()
    found = [*folder.glob("*.flags"), *folder.glob("*/*.flags")]  # those of baselines are a folder below
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in found)


def settings_file(name: str) -> Path:
    """The flagfile of a name.

    Raises:
        InputError: If there is none.
    """
    known = settings_names()
    if name not in known:
        raise InputError(f"`method_settings` should be one of {', '.join(known)}. Received: {name!r}.")
    return settings_dir() / f"{name}.flags"
