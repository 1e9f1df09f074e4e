"""The tree against RFC 9162 itself, its published vectors, and pymerkle."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion
from pymerkle.proof import InvalidProof

from answerable.tracing.ledger import merkle

# The eight leaves of Certificate Transparency's reference tests, and the roots of the trees of the first 1 … 8 of them.
# Source: github.com/google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc, and trillian after it.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Leaves:
    """Hashes of a tree that is kept in memory; refuses levels that a store would not have."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves
        self.reads = 0

    def read(self, level: int, start: int, count: int) -> Sequence[bytes]:
        assert level % merkle.STRIDE == 0
        width = 1 << level
        self.reads += count
        wanted = [self.leaves[at * width : (at + 1) * width] for at in range(start, start + count)]
        assert all(len(part) == width for part in wanted), "only complete subtrees are stored"
        return [merkle.fold(part) for part in wanted]


def by_definition(leaves: Sequence[bytes]) -> bytes:
    """The root, written as RFC 9162 defines it."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(by_definition(leaves[:k]), by_definition(leaves[k:]))


def tree(size: int) -> Leaves:
    return Leaves([merkle.leaf_hash(b"record %d" % number) for number in range(size)])


def test_published_roots() -> None:
    leaves = [merkle.leaf_hash(body) for body in CT_LEAVES]
    assert merkle.root(Leaves([]), 0).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [merkle.root(Leaves(leaves), size).hex() for size in range(1, 9)] == CT_ROOTS


def test_published_proofs() -> None:
    hashes = Leaves([merkle.leaf_hash(body) for body in CT_LEAVES])
    # Source: the same reference tests: the path of leaf 5 of 8 (counted from 0), and the proof from 6 leaves to 8.
    assert [node.hex() for node in merkle.inclusion_proof(hashes, 5, 8)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [node.hex() for node in merkle.consistency_proof(hashes, 6, 8)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 513, 1000])
def test_root_is_the_definition(size: int) -> None:
    hashes = tree(size)
    assert merkle.root(hashes, size) == by_definition(hashes.leaves)


@given(size=st.integers(1, 700), data=st.data())
def test_inclusion_agrees_with_pymerkle(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    oracle = InmemoryTree(algorithm="sha256")
    for number in range(size):
        oracle.append_entry(b"record %d" % number)
    hashes = tree(size)
    root = merkle.root(hashes, size)
    proof = merkle.inclusion_proof(hashes, index, size)
    assert root == oracle.get_root(size)
    theirs = oracle.prove_inclusion(index + 1, size)
    assert [hashes.leaves[index], *proof] == theirs.path
    verify_inclusion(hashes.leaves[index], root, theirs)
    assert merkle.verify_inclusion(hashes.leaves[index], index, size, proof, root)


@given(newer=st.integers(1, 700), data=st.data())
def test_consistency_agrees_with_pymerkle(newer: int, data: st.DataObject) -> None:
    older = data.draw(st.integers(1, newer))
    oracle = InmemoryTree(algorithm="sha256")
    for number in range(newer):
        oracle.append_entry(b"record %d" % number)
    hashes = tree(newer)
    older_root, newer_root = merkle.root(hashes, older), merkle.root(hashes, newer)
    proof = merkle.consistency_proof(hashes, older, newer)
    verify_consistency(older_root, newer_root, oracle.prove_consistency(older, newer))
    assert merkle.verify_consistency(older, newer, older_root, newer_root, proof)


def changed(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    """The proof with one node changed, removed, doubled or added."""
    how = data.draw(st.sampled_from(["change", "remove", "double", "add"] if proof else ["add"]))
    at = data.draw(st.integers(0, len(proof) - 1)) if proof else 0
    if how == "change":
        return [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
    if how == "remove":
        return proof[:at] + proof[at + 1 :]
    if how == "double":
        return [*proof[:at], proof[at], *proof[at:]]
    return [*proof, bytes(32)]


@given(size=st.integers(1, 300), data=st.data())
def test_an_altered_inclusion_proof_fails(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = tree(size)
    root = merkle.root(hashes, size)
    proof = merkle.inclusion_proof(hashes, index, size)
    assert not merkle.verify_inclusion(hashes.leaves[index], index, size, changed(proof, data), root)
    other = data.draw(st.integers(0, size - 1).filter(lambda at: at != index)) if size > 1 else size
    assert not merkle.verify_inclusion(hashes.leaves[index], other, size, proof, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"another"), index, size, proof, root)


@given(newer=st.integers(2, 300), data=st.data())
def test_an_altered_consistency_proof_fails(newer: int, data: st.DataObject) -> None:
    older = data.draw(st.integers(1, newer - 1))
    hashes = tree(newer)
    older_root, newer_root = merkle.root(hashes, older), merkle.root(hashes, newer)
    proof = merkle.consistency_proof(hashes, older, newer)
    assert not merkle.verify_consistency(older, newer, older_root, newer_root, changed(proof, data))
    rewritten = Leaves([merkle.leaf_hash(b"rewritten"), *hashes.leaves[1:]])
    forged = merkle.consistency_proof(rewritten, older, newer)
    assert not merkle.verify_consistency(older, newer, older_root, merkle.root(rewritten, newer), forged)


def test_what_cannot_be_proved_is_refused() -> None:
    hashes = tree(4)
    with pytest.raises(ValueError, match="no leaf 4"):
        merkle.inclusion_proof(hashes, 4, 4)
    for older in (0, 5):
        with pytest.raises(ValueError, match="does not extend"):
            merkle.consistency_proof(hashes, older, 4)
    root = merkle.root(hashes, 4)
    assert not merkle.verify_inclusion(hashes.leaves[0], 4, 4, [], root)
    assert not merkle.verify_consistency(0, 4, merkle.EMPTY_ROOT, root, [])
    assert not merkle.verify_consistency(5, 4, root, root, [])
    assert not merkle.verify_consistency(3, 4, root, root, [])


class Counting:
    """The hashes of a tree far too large to be built: each read is answered, and counted."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, level: int, start: int, count: int) -> Sequence[bytes]:
        assert level % merkle.STRIDE == 0
        self.reads += count
        return [bytes(32)] * count


