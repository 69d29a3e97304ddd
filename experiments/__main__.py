"""List the commands, each with what it is for."""

import ast
import sys
from pathlib import Path

from nmtr_tf.reporting.tables import format_table


def main() -> int:
    """Entry point."""
    rows = []
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))  # read, not imported: that would take seconds
        is_command = any(isinstance(part, ast.FunctionDef) and part.name == "main" for part in tree.body)
        if is_command:
            rows.append([path.stem, (ast.get_docstring(tree) or "").splitlines()[0]])
    print(format_table("Commands: python -m experiments.<name> --help", ["name", ""], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
