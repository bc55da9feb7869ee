"""Checks of the verifier itself, against published examples and by hand."""

import base64
import hashlib
import hmac

from . import dates, ed25519, entries, note, tree, wire
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

# Source: log-format.md, "Single steps": entries and their leaves, the root, the
# keys of log and witness, and what both signed.
STEPS = (
    ("signed_in",
     "08011210101112131415161718191a1b1c1d1e1f1880bcd9f29e3422046b617269fa03040a027331a20610cf1017df653eb4d3184b69357b1ca572",
     "4a6732cceae9988a0728e272624e1c00b203686dc387048ad79ebf6c7ef0c474"),
    ("factor_enrolled",
     "08011210202122232425262728292a2b2c2d2e2f1881bcd9f29e3422046b617269aa0400a206105c01c656bfa2f7a9f8a840fd5b5b96c0",
     "78f1f550ab32437c0067707ebf74f52ac1282ae89f7cbd809bc9548918800e27"),
    ("signed_out",
     "08011210303132333435363738393a3b3c3d3e3f1882bcd9f29e3422046b6172698a04040a027331a2061091372019b84a561b4ca9e815486639c1",
     "7ca3ed3cbdd00ebca869099dd4297852ee6b0f857a9a6dd38527d4b1c992bd34"),
)
STEPS_ROOT = "f3ebcea4a0f5973175c0ccdafc91786f320994736372158d88d8fa0bdc4c5466"
STEPS_KEY = "lodd.example.org/log+acc57819+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
STEPS_WITNESS = "BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"
STEPS_NOTE = """lodd.example.org/system
3
8+vOpKD1lzF1wMza/JF4bzIJlHNjchWNiNj6C9xMVGY=

— lodd.example.org/log rMV4Gblvv4QWo685braVS8HaQT51GCt8wuOxIHqQSB84Z841EpoTMtm39Vr1MFLNppjHMNOGj1RnbDiODZwVLIMf1wU=
— witness.example.org DqEmZAAAAABq/Yb8WYvkWeeGXqHwm3aCW0fSATfDIt0A0/XGoRCJ7X7FHTzgslHbyEMGKBfSYzBMmBNheJD4guK/6HaFeBD9ljiXCg==
"""


def run():
    """Runs every check, prints its name, and returns 1 if one fails."""
    failed = 0
    for check in (signatures, signatures_of_others, tree_by_hand, months, zones, numbers, keys, single_steps):
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
    )) and all((dates.zone(name) is not None) == known for name, known in (
        ("Mars/Olympus_Mons", False), ("", False), ("./Europe//Oslo", True), ("Europe/Oslo/", False), ("/Europe/Oslo", False)))


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


def single_steps():
    """The worked example of the document: each entry, its code, the tree, the head, and the witness."""
    stored = [bytes.fromhex(entry) for _, entry, _ in STEPS]
    for i, (kind, _, leaf) in enumerate(STEPS):
        body, code = stored[i][:-19], stored[i][-16:]
        place = b"lodd entry mac v1\n" + bytes([0, 6]) + b"system" + i.to_bytes(8, "big")
        entry = entries.parse("system", i, stored[i])
        if (entry.kind, entry.actor, entry.at) != (kind, "kari", 1795000000000 + i) or tree.leaf(stored[i]).hex() != leaf or \
                hmac.new(bytes([7] * 32), place + body, "sha256").digest()[:16] != code:
            return False
    head = note.open_checkpoint(STEPS_NOTE.encode(), note.parse_key(STEPS_KEY))
    opened = note.open_note(STEPS_NOTE.encode(), note.parse_key(STEPS_KEY))
    _, signature = note.parse_signature(opened.others[0])
    at = int.from_bytes(signature[4:12], "big")
    said = "cosignature/v1\ntime %d\n%s" % (at, opened.text)
    return head.size == len(STEPS) and head.root.hex() == STEPS_ROOT == tree.root(map(tree.leaf, stored)).hex() and \
        at == 1795000060 and ed25519.verify(base64.b64decode(STEPS_WITNESS)[1:], said.encode(), signature[12:])
