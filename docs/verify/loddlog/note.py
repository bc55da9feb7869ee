"""Signed notes and checkpoints.

Source: C2SP signed-note (2025) and tlog-checkpoint (2025); log-format.md,
"Checkpoints".
"""

import base64
import binascii
import hashlib
import re
from collections import namedtuple

from . import ed25519
from .refused import demand

Key = namedtuple("Key", "name hash public")
Note = namedtuple("Note", "text signatures others")
Checkpoint = namedtuple("Checkpoint", "origin size root")

ED25519 = 1  # the kind of key that signs text
MAX_SIGNATURES = 100
MAX_NOTE = 64 << 10
MAX_SIZE = 2**63 - 1


def unbase64(text):
    """Decodes RFC 4648, section 4, with padding; None if it is something else."""
    if len(text) % 4 or not re.fullmatch("[A-Za-z0-9+/]*={0,2}", text):
        return None
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return None


def canonical(key):
    """Tells whether 32 bytes are the one way to write a point (RFC 8032, 5.1.3)."""
    y = int.from_bytes(key, "little")
    negative, y = y >> 255, y & (2**255 - 1)
    return y < ed25519.P and not (negative and y in (1, ed25519.P - 1))


def parse_key(text):
    """Returns the key that "name+hash+base64" stands for."""
    name, _, rest = text.partition("+")
    digits, _, coded = rest.partition("+")
    data = unbase64(coded)
    demand(valid_name(name) and re.fullmatch("[0-9a-fA-F]{8}", digits) and data,
           "the key is not of the form name+hash+base64")
    digest = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    demand(digest.hex() == digits.lower(), "the hash in the key is not that of the key: was it copied completely?")
    demand(data[0] == ED25519 and len(data) == 33, "the key is no Ed25519 key")
    demand(canonical(data[1:]), "the key isn't written as Ed25519 keys are")
    return Key(name, digest, data[1:])


def valid_name(name):
    """Reports whether a key can have this name."""
    return name != "" and "+" not in name and not any(c.isspace() for c in name)


def open_note(raw, key):
    """Returns a note that the key signed: text, its signatures, and others."""
    text, block = split(raw)
    signatures, others = [], []
    for count, line in enumerate(block.split("\n")[:-1]):
        name, data = parse_signature(line)
        demand(count < MAX_SIGNATURES, "the note has too many signatures")
        if name != key.name or data[:4] != key.hash:
            others.append(line)
            continue
        if not signatures:  # a second one by the same key says nothing new
            demand(ed25519.fast_verify(key.public, text.encode(), data[4:]), "the signature is wrong")
            signatures.append(line)
    demand(signatures, "it was signed with another key")
    return Note(text, signatures, others)


def split(raw):
    """Returns text and lines of signatures."""
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError:
        whole = ""
    at = whole.rfind("\n\n")
    well = at >= 0 and whole.endswith("\n") and len(whole) > at + 2
    demand(well and not re.search("[\0-\t\x0b-\x1f]", whole), "it is no signed note")
    return whole[:at + 1], whole[at + 2:]


def parse_signature(line):
    """Returns the name of the key and the bytes of one line of signature."""
    name, _, coded = line[2:].partition(" ")
    data = unbase64(coded)
    demand(line.startswith("— ") and valid_name(name) and data and len(data) > 4, "a line of signature is malformed")
    return name, data


def open_checkpoint(raw, key):
    """Returns the checkpoint that a note signed by the key holds."""
    demand(len(raw) <= MAX_NOTE, "the checkpoint is too long")
    return parse_checkpoint(open_note(raw, key).text)


def parse_checkpoint(text):
    """Reads origin, size and root; further lines are extensions."""
    lines = text.split("\n")[:-1]
    demand(len(lines) >= 3 and all(lines[:1] + lines[3:]), "a checkpoint has a line each for origin, size and root")
    size = int(lines[1]) if re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]) else -1
    demand(0 <= size <= MAX_SIZE, "the size of the checkpoint is no number")
    root = unbase64(lines[2]) or b""
    demand(len(root) == 32 and base64.b64encode(root).decode() == lines[2],
           "the root of the checkpoint is no hash in base64")
    return Checkpoint(lines[0], size, root)
