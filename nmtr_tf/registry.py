"""Tables of named parts (units, losses, metrics, ...) that users can add rows to."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from nmtr_tf.errors import InputError

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A table of parts by name, in the order in which they were registered.

    Args:
        kind: What the parts are, in words, for messages.
        option: Name of the option that names one of them.
    """

    def __init__(self, kind: str, option: str):
        self.kind, self.option = kind, option
        self._parts: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """The part of a name; KeyError where there is none: `find` has a message for people."""
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._parts)

    def __len__(self) -> int:
        """Number of parts."""
        return len(self._parts)

    def register(self, name: str, part: T) -> T:
        """Adds a part, or replaces the one that has its name, as a module that is run again does.

        Raises:
            InputError: If the name cannot be written in a list of options.
        """
        if not name.replace("_", "").isalnum():
            raise InputError(
                f"The name of a {self.kind} should be letters, digits and underscores. Received: {name!r}."
            )
        self._parts[name] = part
        return part

    def find(self, name: str) -> T:
        """The part of a name that a user gave.

        Raises:
            InputError: If there is none.
        """
        if name not in self._parts:
            raise InputError(
                f"`{self.option}` should name a known {self.kind}: {', '.join(self._parts)} (one of your own "
                f"has to be registered first). Received: {name!r}."
            )
        return self._parts[name]

    def name_of(self, matches: Callable[[T], Any]) -> str | None:
        """The name of the first part that matches; None: there is none."""
        return next((name for name, part in self._parts.items() if matches(part)), None)
