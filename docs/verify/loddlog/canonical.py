"""JSON documents that were written in the one way in which Lodd writes them.

Source: log-format.md, "manifest.json"; RFC 8259 (2017).
"""

import json

from .refused import Invalid, demand

# A document is a dictionary from the name of a field, in the order in which the
# fields are written, to its kind: str, int, bool, another such dictionary, or a
# list of one kind.


def read(shape, data, what):
    """Returns a document of a shape, of which there may be no other spelling."""
    try:
        document = pick(shape, json.loads(data.decode("utf-8")))
        again = (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
    except (ValueError, RecursionError):
        raise Invalid("%s can't be read" % what)
    for sign in "\u2028", "\u2029":  # the ends of lines that JavaScript knows
        again = again.replace(sign.encode("utf-8"), b"\\u%04x" % ord(sign))
    demand(again == data, "%s is not written as it always is" % what)
    return document


def pick(shape, value):
    """Returns a value of a shape; ValueError if it is none."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise ValueError("no object")
        return {name: pick(kind, value.get(name)) for name, kind in shape.items()}
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise ValueError("no list")
        return [pick(shape[0], v) for v in value]
    if type(value) is not shape or shape is int and not -2**63 <= value < 2**63:
        raise ValueError("no %s" % shape.__name__)
    return value
