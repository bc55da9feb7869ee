"""The rules of signatures and held texts.

Source: log-rules.md, section F from F10 on. Each function of RULES is called
with the trial and an entry of one kind: it refuses the entry, or moves the trial
past it.
"""

import hashlib

from .refused import demand
from .state import ASSESSOR, COORDINATOR, INVESTIGATOR

MEANINGS = ("authorship", "review", "approval")
APPROVAL = MEANINGS[2]


def form_signed(trial, entry):  # F11
    event = entry.event
    demand(event["meaning"] in MEANINGS, "a signature can't mean %r" % event["meaning"])
    approval = event["meaning"] == APPROVAL
    visit, form = trial.place(entry, COORDINATOR if approval else entry.role)
    demand(not approval or entry.role == INVESTIGATOR, "approval is the investigator's")
    person = trial.participant(event["participant"])
    version = person.submitted.get((visit, form))
    demand(version is not None, "the form is not submitted yet")
    demand(version.at == event["at"], "the form was changed since")
    demand(event["name"], "it has no printed name")
    still_blind(person, entry)
    key = visit, form, event["at"], entry.actor, event["meaning"]
    demand(key not in person.signatures, "the same account has signed it already")
    demand(hashlib.sha256(version.leaves).digest() == event["digest"],  # F12
           "the digest that was signed is not that of the form's entries")
    person.signatures.add(key)


def still_blind(person, entry):
    """F10: an assessor whose blind is broken for a participant writes nothing more about that one."""
    demand(entry.role != ASSESSOR or entry.actor not in person.blind_broken, "the blind of the assessor is broken")


def check_held(entry):
    """F13: the items that are held are named once each."""
    held = entry.event["held"]
    demand("" not in held and len(held) == len(set(held)), "an item that is held has no name or is named twice")


def hold(person, entry):
    """F13: what is held waits for a reviewer."""
    for item in entry.event["held"]:
        person.texts[entry.event["visit"], entry.event["form"], entry.index, item] = False


def text_judged(trial, entry):  # F14
    event = entry.event
    person = trial.participant(event["participant"])
    key = event["visit"], event["form"], event["at"], event["item"]
    demand(key in person.texts, "no such text is held")
    demand(not person.texts[key], "the text is judged already")
    person.texts[key] = True


RULES = {
    "form_signed": form_signed,
    "text_judged": text_judged,
}
