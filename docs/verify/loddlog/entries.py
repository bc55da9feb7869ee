"""Single entries: what one must be, whatever comes before it.

Source: log-format.md, "Entries" and "Archive", step c.
"""

from collections import namedtuple

from . import dates, schema, tree, wire
from .refused import demand

CONDUCT, OUTCOME, DELIVERY, ALLOCATION = "conduct", "outcome", "delivery", "allocation"
COMPARTMENTS = (CONDUCT, OUTCOME, DELIVERY, ALLOCATION)
SYSTEM = "system"

VERSION = 1
NONCE_BYTES = REQUEST_BYTES = MAC_BYTES = 16
MAC_FIELD = b"\xa2\x06\x10"
MAX_STEP_BACK_MS = 9223372036854  # 292 years
EARLIEST_MS = -62135596800000  # the first moment of the year 1
KINDS = [name for name, _ in schema.KINDS.values()]
NO_REQUEST = bytes(REQUEST_BYTES)

# An entry: list and index say where it stands, event is the message of its kind.
# The leaf hash is there if a signature can be under the entry.
Entry = namedtuple("Entry", "list index at actor role request conduct_size kind event leaf")

# The kinds that a signature can be under.
SIGNABLE = ("form_submitted", "form_corrected")

# How many bytes a field of a kind has, if that is fixed.
LENGTHS = {
    "design_sealed": ("commitment", 32),
    "randomized": ("intent", REQUEST_BYTES),
    "plan_frozen": ("digest", 32),
    "form_signed": ("digest", 32),
    "account_invited": ("code_hash", 32),
    "recovery_approved": ("code_hash", 32),
    "identity_linked": ("subject", 32),
}

# Which fields of a kind are dates, or empty.
DATES = {
    "screened": ("on", "consent_on"),
    "consented": ("on",),
    "form_submitted": ("on",),
    "withdrawn": ("on",),
    "died": ("on",),
    "contingency_used": ("on",),
    "blind_broken": ("on",),
    "adverse_event_reported": ("on",),
}

# Where a kind belongs; all others belong in conduct. Forms, and what is about
# one of them, lie in one of two lists, and which one the protocol says.
BELONGS = {
    "design_kept": (ALLOCATION,),
    "allocated": (ALLOCATION,),
    "unblinded": (ALLOCATION,),
    "disclosure_proposed": (ALLOCATION,),
    "disclosure_approved": (ALLOCATION,),
    "arm_collected": (ALLOCATION,),
    "relatedness_assessed": (ALLOCATION,),
    "arms_viewed": (DELIVERY,),
    "contact_recorded": (DELIVERY,),
    "event_taken_in": (DELIVERY,),
    "visit_missed": (OUTCOME,),
    "blind_broken": (OUTCOME,),
    "form_submitted": (CONDUCT, OUTCOME),
    "form_corrected": (CONDUCT, OUTCOME),
    "form_signed": (CONDUCT, OUTCOME),
    "text_judged": (CONDUCT, OUTCOME),
    **{name: (SYSTEM,) for name, _ in schema.SYSTEM_KINDS.values()},
}


def parse(list_name, index, data):
    """Reads an entry as it is stored. Its dates become numbers, see dates.py."""
    entry = schema.ENTRY.read(data)
    demand(entry["version"] == VERSION, "its version is %d, known here is %d" % (entry["version"], VERSION))
    demand(len(entry["nonce"]) == NONCE_BYTES, "its nonce has another length than 16 bytes")
    demand(len(entry["mac"]) == MAC_BYTES, "it has no code of 16 bytes at its end")
    request = entry["request_id"] or NO_REQUEST
    demand(len(request) == REQUEST_BYTES, "its request id has another length than 16 bytes")
    demand(not entry["request_id"] or request != NO_REQUEST, wire.REWRITTEN)
    kinds = [name for name in KINDS if entry[name] is not None]
    demand(len(kinds) == 1, "it must say one thing, but says %d" % len(kinds))
    kind, event = kinds[0], entry[kinds[0]]
    check_event(kind, event)
    return Entry(list_name, index, entry["at_unix_ms"], entry["actor"], entry["role"], request,
                 entry["conduct_size"], kind, event, tree.leaf(data) if kind in SIGNABLE else b"")


def check_event(kind, event):
    """Checks lengths and dates, and turns dates into numbers."""
    if kind in LENGTHS:
        field, length = LENGTHS[kind]
        demand(len(event[field]) == length, "its %s has another length than %d bytes" % (field, length))
    for field in DATES.get(kind, ()):
        event[field] = date(event[field])
    for consent in event["consents"] if kind == "trial_created" else ():
        consent["approved"] = date(consent["approved"])
    if kind == "contingency_printed":
        demand([len(r) for r in event["recipients"]] == [32, 32], "it has not two recipients of 32 bytes")
    if kind == "role_granted":
        demand(event["expires_unix_ms"] >= 0, "it ends before 1970")
    if kind == "clock_stepped_back":
        demand(0 <= event["by_ms"] <= MAX_STEP_BACK_MS, "a clock can't step back so far")


def date(text):
    """Returns a date as a number, and None for no date."""
    if text == "":
        return None
    number = dates.parse(text)
    demand(number is not None, "%r is no date of the form 2026-11-22" % text)
    return number


def belongs(entry, where):
    """Reports whether an entry can lie in a compartment, or in system."""
    return where in BELONGS.get(entry.kind, (CONDUCT,))
