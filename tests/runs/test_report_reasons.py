"""Why users are recommended what they are, on the page about a run."""

import pytest
from reporting.pages import Parsed

import nmtr_tf as nt
from nmtr_tf.reporting.page import render_page
from nmtr_tf.runs.report import report_page


def page_of(run, titles=None):
    return report_page(run, titles or {}, False, 3, 6, lambda what: None)


@pytest.fixture(scope="module")
def linear(shop):
    return nt.fit(shop, method="nmtr_linear", ks=(5, 10))


def test_each_item_has_the_strongest_parts_of_its_score(linear):
    titles = {str(item): f"<b>{item}" for item in linear.view.item_ids[::2]}
    page = page_of(linear, titles)
    for card in page.users:
        items = [one.item for one in card.recommended]
        parts = linear.explain(card.user, items)
        for one in card.recommended:
            own = parts[(parts["item"] == one.item) & (parts["because"] == "history") & (parts["part"] > 0)]
            expected = [
                f"{titles.get(row.history_item, row.history_item)} ({row.behaviors}) {row.part:+.3g}"
                for row in own.head(2).itertuples()
            ]
            assert one.why == "; ".join(expected)
            assert expected
    assert page.users_sentence.endswith("the score is a sum over the history.")
    parsed = Parsed(render_page(page))
    assert not parsed.open
    assert f"because of {page.users[0].recommended[0].why}" in parsed.words


def test_a_run_with_a_vector_for_each_user_gives_no_reasons(stored):
    page = page_of(stored)
    assert {one.why for card in page.users for one in card.recommended} == {""}
    assert "because of" not in Parsed(render_page(page)).words
    assert page.users_sentence.endswith("what was held out of training.")
