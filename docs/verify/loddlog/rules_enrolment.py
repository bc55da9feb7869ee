"""The rules from screening to allocation.

Source: log-rules.md, section N. Each function of RULES is called with the
trial and an entry of one kind: it refuses the entry, or moves the trial past it.
"""

from .entries import NO_REQUEST
from .refused import demand
from .state import BASELINE, Participant

EXCLUSIONS = ("not-eligible", "declined", "other")
ENVELOPES = ("server-down", "network-down", "other")
CORRECTIONS = ("misread", "mistyped", "changed-source", "other")
INTENT_LIFE_MS = 15 * 60 * 1000


def screened(trial, entry):  # N4
    event = entry.event
    demand(event["participant"] not in trial.participants, "the screening number is in the log already")
    demand(trial.open, "enrolment is not open")
    demand(event["site"] in trial.sites, "%r is no site" % event["site"])
    trial.past(entry, event["on"])
    check_levels(trial, event["levels"])
    if event["consent_version"] or event["consent_on"] is not None:
        check_consent(trial, entry, event["consent_version"], event["consent_on"])
    person = trial.participants[event["participant"]] = Participant(event["participant"], event["site"])
    person.levels = person.true_levels = event["levels"]
    person.consent, person.consent_on = event["consent_version"], event["consent_on"]
    if event["assessed"]:
        assess(person, event["eligible"])


def check_levels(trial, levels):
    """There is one of the levels of each factor, in their order."""
    demand(len(levels) == len(trial.factors), "it has not one level for each factor")
    for level, (factor, known) in zip(levels, trial.factors):
        demand(level in known, "%r is no level of %s" % (level, factor))


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
    person.consent, person.consent_on = entry.event["version"], entry.event["on"]


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
    prepared(trial, person)
    return person


def prepared(trial, person):
    """N9, N14: consent, eligibility and baseline are there."""
    demand(person.consent, "no consent of %s is recorded" % person.number)
    demand(person.assessed and person.eligible, "participant %s is not known to be eligible" % person.number)
    for form in trial.forms_at(BASELINE):
        demand((BASELINE, form) in person.submitted, "a form of the baseline of %s is missing" % person.number)


def randomization_prepared(trial, entry):  # N10
    demand(entry.request != NO_REQUEST, "it has no request id")
    demand(entry.request not in trial.intents, "this randomization is prepared already")
    ready(trial, entry.event["participant"])
    trial.intents[entry.request] = entry.event["participant"], entry.at


def randomized(trial, entry):  # N11
    number, intent = entry.event["participant"], entry.event["intent"]
    demand(intent in trial.intents, "it was not prepared")
    demand(not trial.unallocated, "participant %s has no allocation yet" % trial.unallocated)
    whom, since = trial.intents[intent]
    demand(whom == number, "another participant was prepared")
    person = ready(trial, number)
    demand(since is not None, "the levels of the participant were corrected since it was prepared")  # N15
    demand(entry.at - since <= INTENT_LIFE_MS, "it was prepared more than 15 minutes earlier")
    enrol(trial, entry, person)
    person.slot = trial.slots.get(person.stratum, 0)
    trial.slots[person.stratum] = person.slot + 1


def enrol(trial, entry, person):
    """The participant is randomized, and waits for the allocation."""
    person.randomized_at, person.place, person.stratum = entry.at, entry.index, stratum(trial, person)
    trial.unallocated, trial.unallocated_at = person.number, entry.index


def contingency_used(trial, entry):  # N14
    event = entry.event
    person = trial.screening(event["participant"])
    bound(trial)
    demand(not trial.fenced, "the trial was restored and is not reconciled")
    demand(trial.opened, "enrolment was never open")
    demand(not trial.unsealed, "the trial is unsealed")
    prepared(trial, person)
    demand(1 <= event["envelope"] <= trial.envelopes, "there is no such envelope")
    demand((stratum(trial, person), event["envelope"]) not in trial.used_envelopes, "the envelope is used already")
    demand((stratum(trial, person), event["envelope"]) not in trial.spoiled_envelopes, "the envelope is spoiled")
    trial.past(entry, event["on"])
    demand(person.consent_on is None or event["on"] >= person.consent_on, "the envelope was opened before the consent")
    demand(trial.closed_on is None or event["on"] <= trial.closed_on, "the envelope was opened after the end of enrolment")
    demand(event["witness"] not in ("", entry.actor), "one person alone opened the envelope")
    demand(event["reason"] in ENVELOPES, "%r is no reason to open an envelope" % event["reason"])
    demand(not trial.unallocated, "participant %s has no allocation yet" % trial.unallocated)
    enrol(trial, entry, person)
    person.envelope, person.opened_on, person.slot = event["envelope"], event["on"], event["envelope"] - 1
    trial.used_envelopes.add((person.stratum, event["envelope"]))
    trial.proposal = None


def bound(trial):
    """The sequences are settled: the design is kept and awaits no entropy."""
    demand(trial.kept, "no design is sealed and kept")
    demand(not trial.awaits_entropy, "a contribution to the seed is still to come")


def levels_corrected(trial, entry):  # N15
    event = entry.event
    person = trial.participant(event["participant"])
    demand(not person.excluded, "participant %s is excluded" % person.number)
    check_levels(trial, event["levels"])
    demand(event["reason"] in CORRECTIONS, "%r is no reason to correct levels" % event["reason"])
    demand(event["levels"] != person.true_levels, "it corrects nothing")
    person.true_levels = event["levels"]
    if person.randomized_at is None:
        person.levels = event["levels"]
        for intent, (whom, _) in trial.intents.items():
            if whom == person.number:
                trial.intents[intent] = whom, None


def stratum(trial, person):
    """N13: how the sequence is named that a participant belongs to."""
    return person.site + "".join("/%s=%s" % (factor, level) for (factor, _), level in zip(trial.factors, person.levels))


def allocated(trial, entry):  # N12
    event = entry.event
    person = trial.participants.get(event["participant"])
    demand(person is not None and trial.unallocated == person.number, "nobody of that number was just randomized")
    demand((event["stratum"], event["slot"]) == (person.stratum, person.slot),
           "it is slot %d of %s, but the next one is %d of %s" % (event["slot"], event["stratum"], person.slot, person.stratum))
    demand(event["contingency"] == (person.envelope > 0), "it is out of the wrong sequence")
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
    "contingency_used": contingency_used,
    "levels_corrected": levels_corrected,
}
