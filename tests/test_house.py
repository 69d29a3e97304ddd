"""The rooms of the house: which may import which, and that the paper's may go."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASE = (
    "errors",
    "registry",
    "texts",
    "schema",
    "options",
    "lazy",
    "sections",
    "evaluation_section",
    "linear_section",
    "history_section",
    "contrast_section",
    "time_section",
    "config",
    "files",
    "locks",
    "folders",
    "machine",
    "cluster",
    "workers",
)
ABOVE = (
    "data",
    "models",
    "methods",
    "evaluation",
    "training",
    "reporting",
    "serving",
    "runs",
    "tuning",
    "paper",
    "cli",
    "__main__",
)
ROOMS = (*BASE, *ABOVE)
"""In order: each imports from itself and from what stands before it alone."""
FILES = [path.relative_to(ROOT) for path in sorted((ROOT / "nmtr_tf").rglob("*.py"))]
OF_THE_PAPER = {f"nmtr_tf.cli.{name}" for name in ("tables", "figures", "paper_flags")}


def module_of(path: Path) -> str:
    """nmtr_tf/data/view.py is nmtr_tf.data.view; a package goes by its own name."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """Modules of this project that a file imports, anywhere in it, and those that it names to be imported."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names = [f"{node.module}.{name.name}" for name in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = re.findall(r"^(nmtr_tf(?:\.\w+)+)(?::\w+)?$", node.value)
        yield from (name for name in names if name.split(".")[0] in ("nmtr_tf", "experiments"))


def used_modules(path: Path) -> set[str]:
    """The same, each as the module that it is or stands in; without the package, which imports nothing."""
    used = {name if name in MODULES else name.rpartition(".")[0] for name in imports(path)}
    return used - {"nmtr_tf", module_of(path)}


def room(module: str) -> str:
    """The room of a module; "" for the package itself."""
    return [*module.split("."), ""][1]


def test_every_file_has_a_room():
    assert {room(module) for module in MODULES} == {"", *ROOMS}


@pytest.mark.parametrize("path", [path for module, path in MODULES.items() if room(module)], ids=str)
def test_no_import_runs_upwards(path):
    own = ROOMS.index(room(module_of(path)))
    for module in used_modules(path):
        assert module in MODULES, f"{path} imports {module}"  # nothing of experiments, nothing that is gone
        assert ROOMS.index(room(module)) <= own, f"{path} imports {module}"


def test_modules_import_in_no_circle():
    graph = {module: used_modules(path) for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above, module])
        if module not in done:
            for used in sorted(graph[module] & set(graph)):
                visit(used, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_the_models_know_all_that_a_saved_one_may_hold():
    """A process that reads a model imports their package alone."""
    found, open_ones = set(), ["nmtr_tf.models"]
    while open_ones:
        module = open_ones.pop()
        found.add(module)
        open_ones += [one for one in used_modules(MODULES[module]) if one in MODULES and one not in found]
    registering = {
        module
        for module, path in MODULES.items()
        if "@keras.saving.register_keras_serializable(" in (ROOT / path).read_text(encoding="utf-8")
    }
    assert registering
    assert registering <= found


def test_the_paper_can_be_deleted_without_harm_to_the_rest():
    """Its own commands alone know of it, and nothing else knows of those."""
    own = OF_THE_PAPER | {module for module in MODULES if room(module) == "paper"}
    entries = [path.relative_to(ROOT) for path in sorted((ROOT / "experiments").rglob("*.py"))]
    users = {module_of(path) for path in [*FILES, *entries] if used_modules(path) & own}
    assert users - own <= {"experiments.tables", "experiments.figures"}


def test_nothing_is_run_that_a_file_brings_along():
    """No pickle, no eval, and NumPy files without objects; plugins are modules that people name."""
    for path in FILES:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        called = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"eval", "exec", "__import__"}, path
        assert not [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.keyword)
            and node.arg == "allow_pickle"
            and not (isinstance(node.value, ast.Constant) and node.value.value is False)
        ], path
        imported = {
            name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for name in (one.name for one in node.names)
        }
        imported |= {
            str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        }
        assert not imported & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}, path
