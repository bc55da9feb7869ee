"""The hash tree over the entries of a list.

Source: RFC 6962 (2013), section 2.1; log-format.md, "Lists, tree, tiles".
"""

import hashlib


def leaf(entry):
    """Returns the hash of an entry as it is stored."""
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    """Returns the hash of two neighbours."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root(leaves):
    """Returns the root over leaf hashes, which may be any iterable of them.

    It keeps the roots of the complete subtrees seen so far: their sizes are
    the binary digits of the number of leaves.
    """
    edge, count = [], 0
    for h in leaves:
        n = count
        while n & 1:
            h = node(edge.pop(), h)
            n >>= 1
        edge.append(h)
        count += 1
    if not edge:
        return hashlib.sha256(b"").digest()
    h = edge.pop()
    while edge:
        h = node(edge.pop(), h)
    return h
