"""The letters as the command line finds them: `--service tests.commands.serving:connect`.

Where the receiver is stands in the environment, for the command may run in another process.
"""

from __future__ import annotations

import os
from typing import Any

from answerable.agents.people import quorum, role
from answerable.approvals.node import exemption
from answerable.orchestrator.service import Service
from tests.orchestrator.letters import CARRIER, LEAD, Ask, Letter, Receipt, kinder, letters

ORIGIN = "TESTS_LETTERS_ORIGIN"
PROGRAM = f"{__name__}:connect"


@exemption(version=2)
def is_short(letter: Letter, ask: Ask) -> bool:
    return len(letter.text) < 3


app = letters(options=kinder, exempt=is_short, denied=True)
other = letters()
several = letters(options=kinder, by=quorum(2, LEAD) & role("pharmacist"), denied=True)
number = 7


def connect(store: str) -> Service[Ask, Receipt]:
    return app.connect(store, origins={CARRIER: os.environ[ORIGIN]})


def connect_several(store: str) -> Service[Ask, Receipt]:
    return several.connect(store, origins={CARRIER: os.environ[ORIGIN]})


def nothing(store: str) -> Any:
    return None
