"""Protocol buffers, as far as the entries of the log need them.

Source: "Encoding", protobuf.dev (2024); log-format.md, "Archive", step c.
"""

from collections import namedtuple

from .refused import Invalid, demand

VARINT, LENGTH = 0, 2  # the two of the six types of the wire that are in use

UNKNOWN = "it has a field that is unknown here: a later version of lodd wrote it, or nobody did"
REWRITTEN = "it is not written in the one way in which entries are"

Field = namedtuple("Field", "name wire repeated read")


class Message:
    """How a message is written: from the number of a field to name and kind.

    A kind is one of READ, another message written in this way, or a list of
    one of them: a field that can come more than once. What is read is a
    dictionary from names to values, in which a field that was not written is
    zero, empty or False, and a message that was not written is None.
    """

    def __init__(self, fields):
        self.fields, self.blank, self.lists = {}, {}, []
        for number, (name, kind) in fields.items():
            repeated = isinstance(kind, list)
            kind = kind[0] if repeated else kind
            inner = isinstance(kind, dict)
            wire = VARINT if not inner and kind in NUMBERS else LENGTH
            self.fields[number] = Field(name, wire, repeated, Message(kind).read_complete if inner else READ[kind])
            self.blank[name] = None if inner else ZERO[kind]
            if repeated:
                self.lists.append(name)

    def read(self, data):
        """Reads a message.

        There is one way to write it: fields in the order of their numbers, and
        none that is zero or empty. Anything else is refused.
        """
        message = dict(self.blank)
        message.update((name, []) for name in self.lists)
        at = last = 0
        while at < len(data):
            tag, at = varint(data, at)
            field = self.fields.get(tag >> 3)
            demand(field is not None and field.wire == tag & 7, UNKNOWN)
            demand(tag > last or tag == last and field.repeated, REWRITTEN)
            last = tag
            value, at = varint(data, at)
            if field.wire == LENGTH:
                demand(value <= len(data) - at, "it ends within a field")
                value, at = data[at:at + value], at + value
            value = field.read(value)
            if field.repeated:
                message[field.name].append(value)
            else:
                demand(value or isinstance(value, dict), REWRITTEN)
                message[field.name] = value
        return message

    def read_complete(self, data):
        """Reads a message in another one, where those in it are always written."""
        message = self.read(data)
        demand(None not in message.values(), REWRITTEN)
        return message


def varint(data, at):
    """Returns a number of seven bits a byte, lowest first, and where it ends."""
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        demand(at < len(data), "it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            demand(byte and value < 1 << 64, REWRITTEN)
            return value, at
    raise Invalid(REWRITTEN)


def signed(bits):
    """Returns what reads a signed number of so many bits."""
    def read(value):
        value = value - (1 << 64) if value >> 63 else value
        demand(-1 << (bits - 1) <= value < 1 << (bits - 1), REWRITTEN)
        return value
    return read


def unsigned(bits):
    """Returns what reads a number without a sign."""
    def read(value):
        demand(value < 1 << bits, REWRITTEN)
        return value
    return read


def boolean(value):
    """Reads yes or no."""
    demand(value < 2, REWRITTEN)
    return value == 1


def text(value):
    """Reads a string."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("a text in it is no UTF-8")


NUMBERS = {"bool": boolean, "uint32": unsigned(32), "int32": signed(32), "int64": signed(64)}
READ = {**NUMBERS, "string": text, "bytes": bytes}
ZERO = {"bool": False, "uint32": 0, "int32": 0, "int64": 0, "string": "", "bytes": b""}
