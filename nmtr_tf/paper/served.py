"""Who is served better, users with few purchases? The test that goes with Figure 5.

Differs from the paper: it reads its Figure 5 by eye, as differences between groups. Here every user counts
with his own number of purchases, and a rank correlation is tested.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.ids import order
from nmtr_tf.evaluation.masks import masked_items, ranked_pairs
from nmtr_tf.evaluation.metrics import metric_values
from nmtr_tf.evaluation.significance import Trend, holm, trend
from nmtr_tf.methods.table import get_method
from nmtr_tf.paper.cell_results import CellResult
from nmtr_tf.paper.method_table import LEVEL, on_validation


@dataclasses.dataclass(frozen=True)
class Served:
    """Whether a metric rises or falls with the number of a user's purchases.

    Attributes:
        method: The method.
        baseline: The method whose value is taken off each user's; None: nothing is.
        trend: The rank correlation, its p-value after Holm's correction over all that are tested together.
    """

    method: str
    baseline: str | None
    trend: Trend

    def sentence(self, metric: str, behavior: str) -> str:
        """The verdict in words.

        Args:
            metric: What was measured, such as "NDCG@100".
            behavior: The target, of whose rows purchases are the number.
        """
        own = get_method(self.method).label
        of = f"{own}'s {metric}"
        who = f"users with %s {behavior!r} rows are served better by {own} than those with %s"
        if self.baseline:
            label = get_method(self.baseline).label
            of = f"the difference of {metric} between {own} and {label}"
            who = f"users with %s {behavior!r} rows gain more, or lose less, by {own} over {label}"
        if self.trend.p_value >= LEVEL:
            verdict = f"no dependence of {of} on a user's number of {behavior!r} rows was found"
        elif self.trend.correlation < 0:
            verdict = who.replace("%s", "few", 1).replace("%s", "many", 1)
        else:
            verdict = who.replace("%s", "many", 1).replace("%s", "few", 1)
        numbers = f"Spearman's rho {self.trend.correlation:+.3f}, p {self.trend.p_value:.2g} after Holm"
        return f"{verdict[0].upper()}{verdict[1:]} ({numbers})."


def who_is_served(dataset: Dataset, results: Mapping[str, CellResult], metric: str) -> list[Served]:
    """The tests of the figure: of each method's own metric, and of NMTR against the best other method.

    Args:
        dataset: The data set, from which the numbers of purchases are.
        results: Method -> its result, all of the same test pairs.
        metric: What is tested, such as "NDCG@100".

    Returns:
        A test for each method; then one for each NMTR method against the method of other groups that
        validation has first, where there is one.
    """
    before, held_out = dataset.before("test"), dataset.held_out["test"]
    if before.protocol == "time":  # a user may have no pair that the mask leaves
        mask = next(iter(results.values())).question.mask
        held_out = ranked_pairs(before, "test", masked_items(before, "test", mask))
    users = np.unique(held_out[:, 0])
    users = users[np.argsort(order(dataset.user_ids[users]), kind="stable")]  # as the results are
    purchases = np.diff(before.target.indptr)[users]
    values = {name: metric_values(result.places, metric) for name, result in results.items()}
    pairs: list[tuple[str, str | None]] = [(name, None) for name in results]
    others = [name for name in results if get_method(name).group != "NMTR"]
    if others:
        best = max(others, key=lambda name: on_validation([results[name]], metric))
        pairs += [(name, best) for name in results if name not in others]
    found = [trend(values[name] - (values[base] if base else 0), purchases) for name, base in pairs]
    corrected = holm(np.array([one.p_value for one in found])).tolist()
    return [
        Served(name, base, dataclasses.replace(one, p_value=p_value))
        for (name, base), one, p_value in zip(pairs, found, corrected, strict=True)
    ]
