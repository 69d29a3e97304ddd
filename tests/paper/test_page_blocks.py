"""Parts between marks: each is made anew, everything else stays."""

import pytest

from nmtr_tf.errors import InputError
from nmtr_tf.paper.page_blocks import begin, check_parts, end, replace_parts

PAGE = f"# Page\n\n{begin('a b')}\nold\n{end('a b')}\n\nBetween.\n{begin('c')}\n{end('c')}\nAfter.\n"


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_every_part_is_made_anew_and_nothing_else(page):
    replace_parts(page, str.upper)
    text = page.read_text()
    assert text == (
        f"# Page\n\n{begin('a b')}\n\nA B\n{end('a b')}\n\nBetween.\n{begin('c')}\n\nC\n{end('c')}\nAfter.\n"
    )
    replace_parts(page, str.upper)
    assert page.read_text() == text
    check_parts(page, str.upper)


def test_the_first_line_that_differs_is_named_in_whichever_part_it_is(page):
    replace_parts(page, str.upper)
    page.write_text(page.read_text().replace("\nC\n", "\nc\n"))
    with pytest.raises(InputError, match=r"page.md`: line 11 is not what .*: expected 'C'\. Received: 'c'"):
        check_parts(page, str.upper)
    assert page.read_text().splitlines()[10] == "c"


def test_a_part_that_cannot_be_made_leaves_the_page_as_it_was(page):
    def part(name):
        if name == "c":
            raise InputError("nothing there")
        return name

    with pytest.raises(InputError, match="nothing there"):
        replace_parts(page, part)
    assert page.read_text() == PAGE
