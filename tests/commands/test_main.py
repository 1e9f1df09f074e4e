"""The program, before there is a command line."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from answerable.__main__ import main
from answerable.commands.exits import INTERRUPTED


def test_ctrl_c_during_imports_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def interrupted(name: str, *args: Any) -> Any:
        if name == "answerable.commands.cli":
            raise KeyboardInterrupt
        return real(name, *args)

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "__import__", interrupted)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == INTERRUPTED
