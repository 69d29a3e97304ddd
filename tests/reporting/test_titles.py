"""Titles of items from a file."""

import pytest

from nmtr_tf.errors import InputError
from nmtr_tf.reporting.titles import read_titles


def test_ids_stay_text_and_other_columns_are_passed_over(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text('price,id,title\n3,007,"Tea, green"\n4,7, 茶壶 \n5,7,Pot\n', encoding="utf-8-sig")
    assert read_titles(path) == {"007": "Tea, green", "7": "Pot"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"item,title\n1,Tea\n", "expected the columns id and title. Found: item, title."),
        (b"", "Found: nothing."),
        (b"id,title\n1,Tea\n2\n", "line 3: expected an id and a title."),
        (b"id,title\n1,\xe9\n", "expected CSV in UTF-8"),
        (b'id,title\n1,"Tea\n', "expected CSV in UTF-8"),
        (None, "no such file."),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, content, message):
    path = tmp_path / "items.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"items\.csv") as error:
        read_titles(path)
    assert message in str(error.value)
