"""The rules of adverse events and of contacts with treatment teams.

Source: log-rules.md, section A. Each function of RULES is called with the trial
and an entry of one kind: it refuses the entry, or moves the trial past it.
"""

from .refused import demand
from .state import SERVER

CATEGORIES = ("psychiatric-admission", "relapse", "overdose", "suicide-attempt", "admission", "death", "other-medical",
              "other-social")
SITE, TEAM = REPORTERS = ("site", "treatment-team")
RELATIONS = ("unrelated", "possible", "related")


def adverse_event_reported(trial, entry):  # A1
    event = entry.event
    person = trial.randomized(event["participant"])
    demand(not trial.untaken, "nobody took in adverse event %d" % trial.untaken)
    demand(event["number"] == trial.adverse_events + 1, "it is not the next number")
    trial.past(entry, event["on"])
    trial.after_randomization(person, event["on"])
    demand(event["category"] in CATEGORIES, "%r is no category" % event["category"])
    demand(event["reporter"] in REPORTERS, "%r is no reporter" % event["reporter"])
    demand((event["reporter"] == TEAM) == (entry.actor == SERVER), "the server enters what teams report, and nothing else")
    trial.adverse_events = event["number"]
    if event["reporter"] == TEAM:
        trial.untaken, trial.untaken_at = event["number"], entry.index


def event_taken_in(trial, entry):  # A2
    demand(trial.untaken and entry.event["number"] == trial.untaken, "no team reported this event just now")
    demand(entry.actor == SERVER, "the server takes in what teams report, and nobody else")
    sealed(entry)
    trial.untaken, trial.untaken_at = 0, -1


def adverse_event_assessed(trial, entry):  # A3
    exists(trial, entry)
    demand(entry.event["related"] in RELATIONS, "%r is no judgement" % entry.event["related"])


def relatedness_assessed(trial, entry):  # A4
    exists(trial, entry)
    sealed(entry)


def contact_recorded(trial, entry):  # A5
    sealed(entry)


def exists(trial, entry):
    demand(1 <= entry.event["number"] <= trial.adverse_events, "there is no such event")


def sealed(entry):
    demand(entry.event["sealed"], "nothing is sealed")


RULES = {
    "adverse_event_reported": adverse_event_reported,
    "event_taken_in": event_taken_in,
    "adverse_event_assessed": adverse_event_assessed,
    "relatedness_assessed": relatedness_assessed,
    "contact_recorded": contact_recorded,
}
