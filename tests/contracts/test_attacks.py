"""Every rule of approvals has tests that attack it, in a file that is named after it."""

from __future__ import annotations

import ast
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "attacks"
RULES = range(1, 18)


def test_each_of_the_seventeen_rules_is_attacked() -> None:
    files = {int(path.name[10:12]): path for path in sorted(FOLDER.glob("test_rule_[0-9][0-9]_*.py"))}
    assert sorted(files) == list(RULES)
    for number, path in files.items():
        read = ast.parse(path.read_text())
        functions = (node for node in read.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        assert (ast.get_docstring(read) or "").startswith(f"Rule {number}: "), path.name
        assert any(node.name.startswith("test_") for node in functions), path.name
