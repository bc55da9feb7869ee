"""Checks of the verifier itself, against published examples and by hand."""

import hashlib

from . import dates, ed25519, note, tree, wire
from .refused import Invalid

# Source: RFC 8032 (2017), section 7.1: tests 1, 2, 3 and SHA(abc).
SIGNATURES = (
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", b"",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", b"\x72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", b"\xaf\x82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    ("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf", hashlib.sha512(b"abc").digest(),
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"),
)

# The roots over the first entries of a list, worked out in tree_by_hand.
ENTRIES = (b"", b"\0", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", b"\x50\x51\x52\x53\x54\x55\x56\x57")


def run():
    """Runs every check, prints its name, and returns 1 if one fails."""
    failed = 0
    for check in (signatures, signatures_of_others, tree_by_hand, months, zones, numbers, keys):
        good = check()
        failed |= not good
        print("%s %s" % ("ok  " if good else "FAIL", check.__name__.replace("_", " ")))
    return int(failed)


def signatures():
    """Good signatures are good, by both ways of checking them."""
    return all(verify(bytes.fromhex(public), message, bytes.fromhex(signature))
               for public, message, signature in SIGNATURES for verify in (ed25519.verify, ed25519.fast_verify))


def signatures_of_others():
    """A changed bit of key, message or signature, and S + L, are noticed."""
    for public, message, signature in SIGNATURES:
        public, signature = bytes.fromhex(public), bytes.fromhex(signature)
        larger = (int.from_bytes(signature[32:], "little") + ed25519.ORDER).to_bytes(32, "little")
        for bad in (
            (flip(public), message, signature), (public, message + b"\0", signature), (public, message, flip(signature)),
            (public, message, signature[:32] + larger), (public, message, signature[:63]),
        ):
            if ed25519.verify(*bad) or ed25519.fast_verify(*bad):
                return False
    return True


def flip(data):
    """Returns the bytes with one bit changed."""
    return bytes([data[0] ^ 1]) + data[1:]


def tree_by_hand():
    """RFC 6962, section 2.1: the first k, a power of two, and the others."""
    def root(leaves):
        if len(leaves) == 1:
            return leaves[0]
        k = 1
        while 2 * k < len(leaves):
            k *= 2
        return tree.node(root(leaves[:k]), root(leaves[k:]))
    leaves = list(map(tree.leaf, ENTRIES))
    return tree.root([]) == hashlib.sha256(b"").digest() and all(
        tree.root(leaves[:n]) == root(leaves[:n]) for n in range(1, len(leaves) + 1))


def months():
    """The same day of a later month, or its last."""
    return all(dates.text(dates.add_months(dates.parse(of), n)) == want for of, n, want in (
        ("2024-08-31", 6, "2025-02-28"), ("2023-08-31", 6, "2024-02-29"), ("2025-01-15", 12, "2026-01-15"),
        ("2025-12-31", 2, "2026-02-28"), ("2025-03-31", -1, "2025-02-28"), ("2025-01-01", -13, "2023-12-01"),
    )) and dates.parse("2025-02-29") is None and dates.parse("2025-2-1") is None


def zones():
    """A day begins at midnight of the trial's zone, in summer and in winter."""
    oslo = dates.zone("Europe/Oslo")
    return all(dates.text(dates.of(seconds * 1000, oslo)) == want for seconds, want in (
        (1735685999, "2024-12-31"), (1735686000, "2025-01-01"), (1751320799, "2025-06-30"), (1751320800, "2025-07-01"),
        (253402297199, "9999-12-31"), (253402297200, "10000-01-01"),
    )) and dates.zone("Mars/Olympus_Mons") is None


def numbers():
    """A number has one form on the wire."""
    message = wire.Message({1: ("n", "int32")})
    for bad in (b"\x08\x00", b"\x08\x81\x00", b"\x08\xff\xff\xff\xff\x0f", b"\x08", b"\x10\x01", b"\x0a\x01\x01", b"\x08\x01\x08\x01"):
        try:
            message.read(bad)
            return False
        except Invalid:
            pass
    return message.read(b"\x08\x96\x01") == {"n": 150} and \
        message.read(b"\x08" + b"\xff" * 9 + b"\x01") == {"n": -1} and message.read(b"") == {"n": 0}


def keys():
    """The example of C2SP signed-note: a key that was copied wrongly is noticed."""
    good = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    try:
        note.parse_key(good.replace("c74f", "c74e"))
    except Invalid:
        return note.parse_key(good).name == "PeterNeumann"
    return False
