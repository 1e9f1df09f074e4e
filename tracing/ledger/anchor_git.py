"""The anchor `git`: each checkpoint is a commit in the repository `ANSWERABLE_ANCHOR_REPOSITORY`.

The repository is a folder that `git` commits in; pushing it to where others have it is its owner's. The file
`ID.checkpoint` holds the newest checkpoint, its history all of them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from answerable.errors import StoreUnavailable
from answerable.tracing.clock import Micros
from answerable.tracing.ledger.anchors import Place
from answerable.tracing.ledger.checkpoints import Checkpoint

_SECONDS: Final = 30.0  # for one command of git
_AS: Final = ("-c", "user.name=answerable", "-c", "user.email=answerable@localhost", "-c", "commit.gpgSign=false")


class GitAnchor:
    """Commits checkpoints."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    async def keep(self, checkpoint: Checkpoint, _at: Micros) -> str:
        """Commit a checkpoint; the commit. Raises: StoreUnavailable if git cannot."""
        file = self._folder / self._name
        await asyncio.to_thread(file.write_text, checkpoint.text, "utf-8")
        await self._git("add", "--", self._name)
        # empty where the same checkpoint is already there: this process died before it could say so
        message = f"{checkpoint.origin}: {checkpoint.head.size} records"
        await self._git(*_AS, "commit", "--quiet", "--allow-empty", "--only", "--message", message, "--", self._name)
        return f"{self._folder} {await self._git('rev-parse', '--short', 'HEAD')}"

    async def _git(self, *words: str) -> str:
        running = await asyncio.create_subprocess_exec(
            "git", "-C", str(self._folder), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(_SECONDS):
                said, _ = await running.communicate()
        except BaseException:
            running.kill()
            await running.wait()
            raise
        if running.returncode:
            raise StoreUnavailable(f"git in {self._folder}: {said.decode(errors='replace').strip()}")
        return said.decode(errors="replace").strip()


def open_git_anchor(place: Place) -> GitAnchor | None:
    """The anchor `git`; None where no repository is named."""
    folder = place.environment.get("ANSWERABLE_ANCHOR_REPOSITORY")
    return GitAnchor(Path(folder), f"{place.origin.rpartition('/')[2]}.checkpoint") if folder else None
