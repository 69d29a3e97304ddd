"""The rooms of the house: which may import which, and that the paper's may go."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASE = ("errors", "registry", "options", "lazy", "config", "files", "machine")
ROOMS = (*BASE, *"data models evaluation training reporting serving runs tuning paper cli".split())
FILES = [path.relative_to(ROOT) for path in sorted((ROOT / "nmtr_tf").rglob("*.py"))]


def imports(path: Path) -> Iterator[str]:
    """Modules of this project that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith(("nmtr_tf", "experiments")))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("nmtr_tf", "experiments")):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def room(module: str) -> str:
    """The room of a module; "" for the package itself and its names."""
    name = [*module.removesuffix(".py").replace("/", ".").split("."), ""][1]
    return name if name in ROOMS else ""


@pytest.mark.parametrize("path", [path for path in FILES if room(str(path))], ids=str)
def test_no_import_runs_upwards(path):
    own = ROOMS.index(room(str(path)))
    for module in imports(path):
        assert not module.startswith("experiments"), f"{path} imports {module}"
        assert not room(module) or ROOMS.index(room(module)) <= own, f"{path} imports {module}"


def test_rooms_have_no_circle_within():
    graph = {str(path.with_suffix("")).replace("/", "."): list(imports(path)) for path in FILES}

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above, module])
        for used in graph.get(module, []):
            target = used if used in graph else used.rpartition(".")[0]
            if target != "nmtr_tf" and target in graph:
                visit(target, (*above, module))

    for module in graph:
        if not module.endswith("__init__"):
            visit(module, ())


def test_the_paper_can_be_deleted_without_harm_to_the_rest():
    users = {path.as_posix() for path in FILES if any(room(name) == "paper" for name in imports(path))}
    outside = {path for path in users if not path.startswith("nmtr_tf/paper/")}
    assert outside <= {"nmtr_tf/cli/tables.py", "nmtr_tf/cli/figures.py", "nmtr_tf/cli/paper_flags.py"}
