"""The ledger's Merkle tree: the mathematics of RFC 9162, section 2.1, without a database.

1. A leaf is SHA-256 over a zero byte and the record's bytes; an inner node over a one byte and its two children. So a
   leaf can never be passed off as a node.
2. Leaf `i` is the record with `seq == i`. A tree of `n` leaves is the first `n` records, so every older tree can be
   asked for as well, and a proof between two of them shows that nothing in the older one was changed.
3. `Hashes` gives the hashes of complete subtrees at level 0 (the leaves) and every `STRIDE` levels above; what lies
   between is hashed anew. A root or a proof reads at most 255 hashes of each such level.
4. Verifying needs nothing but the proof: no store, no trust in whoever made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from typing import Protocol

STRIDE = 8  # levels between two that are stored

EMPTY_ROOT = sha256().digest()


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a tree was at one moment: how many leaves it had, and its root (32 bytes)."""

    size: int
    root: bytes


class Hashes(Protocol):
    """Where the tree reads its hashes."""

    def read(self, level: int, start: int, count: int) -> Sequence[bytes]:
        """The hashes of `count` neighbouring complete subtrees of 2**level leaves; `level` is a multiple of STRIDE."""
        ...


def leaf_hash(body: bytes) -> bytes:
    """The 32 bytes that stand for a record in the tree. Source: RFC 9162, section 2.1.1."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node. Source: RFC 9162, section 2.1.1."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees of one size; how many they are is a power of two."""
    while len(hashes) > 1:
        hashes = [sha256(b"\x01" + hashes[i] + hashes[i + 1]).digest() for i in range(0, len(hashes), 2)]
    return hashes[0]


class Frontier:
    """The right edge of a tree that grows leaf by leaf: enough to know its root at each size."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []  # complete subtrees, the largest first

    def append(self, leaf: bytes) -> list[tuple[int, bytes]]:
        """Append a leaf's hash. Returns the subtrees that it completed, as (level, hash), the smallest first."""
        completed = []
        position, level, running = self.size, 0, leaf
        while position & 1:
            running = node_hash(self._edge.pop(), running)
            position, level = position >> 1, level + 1
            completed.append((level, running))
        self._edge.append(running)
        self.size += 1
        return completed

    def edge(self) -> list[bytes]:
        """The complete subtrees that it consists of, the largest first."""
        return list(self._edge)

    def head(self) -> Head:
        """The tree as it is now."""
        return Head(size=self.size, root=_join(self._edge) if self._edge else EMPTY_ROOT)


class Blocks:
    """A tree that grows by blocks of 2**STRIDE leaves, fast, and knows its head at every size within the last block."""

    def __init__(self) -> None:
        self.size = 0
        self._whole = Frontier()  # over the blocks
        self._before: list[bytes] = []  # its edge, without the last block
        self._start = 0  # of the last block
        self._levels: list[list[bytes]] = []  # of the last block, the leaves first

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[int, int, bytes]]:
        """Append a block of leaves, or fewer as the last ones; what is stored of it, as (level, position, hash)."""
        assert 0 < len(leaves) <= 1 << STRIDE and not self.size % (1 << STRIDE)
        self._start, self._before = self.size, self._whole.edge()
        self._levels = [list(leaves)]
        while len(last := self._levels[-1]) > 1:
            both = iter(last)
            pairs = zip(both, both, strict=False)  # a last one without a right neighbour waits for it
            self._levels.append([sha256(b"\x01" + left + right).digest() for left, right in pairs])
        self.size += len(leaves)
        if self.size % (1 << STRIDE):
            return []
        block = self._levels[STRIDE][0]
        whole = [(0, block), *self._whole.append(block)]
        count = self._whole.size
        return [(STRIDE + level, (count >> level) - 1, digest) for level, digest in whole if level % STRIDE == 0]

    def head_at(self, size: int) -> Head:
        """The tree when it had `size` leaves, some or all of which are in the last block."""
        assert self._start <= size <= self.size
        parts, at = list(self._before), 0
        for level in range(STRIDE, -1, -1):
            if (size - self._start) >> level & 1:
                parts.append(self._levels[level][at >> level])
                at += 1 << level
        return Head(size=size, root=_join(parts) if parts else EMPTY_ROOT)

    def head(self) -> Head:
        """The tree as it is now."""
        return self.head_at(self.size)


