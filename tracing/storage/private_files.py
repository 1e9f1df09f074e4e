"""Files of secrets: 32 bytes that only their user may read.

1. A file appears whole or not at all, with mode 0600, and survives a power cut; who comes second takes what is there.
2. One that others may read or change is refused: then it is no secret, or not ours.
3. A secret lies where its setting says, else beside an SQLite store, else in the user's state folder under the store's
   id.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from answerable.errors import StoreError

SECRET_BYTES: Final = 32


@dataclass(frozen=True, kw_only=True)
class PrivateFile:
    """Where a secret lies, `what` it is ("the key of …"), and, as `hint`, what to do if it cannot be read."""

    path: Path
    what: str
    hint: str

    def read(self) -> bytes:
        """The secret. Raises: StoreError if the file is not there, not private, or not what was written."""
        try:
            if self.path.stat().st_mode & 0o077:
                raise self._unreadable(f"others may read or change it; `chmod 600 {self.path}`")
            secret = bytes.fromhex(self.path.read_text("ascii").strip())
        except (OSError, ValueError) as error:
            raise self._unreadable(str(error)) from error
        if len(secret) != SECRET_BYTES:
            raise self._unreadable(f"it holds {len(secret)} bytes, not {SECRET_BYTES}")
        return secret

    def make(self) -> bytes:
        """A new secret in a new file; the one that is there if another process was faster. Raises: StoreError."""
        draft = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_bytes(SECRET_BYTES).hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, self.path)
            except FileExistsError:  # another process made it a moment ago
                pass
            finally:
                draft.unlink()
            sync_folder(self.path.parent)
        except OSError as error:
            raise StoreError(f"{self.what} cannot be written to {self.path}: {error}") from error
        return self.read()

    def _unreadable(self, why: str) -> StoreError:
        return StoreError(f"{self.what} cannot be read from {self.path}: {why}", hint=self.hint)


def state_folder() -> Path:
    """Where this user's programs keep what outlives them: `XDG_STATE_HOME`, in `answerable/`."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "answerable"


def beside_store(url: str, store: str, ending: str) -> Path:
    """The file that goes with the store at `url`: beside an SQLite file, else in the state folder under its id."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Path(f"{parsed.database}.{ending}")
    return state_folder() / f"{store}.{ending}"


def sync_folder(folder: Path) -> None:
    """Have a folder's new entry survive a power cut, as what the store holds does."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
