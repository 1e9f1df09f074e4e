"""The anchor `file`: checkpoints in a file elsewhere that is only ever added to.

1. The file is that of the ledger (`ID.checkpoints`) in the folder `ANSWERABLE_ANCHOR_FOLDER`, else in the user's state
   folder. It belongs where those who can write the database cannot write.
2. It holds signed notes, one after the other, each followed by an empty line. A half-written one, after a power cut, is
   passed over when it is read.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from answerable.errors import InvalidInput
from answerable.tracing.clock import Micros
from answerable.tracing.ledger.anchors import Place
from answerable.tracing.ledger.checkpoints import Checkpoint, read_checkpoint
from answerable.tracing.ledger.notes import SIGNATURE_BYTES, read_note
from answerable.tracing.storage.private_files import state_folder

_GAP: Final = "\n\n"
_SIGNED: Final = "\u2014 "


def anchor_file(origin: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the checkpoints of a ledger are kept by default."""
    folder = environment.get("ANSWERABLE_ANCHOR_FOLDER")
    return (Path(folder) if folder else state_folder() / "anchors") / f"{origin.rpartition('/')[2]}.checkpoints"


def read_checkpoints(text: str) -> tuple[list[Checkpoint], int]:
    """The checkpoints of a file in their order, and how many notes in it are half-written.

    Raises: InvalidInput if there is none.
    """
    found: list[Checkpoint] = []
    torn = 0
    waiting = ""
    for part in text.split(_GAP):
        if part.startswith(_SIGNED) and waiting:
            checkpoint = _whole(f"{waiting}{_GAP}{part.rstrip(chr(10))}\n")
            if checkpoint is None:
                torn += 1
            else:
                found.append(checkpoint)
            waiting = ""
        else:
            torn += bool(waiting)
            waiting = part.strip("\n")
    if not found:
        raise InvalidInput(
            "this is no checkpoint", hint="a signed note of origin, size and root, or a file of them, whole"
        )
    return found, torn + bool(waiting)


def _whole(text: str) -> Checkpoint | None:
    try:
        if any(len(one.bytes) == SIGNATURE_BYTES for one in read_note(text).signatures):
            return read_checkpoint(text)
    except InvalidInput:
        pass
    return None


class FileAnchor:
    """Appends checkpoints to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def keep(self, checkpoint: Checkpoint, _at: Micros) -> str:
        """Append a checkpoint, and wait for the disk; the file's name."""
        await asyncio.to_thread(self._append, checkpoint.text)
        return str(self._path)

    def _append(self, note: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab+") as file:
            torn = b""
            if file.seek(0, os.SEEK_END):
                file.seek(-len(_GAP), os.SEEK_END)
                torn = b"" if file.read() == _GAP.encode() else _GAP.encode()
            file.write(torn + f"{note}\n".encode())
            file.flush()
            os.fsync(file.fileno())


def open_file_anchor(place: Place) -> FileAnchor:
    """The anchor `file` of a ledger."""
    return FileAnchor(anchor_file(place.origin, place.environment))