def root(hashes: Hashes, size: int) -> bytes:
    """The root of the first `size` leaves. Source: RFC 9162, section 2.1.1."""
    return _range(hashes, 0, size) if size else EMPTY_ROOT


def inclusion_proof(hashes: Hashes, index: int, size: int) -> list[bytes]:
    """The proof that leaf `index` is in the tree of the first `size` leaves. Source: RFC 9162, section 2.1.3.1.

    Raises: ValueError if that tree has no such leaf.
    """
    return inclusion_proofs(hashes, [index], size)[0]


def inclusion_proofs(hashes: Hashes, indexes: Iterable[int], size: int) -> list[list[bytes]]:
    """A proof for each of several leaves of one tree; what they share is hashed once."""
    subtree = cache(partial(_range, hashes))
    return [_inclusion(subtree, index, size) for index in indexes]


def consistency_proof(hashes: Hashes, older: int, newer: int) -> list[bytes]:
    """The proof that the first `older` leaves of the tree of `newer` leaves are as they were. Source: section 2.1.4.1.

    Raises: ValueError unless 0 < older <= newer.
    """
    if not 0 < older <= newer:
        raise ValueError(f"a tree of {newer} leaves does not extend one of {older}")
    proof: list[bytes] = []
    start, end = 0, newer
    while end != older:
        middle = start + _split(end - start)
        if older <= middle:
            proof.append(_range(hashes, middle, end))
            end = middle
        else:
            proof.append(_range(hashes, start, middle))
            start = middle
    if start > 0:  # otherwise this last node is the older root, which the verifier has
        proof.append(_range(hashes, start, end))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether `proof` shows that `leaf` (its hash) is number `index` of the `size` leaves under the root `expected`.

    Source: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    number, last, running = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            running = node_hash(sibling, running)
            while not number & 1 and number:
                number >>= 1
                last >>= 1
        else:
            running = node_hash(running, sibling)
        number >>= 1
        last >>= 1
    return last == 0 and running == expected


def verify_consistency(older: int, newer: int, older_root: bytes, newer_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree under `newer_root` only appends to the one under `older_root`.

    Sizes are numbers of leaves. Source: RFC 9162, section 2.1.4.2.
    """
    if not 0 < older <= newer:
        return False
    if older == newer:
        return not proof and older_root == newer_root
    path = list(proof)
    if older & (older - 1) == 0:
        path.insert(0, older_root)
    if not path:
        return False
    number, last = older - 1, newer - 1
    while number & 1:
        number >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not number & 1 and number:
                number >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        number >>= 1
        last >>= 1
    return last == 0 and old == older_root and new == newer_root


def _inclusion(subtree: Callable[[int, int], bytes], index: int, size: int) -> list[bytes]:
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(subtree(middle, end))
            end = middle
        else:
            proof.append(subtree(start, middle))
            start = middle
    return proof[::-1]


def _split(width: int) -> int:
    """The largest power of two that is smaller than `width`: how many leaves lie under the left child."""
    return 1 << (width - 1).bit_length() - 1


def _range(hashes: Hashes, start: int, end: int) -> bytes:
    """The root over the leaves from `start` to `end`: a subtree that is incomplete at its right edge at most."""
    parts: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        stored = level - level % STRIDE
        parts.append(fold(hashes.read(stored, start >> stored, 1 << level - stored)))
        start += 1 << level
    return _join(parts)


def _join(parts: Sequence[bytes]) -> bytes:
    """The root over neighbouring complete subtrees, the largest first."""
    running = parts[-1]
    for part in parts[-2::-1]:
        running = node_hash(part, running)
    return running