@given(size=st.integers(1, 2**40), data=st.data())
def test_few_hashes_are_read_however_large_the_tree(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    levels = size.bit_length() // merkle.STRIDE + 1
    hashes = Counting()
    merkle.root(hashes, size)
    assert hashes.reads <= 255 * levels
    hashes = Counting()
    merkle.inclusion_proof(hashes, index, size)
    assert hashes.reads <= 2 * 255 * levels
    hashes = Counting()
    merkle.consistency_proof(hashes, index + 1, size)
    assert hashes.reads <= 2 * 256 * levels


def test_pymerkle_refuses_what_we_refuse() -> None:
    """The oracle can fail, so its agreement means something."""
    oracle = InmemoryTree(algorithm="sha256")
    for number in range(5):
        oracle.append_entry(b"record %d" % number)
    with pytest.raises(InvalidProof):
        verify_inclusion(merkle.leaf_hash(b"another"), oracle.get_root(5), oracle.prove_inclusion(2, 5))


@given(size=st.integers(0, 600))
def test_a_growing_tree_knows_its_root_and_what_it_completes(size: int) -> None:
    hashes = tree(size)
    frontier = merkle.Frontier()
    completed: set[tuple[int, int, bytes]] = set()
    for leaf in hashes.leaves:
        completed |= {(level, (frontier.size >> level) - 1, found) for level, found in frontier.append(leaf)}
    assert frontier.head() == merkle.Head(size=size, root=merkle.root(hashes, size))
    assert completed == {
        (level, at, merkle.fold(hashes.leaves[at << level : at + 1 << level]))
        for level in range(1, size.bit_length())
        for at in range(size >> level)
    }
