"""Protocol buffers, as far as the entries of the log need them.

Source: "Encoding", protobuf.dev (2024); log-rules.md, "One way to write an
entry". A message is a dictionary from the name of a field to its value. What
was not written is zero, empty or False.
"""

from .refused import Invalid, demand

VARINT, LENGTH = 0, 2  # the two of the six types of the wire that are in use

ZERO = {"string": "", "bytes": b"", "bool": False, "int32": 0, "int64": 0, "uint32": 0}

# The least and the largest value of each kind of number.
RANGE = {
    "bool": (0, 1),
    "uint32": (0, 2**32 - 1),
    "int32": (-2**31, 2**31 - 1),
    "int64": (-2**63, 2**63 - 1),
}

UNKNOWN = "it has a field that is unknown here: a later version of lodd wrote it, or nobody did"
REWRITTEN = "it is not written in the one way in which entries are"


def decode(fields, data):
    """Reads a message; fields is its table in schema.py.

    There is one way to write a message: fields in the order of their numbers,
    and none that is zero or empty. Anything else is refused.
    """
    message = {name: blank(kind) for name, kind in fields.values()}
    at = last = 0
    while at < len(data):
        tag, at = varint(data, at)
        field = tag >> 3
        demand(field in fields, UNKNOWN)
        name, kind = fields[field]
        repeated = isinstance(kind, list)
        demand(field > last or repeated and field == last, REWRITTEN)
        last = field
        value, at = read(kind[0] if repeated else kind, tag & 7, data, at)
        if repeated:
            message[name].append(value)
        else:
            demand(value or isinstance(value, dict), REWRITTEN)
            message[name] = value
    return message


def blank(kind):
    """Returns what a field is that was not written; None for a message."""
    return [] if isinstance(kind, list) else None if isinstance(kind, dict) else ZERO[kind]


def read(kind, wire, data, at):
    """Returns the value of a field, and where the next one begins."""
    inner = isinstance(kind, dict)
    if not inner and kind in RANGE:
        demand(wire == VARINT, UNKNOWN)
        value, at = varint(data, at)
        return number(kind, value), at
    demand(wire == LENGTH, UNKNOWN)
    length, at = varint(data, at)
    demand(length <= len(data) - at, "it ends within a field")
    value = data[at:at + length]
    return (complete(kind, value) if inner else text(value) if kind == "string" else value), at + length


def complete(fields, data):
    """Reads a message in a message, where those in it are always written."""
    message = decode(fields, data)
    demand(None not in message.values(), REWRITTEN)
    return message


def varint(data, at):
    """Returns a number of seven bits a byte, lowest first, at most 64 bits."""
    value = 0
    for shift in range(0, 70, 7):
        demand(at < len(data), "it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            demand(value < 1 << 64 and (byte or not shift), REWRITTEN)
            return value, at
    raise Invalid(REWRITTEN)


def number(kind, value):
    """Returns the number of a kind that 64 bits stand for."""
    least, most = RANGE[kind]
    if least < 0 and value >= 1 << 63:
        value -= 1 << 64
    demand(least <= value <= most, REWRITTEN)
    return bool(value) if kind == "bool" else value


def text(value):
    """Decodes a string."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("a text in it is no UTF-8")
