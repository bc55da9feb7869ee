"""Archives of the log: structure, signatures, hashes, entries, rules.

Source: log-format.md, "Archive"; log-rules.md. The steps are those of the
documents, and the first failure is the verdict.
"""

import re

from . import canonical, container, entries, note, tree
from .refused import Invalid, Refused, demand
from .replay import replay

SCHEMA = "lodd.archive/1"
ABOUT = "archive.json"
MEMBERS = ("/checkpoint", "/leaves", "/entries")
MAX_ABOUT = 64 << 10
MAX_LISTS = 16
RECORD_HEAD = 10  # bytes of index and length before an entry

SHAPE = {
    "schema": str, "origin": str, "trial": str, "key": str,
    "lists": [{"list": str, "size": int, "entries": int}],
}


class Archive:
    """An archive whose frame is in order: what it says of itself, and its lists."""

    def __init__(self, data):
        """Step a: the ZIP file, archive.json, and that they fit together."""
        self.zip = container.Container(data, 1 + len(MEMBERS) * MAX_LISTS)
        self.zip.check_frame()
        first = self.zip.members[0]
        demand(first.name == ABOUT and first.size <= MAX_ABOUT, "it does not begin with %s" % ABOUT)
        demand(self.zip.checksum(first) == first.crc, "the checksum of %s is wrong" % ABOUT)
        self.about = canonical.read(SHAPE, self.zip.content(first), ABOUT)
        check_about(self.about)
        self.lists = self.about["lists"]
        demand(len(self.zip.members) == 1 + len(MEMBERS) * len(self.lists), "it has another number of members than its lists need")
        for i, about in enumerate(self.lists):
            for member, suffix in zip(self.members(i), MEMBERS):
                demand(member.name == about["list"] + suffix, "%r is in the place of another member" % member.name)
            demand(self.members(i)[1].size == 32 * about["size"], "%s/leaves has another length than it says" % about["list"])

    def members(self, i):
        """Returns checkpoint, leaves and entries of list i."""
        return self.zip.members[1 + len(MEMBERS) * i:1 + len(MEMBERS) * (i + 1)]

    def leaves(self, i):
        """Yields the leaf hashes of list i."""
        for piece in self.zip.pieces(self.members(i)[1]):
            for at in range(0, len(piece), 32):
                yield piece[at:at + 32]

    def leaf(self, i, index):
        """Returns one leaf hash of list i."""
        return self.zip.bytes(self.zip.begin(self.members(i)[1]) + 32 * index, 32)

    def records(self, i):
        """Yields index and bytes of the entries of list i that are here."""
        about, member = self.lists[i], self.members(i)[2]
        at, end, least = self.zip.begin(member), self.zip.begin(member) + member.size, 0
        short = "its entries end too early"
        for _ in range(about["entries"]):
            if end - at < RECORD_HEAD:
                raise Refused(short, about["list"])
            head = self.zip.bytes(at, RECORD_HEAD)
            index, length = int.from_bytes(head[:8], "big"), int.from_bytes(head[8:], "big")
            if not least <= index < about["size"]:
                raise Refused("an entry has the index %d" % index, about["list"])
            if end - at - RECORD_HEAD < length:
                raise Refused(short, about["list"], index)
            yield index, self.zip.bytes(at + RECORD_HEAD, length)
            at, least = at + RECORD_HEAD + length, index + 1
        if at != end:
            raise Refused("it has more entries than it says", about["list"])

    def entries(self, i):
        """Yields the entries of list i, each checked by itself."""
        name = self.lists[i]["list"]
        for index, data in self.records(i):
            try:
                yield entries.parse(name, index, data)
            except Invalid as wrong:
                raise Refused(str(wrong), name, index)


def check_about(about):
    """Checks what archive.json says, as far as nothing else is needed for that."""
    demand(about["schema"] == SCHEMA, "its schema is %r, known here is %r" % (about["schema"], SCHEMA))
    demand(re.fullmatch("[!-*,-~]{1,200}", about["origin"]), "the origin can't be that of an instance")
    demand(re.fullmatch("[A-Z0-9-]{1,32}", about["trial"]), "the trial can't have that name")
    demand(re.fullmatch("[!-~]+", about["key"]), "its key is no key of a log")
    note.parse_key(about["key"])
    names = [about["list"] for about in about["lists"]]
    demand(1 <= len(names) <= MAX_LISTS, "it has %d lists" % len(names))
    demand(names == sorted(set(names)), "its lists are not sorted, or one comes twice")
    for of in about["lists"]:
        demand(re.fullmatch("[A-Za-z0-9._/-]{1,200}", of["list"]), "%r can't be the name of a list" % of["list"])
        demand(0 <= of["entries"] <= of["size"] <= container.MAX_BYTES // 32, "list %s can't have so many entries" % of["list"])


def verify(data, key):
    """Verifies the bytes of an archive and returns what was found; raises Refused.

    The key is that of the log, known from elsewhere, or None: then the
    archive's own is believed.
    """
    try:
        archive = Archive(data)
        key = key or note.parse_key(archive.about["key"])
    except Invalid as wrong:
        raise Refused(str(wrong))
    for i in range(len(archive.lists)):
        check_hashes(archive, i, key)
    for i in range(len(archive.lists)):
        check_entries(archive, i)
    late = replay(archive)
    return {"what": "archive of trial %s" % archive.about["trial"], "replayed": late == 0, "late": late or 0, "lists": archive.lists}


def check_hashes(archive, i, key):
    """Step b: the head of a list is signed, and its entries are those of the head."""
    about, (signed, leaves, records) = archive.lists[i], archive.members(i)
    name = about["list"]
    try:
        demand(signed.size <= note.MAX_NOTE, "its checkpoint is too long")
        head = note.open_checkpoint(archive.zip.content(signed), key)
        demand(head.origin == archive.about["origin"] + "/" + name and head.size == about["size"],
               "its checkpoint is of %d entries of %s" % (head.size, head.origin))
        demand(tree.root(archive.leaves(i)) == head.root, "its hashes do not add up to the root that was signed")
    except Invalid as wrong:
        raise Refused(str(wrong), name)
    for index, data in archive.records(i):
        if tree.leaf(data) != archive.leaf(i, index):
            raise Refused("it is not the entry whose hash was signed", name, index)
    for member in signed, leaves, records:
        if archive.zip.checksum(member) != member.crc:
            raise Refused("the checksum of %s is wrong" % member.name, name)


def check_entries(archive, i):
    """Step c: each entry of a list is one, belongs there, and is not earlier than the one before."""
    name = archive.lists[i]["list"]
    where = compartment(archive, name)
    last, conduct = entries.EARLIEST_MS, 0
    for entry in archive.entries(i):
        if not entries.belongs(entry, where):
            reason = "%s does not belong in this list" % entry.kind
        elif where in (entries.SYSTEM, entries.CONDUCT) and entry.conduct_size != 0:
            reason = "it has the size of conduct, which entries of this list do not have"
        elif entry.conduct_size < conduct:
            reason = "it was decided when conduct had fewer entries than for the entry before it"
        elif entry.at < last:
            reason = "it is earlier than the entry before it"
        else:
            last, conduct = entry.at, entry.conduct_size
            continue
        raise Refused(reason, name, entry.index)


def compartment(archive, name):
    """Returns which compartment of the trial a list is, or system."""
    if name == entries.SYSTEM:
        return name
    for where in entries.COMPARTMENTS:
        if name == archive.about["trial"] + "/" + where:
            return where
    raise Refused("trial %s has no such list" % archive.about["trial"], name)
