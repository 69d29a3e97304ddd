"""The program `nmtr`: lists the commands, or runs one."""

import ast
import difflib
import functools
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from nmtr_tf.cli.console import exit_status, show
from nmtr_tf.cli.typed import command
from nmtr_tf.errors import InputError


def main(argv: Sequence[str] | None = None, packages: Sequence[str] = ("nmtr_tf.cli",)) -> int:
    """Entry point.

    Args:
        argv: The program's name, a command's name and its flags; None: the process's.
        packages: Packages whose modules with a `main` are commands.

    Returns:
        Exit status: the command's, 0 for the list, 2 where there is no such command.
    """
    argv = list(sys.argv if argv is None else argv)
    return exit_status(functools.partial(_main, argv[1:], packages))


def _main(arguments: list[str], packages: Sequence[str]) -> int:
    found = _commands(packages)
    if not arguments or arguments[0] in ("-h", "--help"):
        show(_listing({name: line for name, (_, line) in found.items()}))
        return 0
    name, *rest = arguments
    if name not in found:
        near = difflib.get_close_matches(name, found)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(found)}."
        raise InputError(f"There is no command {name!r}; {hint}")
    module = importlib.import_module(found[name][0])
    return module.main([name, *rest])


def _commands(packages: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Name -> its module, and what it is for."""
    found = {}
    for package in packages:
        folder = Path(importlib.import_module(package).__path__[0])
        for path in sorted(folder.glob("[a-z]*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))  # read, not imported: that would take seconds
            has_main = any(isinstance(part, ast.FunctionDef) and part.name == "main" for part in tree.body)
            if has_main and path != Path(__file__):
                found[path.stem] = (
                    f"{package}.{path.stem}",
                    (ast.get_docstring(tree) or "").partition("\n")[0],
                )
    return found


def _listing(lines: dict[str, str]) -> str:
    width = max(map(len, lines))
    head = f"Commands; {command('<command>')} --help says more:"
    return "\n".join([head, "", *(f"  {name:<{width}}  {line}" for name, line in lines.items())])
