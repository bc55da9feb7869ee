"""The rules of set-up, locks and restores.

Source: log-rules.md, sections S and X. Each function is called with the trial
and an entry of one kind: it refuses the entry, or moves the trial past it.
"""

from . import dates
from .refused import demand
from .rules_enrolment import bound

MAX_VISITS = MAX_FORMS = 255
MAX_ENTROPY = 1024
MAX_ENVELOPES = 1000
ABANDONED = ("design-fault", "no-contribution", "other")
SPOILED = ("opened-by-mistake", "damaged", "lost", "other")
MAX_LOST = 1000  # slots of a stratum in one reconciliation, if no more are known to be lost


def trial_created(trial, entry):
    event = entry.event
    demand(not trial.created, "the trial exists already")  # S1
    demand(event["trial"] == trial.name, "it creates trial %r in the log of %s" % (event["trial"], trial.name))
    demand(len(event["arms"]) >= 2 and event["sites"] and event["visits"],  # S2
           "a protocol needs at least two arms, a site and a visit")
    demand(len(event["visits"]) <= MAX_VISITS and 0 <= event["forms"] <= MAX_FORMS,
           "the protocol has more than 255 visits or forms")
    name = event["time_zone"]  # S3
    zone = dates.zone(name) if name != "Local" else None
    demand(zone is not None, "%r is no time zone" % name)
    trial.created, trial.zone, trial.forms_to_come = True, zone, event["forms"]
    trial.factors = [(f["id"], [level["id"] for level in f["levels"]]) for f in event["factors"]]
    trial.sites = [site["id"] for site in event["sites"]]
    trial.visits, trial.consents = event["visits"], event["consents"]


def form_defined(trial, entry):  # S4
    event = entry.event
    demand(trial.forms_to_come > 0 and trial.form(event["form"]) is None, "the form is defined already, or is one too many")
    for name in event["visits"]:
        demand(trial.visit(name) is not None, "the protocol has no visit %r" % name)
    trial.forms.append(event)
    trial.forms_to_come -= 1


def design_sealed(trial, entry):  # S5
    demand(not trial.sealed, "the design is sealed already")
    trial.sealed, trial.awaits_entropy, trial.sealed_by = True, entry.event["awaits_entropy"], entry.actor


def design_kept(trial, entry):  # S6
    demand(trial.sealed and not trial.kept and entry.event["sealed"], "no design was sealed, or it is kept already")
    trial.kept = True


def enrolment_opened(trial, entry):  # S7
    bound(trial)
    demand(not trial.open, "enrolment is open already")
    demand(not trial.fenced, "the trial was restored and is not reconciled")
    demand(not trial.unsealed, "the trial is unsealed")
    trial.open = trial.opened = True
    trial.closed_on = trial.proposal = None


def enrolment_closed(trial, entry):  # S8
    demand(trial.open, "enrolment is not open")
    trial.open, trial.closed_on = False, trial.today(entry)


def entropy_contributed(trial, entry):  # S9
    demand(trial.kept and trial.awaits_entropy, "no sealed design awaits a contribution")
    demand(entry.actor != trial.sealed_by, "the same account sealed the design")
    demand(1 <= len(entry.event["entropy"]) <= MAX_ENTROPY, "it has not 1 to 1024 bytes")
    trial.awaits_entropy = False


def sealing_abandoned(trial, entry):  # S10
    demand(trial.sealed, "no design is sealed")
    demand(not trial.opened, "enrolment was open already")
    demand(not trial.fenced, "the trial was restored and is not reconciled")
    demand(not trial.enrolled_in_lost, "somebody was enrolled in what a restore lost")
    demand(entry.event["reason"] in ABANDONED, "%r is no reason to abandon a sealing" % entry.event["reason"])
    trial.sealed = trial.kept = trial.awaits_entropy = False
    trial.envelopes, trial.spoiled_envelopes = 0, set()


def contingency_printed(trial, entry):  # S11
    bound(trial)
    demand(not trial.unsealed, "the trial is unsealed")
    number, (first, second) = entry.event["envelopes"], entry.event["recipients"]
    demand(max(1, trial.envelopes) <= number <= MAX_ENVELOPES, "so many envelopes a stratum can't be printed")
    demand(first != second, "one and the same person could open the envelopes")
    trial.envelopes = number


def envelope_spoiled(trial, entry):  # S12
    bound(trial)
    name, number = entry.event["stratum"], entry.event["envelope"]
    demand(is_stratum(trial, name), "%r is no stratum" % name)
    demand(1 <= number <= trial.envelopes, "there is no such envelope")
    demand((name, number) not in trial.used_envelopes, "the envelope is used")
    demand((name, number) not in trial.spoiled_envelopes, "the envelope is spoiled already")
    demand(entry.event["reason"] in SPOILED, "%r is no reason" % entry.event["reason"])
    trial.spoiled_envelopes.add((name, number))


def locked(trial, entry):  # X1
    event, lengths = entry.event, trial.lengths
    want = trial.locks + 1, lengths.get("conduct", 0), lengths.get("outcome", 0)
    demand((event["number"], event["conduct"], event["outcome"]) == want, "the lock is not number %d at %d and %d" % want)
    trial.locks += 1
    trial.last_lock = event["outcome"]


def exported(trial, entry):  # X2
    demand(1 <= entry.event["lock"] <= trial.locks, "there is no such lock")


def nothing(trial, entry):  # X3
    """A fact for the auditor, which changes nothing."""


def restored(trial, entry):  # X4
    demand(min(entry.event.values()) >= 0, "fewer entries than none are lost")
    trial.fenced = True
    if trial.kept:
        trial.lost_slots = max(trial.lost_slots, entry.event["allocation"])


def reconciled(trial, entry):  # X5
    demand(trial.fenced, "there is nothing to reconcile")
    lost = entry.event["lost"]
    for i, of in enumerate(lost):
        demand(is_stratum(trial, of["stratum"]), "%r is no stratum" % of["stratum"])
        demand(of["stratum"] not in [o["stratum"] for o in lost[:i]], "a stratum is named twice")
        demand(1 <= of["slots"] <= max(MAX_LOST, trial.lost_slots), "so many slots of a stratum can't be lost")
    demand(sum(of["slots"] for of in lost) >= trial.lost_slots, "fewer slots are named than are known to be lost")
    for of in lost:
        trial.slots[of["stratum"]] = trial.slots.get(of["stratum"], 0) + of["slots"]
        trial.enrolled_in_lost = True
    trial.fenced, trial.lost_slots = False, 0


def is_stratum(trial, name):
    """Reports whether a name is a site and a level of each factor (N13)."""
    site, *levels = name.split("/")
    return site in trial.sites and len(levels) == len(trial.factors) and all(
        level in [factor + "=" + known for known in of] for level, (factor, of) in zip(levels, trial.factors))


RULES = {
    "trial_created": trial_created,
    "form_defined": form_defined,
    "design_sealed": design_sealed,
    "design_kept": design_kept,
    "enrolment_opened": enrolment_opened,
    "enrolment_closed": enrolment_closed,
    "locked": locked,
    "exported": exported,
    "arms_viewed": nothing,
    "clock_stepped_back": nothing,
    "restored": restored,
    "reconciled": reconciled,
    "entropy_contributed": entropy_contributed,
    "sealing_abandoned": sealing_abandoned,
    "contingency_printed": contingency_printed,
    "envelope_spoiled": envelope_spoiled,
}
