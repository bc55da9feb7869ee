"""The rules from screening to allocation.

Source: log-rules.md, section N. Each function of RULES is called with the
trial and an entry of one kind: it refuses the entry, or moves the trial past it.
"""

from .entries import NO_REQUEST
from .refused import demand
from .state import BASELINE, Participant

EXCLUSIONS = ("not-eligible", "declined", "other")
INTENT_LIFE_MS = 15 * 60 * 1000


def screened(trial, entry):  # N4
    event = entry.event
    demand(event["participant"] not in trial.participants, "the screening number is in the log already")
    demand(trial.open, "enrolment is not open")
    demand(event["site"] in trial.sites, "%r is no site" % event["site"])
    trial.past(entry, event["on"])
    demand(len(event["levels"]) == len(trial.factors), "it has not one level for each factor")
    for level, (factor, known) in zip(event["levels"], trial.factors):
        demand(level in known, "%r is no level of %s" % (level, factor))
    if event["consent_version"] or event["consent_on"] is not None:
        check_consent(trial, entry, event["consent_version"], event["consent_on"])
    person = trial.participants[event["participant"]] = Participant(event["participant"], event["site"])
    person.levels, person.consent = event["levels"], event["consent_version"]
    if event["assessed"]:
        assess(person, event["eligible"])


def check_consent(trial, entry, version, on):
    """N5: the version is approved, and was signed after that and not in the future."""
    approved = [c["approved"] for c in trial.consents if c["version"] == version][:1]
    demand(approved, "version %r of the consent form is not approved" % version)
    trial.past(entry, on)
    demand(approved[0] is None or on >= approved[0], "the consent is earlier than the approval of its form")


def assess(person, eligible):
    """N7: who is not eligible is excluded."""
    person.assessed, person.eligible = True, eligible
    if not eligible:
        person.excluded = EXCLUSIONS[0]


def consented(trial, entry):  # N6
    person = trial.screening(entry.event["participant"])
    demand(not person.consent, "a consent is recorded already")
    check_consent(trial, entry, entry.event["version"], entry.event["on"])
    person.consent = entry.event["version"]


def eligibility_assessed(trial, entry):  # N7
    person = trial.screening(entry.event["participant"])
    demand(not person.assessed, "the criteria are answered already")
    assess(person, entry.event["eligible"])


def excluded(trial, entry):  # N8
    event = entry.event
    demand(event["reason"] in EXCLUSIONS, "%r is no reason for an exclusion" % event["reason"])
    number, site = event["participant"], event["site"]
    if number not in trial.participants:
        demand(trial.open, "enrolment is not open")
        demand(site in trial.sites, "%r is no site" % site)
        trial.participants[number] = Participant(number, site)
    person = trial.screening(number)
    demand(site in ("", person.site), "participant %s is screened at another site" % number)
    person.excluded = event["reason"]


def ready(trial, number):
    """N9: nothing stands between a participant and randomization."""
    person = trial.screening(number)
    demand(not trial.fenced, "the trial was restored and is not reconciled")
    demand(trial.open, "enrolment is not open")
    demand(person.consent, "no consent of %s is recorded" % number)
    demand(person.assessed and person.eligible, "participant %s is not known to be eligible" % number)
    for form in trial.forms_at(BASELINE):
        demand((BASELINE, form) in person.submitted, "a form of the baseline of %s is missing" % number)
    return person


def randomization_prepared(trial, entry):  # N10
    demand(entry.request != NO_REQUEST, "it has no request id")
    demand(entry.request not in trial.intents, "this randomization is prepared already")
    ready(trial, entry.event["participant"])
    trial.intents[entry.request] = entry.event["participant"], entry.at


def randomized(trial, entry):  # N11
    number, intent = entry.event["participant"], entry.event["intent"]
    demand(intent in trial.intents, "it was not prepared")
    demand(not trial.unallocated, "participant %s has no allocation yet" % trial.unallocated)
    whom, prepared = trial.intents[intent]
    demand(whom == number, "another participant was prepared")
    person = ready(trial, number)
    demand(entry.at - prepared <= INTENT_LIFE_MS, "it was prepared more than 15 minutes earlier")
    person.randomized_at, person.stratum = entry.at, stratum(trial, person)
    person.slot = trial.slots.get(person.stratum, 0)
    trial.slots[person.stratum] = person.slot + 1
    trial.unallocated, trial.unallocated_at = number, entry.index


def stratum(trial, person):
    """N13: how the sequence is named that a participant belongs to."""
    return person.site + "".join("/%s=%s" % (factor, level) for (factor, _), level in zip(trial.factors, person.levels))


def allocated(trial, entry):  # N12
    event = entry.event
    person = trial.participants.get(event["participant"])
    demand(person is not None and trial.unallocated == person.number, "nobody of that number was just randomized")
    demand((event["stratum"], event["slot"]) == (person.stratum, person.slot),
           "it is slot %d of %s, but the next one is %d of %s" % (event["slot"], event["stratum"], person.slot, person.stratum))
    demand(event["sealed"], "it has no sealed arm")
    trial.unallocated, trial.unallocated_at = "", -1


RULES = {
    "screened": screened,
    "consented": consented,
    "eligibility_assessed": eligibility_assessed,
    "excluded": excluded,
    "randomization_prepared": randomization_prepared,
    "randomized": randomized,
    "allocated": allocated,
}
