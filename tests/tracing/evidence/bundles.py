"""Bundles for tests: made from a store, and one that has all that can be in it."""

from __future__ import annotations

import io
import zipfile
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from answerable.tracing.evidence.handing.bundle import Bundle
from answerable.tracing.evidence.handing.handing import prepare_bundle
from answerable.tracing.ledger.notes import Signer
from answerable.tracing.ledger.signing import open_signer, signing_keys_of
from answerable.tracing.storage.store import Store, open_store
from tests.golden.scenarios import SCENARIOS


@dataclass(frozen=True, kw_only=True)
class Handed:
    """A bundle with all that can be in it, and the key of its ledger."""

    data: bytes
    key: str
    signer: Signer


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archived:
        assert archived.testzip() is None
        return {name: archived.read(name) for name in archived.namelist()}


async def bundle(store: Store, given: str, **more: Any) -> tuple[Bundle, dict[str, bytes], str]:
    """A bundle, its files, and the key that it is to be verified with."""
    made = await prepare_bundle(store, given, **{"with_names": False, "with_payloads": False, **more})
    key = (await store.read(signing_keys_of)).in_force
    return made, files_of(made.data), str(key)


async def hand_out_everything(url: str) -> Handed:
    """All about a run that is played in this store."""
    await SCENARIOS["loop"](url)
    with closing(open_store(url)) as store:
        made = await prepare_bundle(store, "loop", with_names=True, with_payloads=True)
        key = await open_signer(store)
    return Handed(data=made.data, key=str(key.public), signer=key)
