"""Histories as `recommend_for_history` takes them."""

from conftest import BEHAVIORS


def histories(view, rows, behaviors=BEHAVIORS):
    """Items and behaviors of users, filled up with "", in any order, with what counts for nothing."""
    lists = []
    for row in rows:
        own = [
            (view.item_ids[item], name)
            for name in behaviors
            for item in view.matrices[name][[row]].indices[::-1]
        ]
        lists.append([("never seen", "buy"), *own, own[0], (view.item_ids[0], "no behavior")])
    longest = max(map(len, lists))
    filled = [own + [("", "")] * (longest - len(own)) for own in lists]
    return {
        name: [[one[place] for one in own] for own in filled]
        for place, name in enumerate(("item_id", "behavior"))
    }
