"""docs/differences.md lists the notes "Differs from the paper" of the code, and no others."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_page_and_the_notes_name_the_same_files():
    page = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
    listed = re.findall(r"\| `(nmtr_tf/\S+\.py)` \|$", page, re.MULTILINE)
    noted = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "nmtr_tf").rglob("*.py"))
        if "Differs from the paper:" in path.read_text(encoding="utf-8")
    ]
    assert sorted(listed) == noted
