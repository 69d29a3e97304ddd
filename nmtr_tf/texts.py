"""What a log holds, as terminals, file systems and spreadsheets may have it: as text, never as a command."""

import re

# Control characters, and those that turn the direction of what follows or break lines.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE = re.compile(r"[^\w .+,()=-]")

SPREADSHEET_COMMANDS = "^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
"""How cells begin that spreadsheets take for formulas, as a regular expression."""


def printable(text: str, keep: str = "") -> str:
    r"""Text as a terminal may show it: control characters are written out, as \x1b.

    Args:
        text: The text.
        keep: Control characters that stay, such as line breaks.
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keep else _written(found[0]), text)


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode()


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 user", "2,000 users"."""
    return f"{number:,} {noun}" + "s" * (number != 1)


def in_picture(text: str) -> str:
    """Text as matplotlib draws it: control characters written out; a dollar sign starts no formula."""
    return printable(text, keep="\n").replace("$", r"\$")


def file_name(text: str) -> str:
    """Text as a part of a file's name: what is neither a letter, a digit nor harmless is %XX of its UTF-8.

    Different texts have different names, and ordinary ones their own: "cart", "add%2Fcart", "%2E%2E%2Fpwn".
    """
    encoded = _UNSAFE.sub(lambda found: _percent(found[0]), text)
    return _percent(encoded[0]) + encoded[1:] if encoded.startswith((".", " ")) else encoded


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))
