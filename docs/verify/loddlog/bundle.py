"""Bundles: exports of a locked state, signed.

Source: log-format.md, "Bundle".
"""

import base64
import hashlib

from . import canonical, container, note
from .refused import Invalid, Refused, demand

SCHEMA = "lodd.manifest/1"
HEADING = "lodd bundle v1"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MAX_MANIFEST, MAX_SIGNATURE = 16 << 20, 64 << 10
MAX_FILES = 4096

SHAPE = {
    "schema": str, "study": str, "view": str, "blinded": bool,
    "lock": {"number": int, "id": str, "at": str},
    "created_at": str,
    "producer": {"name": str, "version": str},
    "compartments": [{"list": str, "size": int, "root": str}],
    "revised_by": [str],
    "files": [{"name": str, "sha256": str, "bytes": int, "records": int, "format": str}],
}


def verify(data, key):
    """Verifies the bytes of a bundle with a key that is known from elsewhere; raises Refused."""
    try:
        zip_file = container.Container(data, MAX_FILES + 2)
        demand(len(zip_file.members) >= 2, "a bundle has a manifest and a signature")
        *files, manifest, signature = zip_file.members
        demand(manifest.name == MANIFEST and manifest.size <= MAX_MANIFEST, "the manifest is missing or too long")
        demand(signature.name == SIGNATURE and signature.size <= MAX_SIGNATURE, "the signature is missing or too long")
        zip_file.check_frame()
        text = zip_file.content(manifest)
        check_signature(zip_file.content(signature), text, key)
        about = canonical.read(SHAPE, text, MANIFEST)
        demand(about["schema"] == SCHEMA, "its schema is %r, known here is %r" % (about["schema"], SCHEMA))
        check_files(zip_file, files, about["files"])
        for member in zip_file.members:
            demand(zip_file.checksum(member) == member.crc, "the checksum of %s is wrong" % member.name)
    except Invalid as wrong:
        raise Refused(str(wrong))
    return {"what": "bundle of lock %d of trial %s, view %s" % (about["lock"]["number"], about["study"], about["view"]),
            "replayed": False, "late": 0, "lists": []}


def check_signature(signature, manifest, key):
    """The key signed the manifest, and the note is written in the one way."""
    opened = note.open_note(signature, key)
    digest = base64.b64encode(hashlib.sha256(manifest).digest()).decode()
    demand(opened.text == "%s\n%s\n" % (HEADING, digest), "the manifest is not the one that was signed")
    demand(len(opened.signatures) == 1 and not opened.others, "it wants one signature")
    name, raw = note.parse_signature(opened.signatures[0])
    again = "%s\n— %s %s\n" % (opened.text, name, base64.b64encode(raw).decode())
    demand(again.encode() == signature, "the signature is not written as signatures are")


def check_files(zip_file, members, files):
    """The files are those of the manifest, in its order, each with its bytes."""
    names = [f["name"] for f in files]
    demand(all(map(container.plain_path, names)) and len(set(names)) == len(names), "a file can't have that name")
    demand([m.name for m in members] == names, "the files are not those of the manifest")
    for member, of in zip(members, files):
        demand(member.size == of["bytes"], "%s has another length than the manifest says" % member.name)
        digest = hashlib.sha256()
        for piece in zip_file.pieces(member):
            digest.update(piece)
        demand(digest.hexdigest() == of["sha256"], "the content of %s is not what was signed" % member.name)
