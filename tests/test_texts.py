"""What a log holds is shown and named as text, never as a command."""

import pytest

from nmtr_tf.texts import counted, file_name, in_picture, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Käse 中 🧀 -=+", "Käse 中 🧀 -=+"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("one\u2028two \u202etxt.exe", r"one\u2028two \u202etxt.exe"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_control_characters_are_written_out(text, shown):
    assert printable(text) == shown


def test_line_breaks_may_stay():
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_one_of_something_is_singular():
    shown = [counted(number, "user") for number in (0, 1, 2, 1234)]
    assert shown == ["0 users", "1 user", "2 users", "1,234 users"]


def test_pictures_have_no_formulas():
    assert in_picture("a$_$\x1b") == r"a\$_\$\x1b"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cart", "cart"),
        ("add to-cart_2.0", "add to-cart_2.0"),
        ("Käse中", "Käse中"),
        ("add/cart", "add%2Fcart"),
        ("add%2Fcart", "add%252Fcart"),
        ("../../../pwn", "%2E.%2F..%2F..%2Fpwn"),
        ("..", "%2E."),
        ("a\\b\x00\n:*?", "a%5Cb%00%0A%3A%2A%3F"),
        ("", ""),
    ],
)
def test_names_of_files(text, name):
    assert file_name(text) == name
