"""The order of behaviors: what each comes after (the paper's footnote 1 and its future work).

As texts, "cart:view" or "buy:share+cart", one for each behavior that comes after others; no texts at all are
the paper's chain, in which each comes after the one before it.
"""

from collections.abc import Mapping, Sequence

from nmtr_tf.errors import InputError


def check_after(after: Sequence[str], behaviors: Sequence[str]) -> None:
    """Checks an order of behaviors.

    Args:
        after: As above.
        behaviors: All behaviors, weakest first, target last: none comes after one that stands behind it.

    Raises:
        InputError: If a text is malformed, names anything else or a behavior twice, the order has a circle or
            contradicts that of the behaviors, or a behavior has no way to the target.
    """
    if not after:
        return
    parents = _parse(after, behaviors)
    if circle := _circle(parents):
        raise InputError(f"`after` has a circle: {' after '.join(circle)}. Expected an order.")
    for name, own in parents.items():
        if late := [one for one in own if behaviors.index(one) > behaviors.index(name)]:
            raise InputError(
                f"`after={name}:{'+'.join(own)}`: {late[0]!r} stands behind {name!r} in the behaviors, which "
                f"go from the weakest to the target. Received: {','.join(behaviors)}."
            )
    lost = set(behaviors) - _before(behaviors[-1], parents)
    if lost:
        name = min(lost, key=behaviors.index)
        raise InputError(
            f"`after`: {name!r} has no way to the target {behaviors[-1]!r}; say what comes after it. "
            f"Received: {','.join(after)}."
        )


def after_within(after: Sequence[str], chosen: Sequence[str], behaviors: Sequence[str]) -> tuple[str, ...]:
    """The order of some of the behaviors: what a behavior that is left out came after stands in its place.

    Args:
        after: As above.
        chosen: Behaviors, in the order of all.
        behaviors: All behaviors.

    Returns:
        Texts, empty for a chain that was not spelled out.

    Raises:
        InputError: As `check_after` does.
    """
    if not after:
        return ()
    check_after(after, behaviors)
    parents = _parse(after, behaviors)

    def nearest(name: str) -> set[str]:
        return set().union(*({one} if one in chosen else nearest(one) for one in parents[name]))

    found = {name: sorted(nearest(name), key=behaviors.index) for name in chosen}
    return tuple(f"{name}:{'+'.join(own)}" for name, own in found.items() if own)


def parents_of(after: Sequence[str], behaviors: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """For each behavior the places (from 0) of those that it comes right after.

    Raises:
        InputError: As `check_after` does.
    """
    if not after:
        return tuple((r - 1,) if r else () for r in range(len(behaviors)))
    check_after(after, behaviors)
    return tuple(tuple(map(behaviors.index, own)) for own in _parse(after, behaviors).values())


def _parse(after: Sequence[str], behaviors: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Behavior -> those that it comes right after, in the order of all."""
    if isinstance(after, str):
        raise InputError(f"`after` should be a list of texts, such as ['cart:view']. Received: {after!r}.")
    parents: dict[str, tuple[str, ...]] = {}
    for text in after:
        name, colon, rest = text.partition(":")
        own = rest.split("+")
        if not (name and colon and all(own)):
            raise InputError(
                f"`after` should be behavior:others, such as cart:view or buy:share+cart. Received: {text!r}."
            )
        if unknown := [one for one in (name, *own) if one not in behaviors]:
            raise InputError(
                f"`after={text}`: expected behaviors of {', '.join(behaviors)}. Received: {unknown[0]!r}."
            )
        if name in parents or len(set(own)) < len(own):
            raise InputError(f"`after` should name a behavior once. Received: {','.join(after)}.")
        parents[name] = tuple(sorted(own, key=behaviors.index))
    return {name: parents.get(name, ()) for name in behaviors}


def _circle(parents: Mapping[str, Sequence[str]]) -> list[str]:
    """Behaviors, each after the next, and the first again at the end; empty: there are none."""

    def walk(path: list[str]) -> list[str]:
        if path[-1] in path[:-1]:
            return path[path.index(path[-1]) :]
        return next(filter(None, (walk([*path, one]) for one in parents[path[-1]])), [])

    return next(filter(None, (walk([name]) for name in parents)), [])


def _before(name: str, parents: Mapping[str, Sequence[str]]) -> set[str]:
    """A behavior and all that it comes after."""
    return {name}.union(*(_before(one, parents) for one in parents[name]))
