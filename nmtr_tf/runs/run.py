"""A trained run: what one asks of it afterwards."""

import dataclasses
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from nmtr_tf.config import EvaluationConfig
from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.ranking import rank_held_out
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.evaluation.scorers import ModelScorer
from nmtr_tf.runs.checks import check_split, evaluation_config
from nmtr_tf.runs.evaluated import stored_evaluation
from nmtr_tf.runs.opened import OpenedRun
from nmtr_tf.serving.examples import examples_of
from nmtr_tf.serving.explanations import explained
from nmtr_tf.serving.export import export_model
from nmtr_tf.serving.left_out import excluded_items
from nmtr_tf.serving.model_card import ModelFacts
from nmtr_tf.serving.new_histories import NewHistories, read_histories
from nmtr_tf.serving.recommendation import recommend_table
from nmtr_tf.serving.request import EXPORTED, Request, resolve_k
from nmtr_tf.serving.users import AskedUsers, asked_users


class Run(OpenedRun):
    """A run: trained just now by `fit`, or opened from its directory, with the arguments of `OpenedRun`."""

    def evaluate(
        self,
        split: str = "test",
        *,
        protocol: str = "",
        progress: Callable[[int], object] | None = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Ranks the held-out items of a split among the whole catalogue.

        A run with a directory keeps the result there: metrics_<split>.json and ranks_<split>.parquet.

        Args:
            split: "test" or "validation".
            protocol: Of the training rows; "": the run's own.
            progress: Called with the number of users done since the last call.
            **options: Evaluation options in place of the run's: ks, metrics, mask, groups, eval_memory_mb.

        Returns:
            A row "all" and one for each group of users; columns "users" and the metrics.

        Raises:
            InputError: If an option or the split does not fit, or the run is fitted on everything.
        """
        check_split(split)
        self.refuse_final()
        own = self.config.evaluation
        if protocol and own.mask == EvaluationConfig().mask_under(self.view.protocol):
            own = dataclasses.replace(own, mask="auto")  # what the other protocol asks
        config = evaluation_config(own, options).of_catalogue(self.view.num_items)
        view = self.dataset.view(self.config.with_options(protocol=protocol)) if protocol else self.view
        ranks = rank_held_out(ModelScorer(self.model), view, split, config, progress=progress)
        about = {
            "method": self.info.method,
            "best_epoch": self.info.best_epoch,
            "validation": self.config.data.validation,
            **({"config_checksum": self._stored.read_info().config_checksum} if self.directory else {}),
        }
        if self.unfinished:
            about["unfinished"] = self.unfinished
        evaluation = Evaluation.of(self.dataset, view, split, ranks, config, about)
        if self.directory:
            self.check_same()
            evaluation = evaluation.save(self.directory.path)
        self._evaluations[split] = evaluation
        return evaluation.table()

    def evaluation(self, split: str = "test") -> Evaluation:
        """The last evaluation on a split, now or stored.

        Raises:
            InputError: If there is none.
        """
        check_split(split)
        self.refuse_final()
        if split not in self._evaluations:
            if self.directory is None:
                raise InputError(f"The run was not evaluated yet, which evaluate does with `split={split}`.")
            self._evaluations[split] = stored_evaluation(self.directory, split)
        return self._evaluations[split]

    @property
    def known_evaluation(self) -> Evaluation | None:
        """What is known of its ranking of the test items: its own evaluation, if there is one.

        Of a run that is fitted on everything it is that of the run whose settings it has.
        """
        if self.info.final_of:
            return self._origin or Evaluation.load(self._stored.evaluated_dir, "test")
        return self.evaluation("test") if self.is_evaluated("test") else None

    def is_evaluated(self, split: str = "test") -> bool:
        """Whether there is an evaluation on a split, now or stored."""
        stored = self.directory is not None and Evaluation.exists(self.directory.path, split)
        return stored or split in self._evaluations

    def ranks(self, split: str = "test") -> pd.DataFrame:
        """The ranks of the last evaluation on a split: see `Evaluation.ranks_table`."""
        return self.evaluation(split).ranks_table()

    def recommend(
        self,
        user_ids: Iterable[Any] | AskedUsers | None = None,
        k: int | None = None,
        exclude: str = "auto",
        probabilities: bool = False,
        memory_mb: int = 256,
        *,
        exclude_items: Collection[Any] = (),
        among: Collection[Any] | None = None,
        items: str | Path | pd.DataFrame | None = None,
        history: str | Path | pd.DataFrame | None = None,
        candidates: int = 0,
    ) -> pd.DataFrame:
        """The best items for some users: see `nmtr_tf.serving.recommendation.recommend_table`.

        Args:
            user_ids: Ids of the log; None: all users.
            k: Items for each user at most; None: 10, or the whole of a smaller catalogue.
            exclude: Items left out: "bought", those that the user bought, in the whole data set; "touched",
                those touched by any behavior; "none"; "auto": bought ones, and touched ones where the run is
                judged without them (`mask=all`).
            probabilities: Whether to add the probability of every predicted behavior.
            memory_mb: Memory for the scores of some users at once, in MiB.
            exclude_items: Ids of items that are recommended to nobody.
            among: Ids of the only items that are recommended, those in stock, say; None: all.
            items: A CSV file or a data frame with the columns id and title, whose titles are added.
            history: A CSV file or a data frame with the columns user, item and behavior: events of users who
                need not be in the data set, in place of `user_ids`. They alone count, and by `exclude` what
                is in them is left out, whichever behavior of the data set it is of. For runs whose users are
                read from their histories.
            candidates: As for `export`.

        Returns:
            A row for each user and rank: columns user, rank (from 1), item, title (with `items`), score,
            known_user. Ids are text, also those that are numbers, which may be given as such. Users of
            whom nothing was learned get what is popular, with known_user False; `why_unknown` says why.

        Raises:
            InputError: If there is no list of ids, or k is larger than the catalogue.
        """
        mask = self.config.evaluation.mask
        request = Request(k, exclude, mask, exclude_items, among, items, probabilities, memory_mb, candidates)
        if history is None:
            return recommend_table(self.model, self.dataset, self.view, user_ids, request)
        if user_ids is not None:
            raise InputError("`user_ids` and `history` exclude each other; give one of them.")
        new = self.histories(history)
        return recommend_table(self.model, self.dataset, self.view, None, request, new)

    def histories(self, events: str | Path | pd.DataFrame) -> NewHistories:
        """Events of users who need not be in the data set, as `recommend` takes them."""
        return read_histories(self.dataset, self.view.behaviors, events)

    def explain(self, user_id: Any, item_ids: Iterable[Any]) -> pd.DataFrame:
        """Why items are scored as they are for a user: the parts of each score, which add up to it.

        Args:
            user_id: An id of the log.
            item_ids: Likewise.

        Returns:
            A row for each item and part: columns item, because ("history", "item bias" or "user vector"),
            history_item, behaviors, and part.

        Raises:
            InputError: If an id is not of the data set, or the run's users are not read from their histories.
        """
        return explained(self.model, self.dataset, self.view, user_id, item_ids)

    def why_unknown(self, user_ids: Iterable[Any]) -> dict[str, str]:
        """Of some users those that get what is popular: id -> why, see `AskedUsers.why_unknown`."""
        return asked_users(self.dataset, user_ids).why_unknown(self.dataset, self.learned)

    def export(
        self,
        export_dir: str | Path,
        k: int | None = None,
        exclude: str = "auto",
        *,
        exclude_items: Collection[Any] = (),
        items: str | Path | pd.DataFrame | None = None,
        candidates: int = 0,
        index: str | None = None,
    ) -> Path:
        """Writes the next version of a SavedModel, with its model card.

        Args:
            export_dir: Directory of the versions 1, 2, ...; none is ever replaced.
            k: Items that a recommendation has at most; None: 100, or the whole of a smaller catalogue.
            exclude: Items left out of their user's, as for `recommend`.
            exclude_items: Ids of items that are recommended to nobody.
            items: A CSV file or a data frame with the columns id and title; the model card then has examples.
            candidates: Of models with towers: so many items are found first by one product, and they alone
                are ranked by the model; the card says what that misses. 0: the model ranks all.
            index: "faiss": with item vectors and an index of them, see `nmtr_tf.serving.vector_index`.

        Returns:
            The directory of the version.

        Raises:
            InputError: If it cannot be exported.
        """
        count = resolve_k(k, self.view.num_items, EXPORTED)
        mask = self.config.evaluation.mask
        request = Request(count, exclude, mask, exclude_items, items=items)
        offered = request.offered(self.dataset)
        facts = ModelFacts(
            dataset=self.dataset,
            config=self.config,
            exclude=exclude,
            exclude_items=self.dataset.item_ids[~offered].tolist(),
            examples=() if items is None else examples_of(self.model, self.dataset, self.view, request),
            best_epoch=self.info.best_epoch,
            evaluation=self.known_evaluation,
            final_of=self.info.final_of,
            num_epochs=None if self.info.best_epoch else len(self.history),
            versions=self.info.versions,
            unfinished=self.unfinished,
        )
        left_out = excluded_items(self.dataset, exclude, mask)
        own = self.model, self.plan, self.view
        return export_model(export_dir, *own, left_out, count, facts, offered, candidates, index)

    def report(self, path: str | Path | None = None, **options: Any) -> Path:
        """Writes an HTML page to look at and gives its path: see `nmtr_tf.runs.report.write_report`."""
        from nmtr_tf.runs.report import write_report  # whose statistics take half a second to import

        return write_report(self, path, **options)
