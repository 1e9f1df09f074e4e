"""Archives: the files of a bundle as one zip file that has the same bytes whenever and wherever it is made.

1. Files lie in it in the order of their names, uncompressed (compressors differ), with the oldest time that zip has.
2. A manifest lists each file's size and digest. The archive's comment, which stands at its end, has the digest of
   everything before it. So one changed byte is found, wherever it is.
3. The comment is a signed note, if there is a key to sign it: then nobody else can have changed the names of people or
   the story, which no proof of a record covers.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from answerable.tracing.ledger.notes import Signer, sign

FORMAT: Final = "answerable-bundle/1"
MANIFEST: Final = "manifest.json"


def archive(files: Mapping[str, bytes], about: Mapping[str, Any], origin: str, signer: Signer | None) -> bytes:
    """A zip file of these files and a manifest, which says what the bundle is `about`, too."""
    listed = {name: {"bytes": len(data), "sha256": sha256(data).hexdigest()} for name, data in sorted(files.items())}
    manifest = as_json({"format": FORMAT, **about, "files": listed})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        for name, data in sorted({**files, MANIFEST: manifest}.items()):
            entry = zipfile.ZipInfo(name)  # its time is 1980-01-01
            entry.create_system = 3  # the permissions that follow are Unix's
            entry.external_attr = 0o644 << 16
            made.writestr(entry, data)
        room = _seal(b"", origin, signer)
        made.comment = room  # of the same length as the one that will stand here
    whole = out.getvalue()[: -len(room)]
    return whole + _seal(whole, origin, signer)


def as_json(value: Any, *, indent: int | None = 1) -> bytes:
    """JSON that a person can read; without `indent` in one line. The same bytes for the same value."""
    return json.dumps(value, ensure_ascii=False, indent=indent).encode() + b"\n"


def _seal(whole: bytes, origin: str, signer: Signer | None) -> bytes:
    text = f"{origin} bundle\n{sha256(whole).hexdigest()}\n"
    return (text if signer is None else sign(text, signer)).encode()
