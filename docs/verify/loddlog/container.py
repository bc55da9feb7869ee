"""ZIP files that were written in the one way in which Lodd writes them.

Source: log-format.md, "Bundle"; PKWARE APPNOTE 6.3.10 (2022).
"""

import re
import struct
import zlib
from collections import namedtuple

from .refused import demand

Member = namedtuple("Member", "name size crc offset")

LOCAL, DIRECTORY, END = 0x04034B50, 0x02014B50, 0x06054B50
LOCAL_SIZE, DIRECTORY_SIZE, END_SIZE = 30, 46, 22
VERSION, DATE = 10, 33  # uncompressed; 1 January 1980
MAX_NAME = 200
MAX_BYTES = 2**32 - 2**25
CHUNK = 1 << 20


class Container:
    """A ZIP file, whose bytes may be a memory map of it."""

    def __init__(self, data, most):
        """Finds the members, of which there are 1 to most."""
        self.data = data
        end = self.bytes(len(data) - END_SIZE, END_SIZE)
        magic, _, count, length, start, _ = struct.unpack("<I6sHIIH", end)
        demand(magic == END and start + length + END_SIZE == len(data),
               "its end is not where it should be: the file was cut, or something was added, or it is no such file")
        demand(1 <= count <= most and length <= count * (DIRECTORY_SIZE + MAX_NAME),
               "%d members in a directory of %d bytes are impossible" % (count, length))
        self.start = start
        self.directory = self.bytes(start, length + END_SIZE)
        self.members = list(parse_directory(self.directory[:length]))
        demand(len(self.members) == count, "the directory has another number of members than it says")

    def bytes(self, at, count):
        """Reads bytes that lie in the file, unless its structure is wrong."""
        demand(0 <= at and 0 <= count <= len(self.data) - at, "it ends too early")
        return self.data[at:at + count]

    def content(self, member):
        """Returns the whole content of a member."""
        return self.bytes(self.begin(member), member.size)

    def begin(self, member):
        """Returns where the content of a member begins."""
        return member.offset + LOCAL_SIZE + len(member.name)

    def pieces(self, member, size=CHUNK):
        """Yields the content of a member, piece by piece."""
        at, end = self.begin(member), self.begin(member) + member.size
        while at < end:
            yield self.bytes(at, min(size, end - at))
            at += size

    def checksum(self, member):
        """Computes the CRC-32 of a member."""
        crc = 0
        for piece in self.pieces(member):
            crc = zlib.crc32(piece, crc)
        return crc

    def check_frame(self):
        """Compares headers and directory with the ones that Lodd writes.

        The checksums are taken from the directory: whether they are those of
        the contents, whoever reads the contents finds out.
        """
        at = 0
        for member in self.members:
            header = local(member)
            demand(member.offset == at and self.bytes(at, len(header)) == header,
                   "the header of %r is not the one that was written" % member.name)
            at += len(header) + member.size
        demand(at == self.start and directory(self.members, at) == self.directory,
               "the directory is not the one that was written")


def parse_directory(data):
    """Yields the members that a directory names."""
    at = 0
    while at < len(data):
        demand(at + DIRECTORY_SIZE <= len(data), "the directory ends within a member")
        crc, size, length = struct.unpack_from("<I4xIH", data, at + 16)
        offset, = struct.unpack_from("<I", data, at + 42)
        at += DIRECTORY_SIZE
        demand(at + length <= len(data), "the directory ends within a member")
        yield Member(data[at:at + length].decode("latin-1"), size, crc, offset)
        at += length


def fields(member):
    """Writes what a local header and the directory share."""
    return struct.pack("<HHHHHIIIHH", VERSION, 0, 0, 0, DATE, member.crc, member.size, member.size, len(member.name), 0)


def local(member):
    """Writes the header before the content."""
    return struct.pack("<I", LOCAL) + fields(member) + member.name.encode("latin-1")


def directory(members, start):
    """Writes the directory and the end of the file."""
    out = b""
    for member in members:
        out += struct.pack("<IH", DIRECTORY, VERSION) + fields(member) + bytes(10)
        out += struct.pack("<I", member.offset) + member.name.encode("latin-1")
    end = struct.pack("<IIHHIIH", END, 0, len(members), len(members), len(out), start, 0)
    return out + end


def plain_path(name):
    """Reports whether a member can have this name: one that means the same everywhere."""
    parts = name.split("/")
    return (re.fullmatch("[A-Za-z0-9._/-]{1,200}", name) is not None
            and not any(p == "" or p.startswith(".") or p.endswith(".") for p in parts))
