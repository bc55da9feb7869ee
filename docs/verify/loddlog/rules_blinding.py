"""The rules of broken blinds, unblindings and disclosures.

Source: log-rules.md, section B. Each function of RULES is called with the trial
and an entry of one kind: it refuses the entry, or moves the trial past it.
"""

from .refused import demand
from .state import live

HOW = ("participant", "relative", "staff", "record", "seen", "other")
TIMINGS = ("before-assessment", "during-assessment", "after-assessment")
IMPACTS = ("none", "possible", "serious")
MEASURES = ("none", "reassigned", "assessed-again", "training")
EMERGENCIES = ("medical-emergency", "serious-adverse-event", "risk-to-others", "regulator", "other")
DISCLOSURES = ("inspection", "complaint", "regulator", "other")


def blind_broken(trial, entry):  # B2
    event = entry.event
    person = trial.randomized(event["participant"])
    demand(event["person"], "it doesn't say whose blind was broken")
    demand(event["visit"] == "" or trial.visit(event["visit"]) is not None, "there is no visit %r" % event["visit"])
    trial.past(entry, event["on"])
    trial.after_randomization(person, event["on"])
    demand(event["how"] in HOW, "%r is no way in which a blind breaks" % event["how"])
    demand(event["timing"] in TIMINGS, "%r is no time" % event["timing"])
    demand(event["person"] not in person.blind_broken, "it is reported already")
    person.blind_broken.add(event["person"])
    trial.reports[entry.index] = False


def impact_assessed(trial, entry):  # B3
    event = entry.event
    demand(event["report"] in trial.reports, "there is no such report")
    demand(not trial.reports[event["report"]], "it is assessed already")
    demand(event["impact"] in IMPACTS, "%r is no impact" % event["impact"])
    demand(event["measure"] in MEASURES, "%r is no measure" % event["measure"])
    trial.reports[event["report"]] = True


def unblinded(trial, entry):  # B4
    event = entry.event
    trial.allocated(event["participant"])
    demand(event["reason"] in EMERGENCIES, "%r is no reason to unblind" % event["reason"])
    demand(event["to"] != entry.actor, "it is for the actor, who isn't named")
    demand(event["sealed"], "it has no reason in words")
    trial.openings[entry.index] = event["to"] or entry.actor, event["to"] == ""


def disclosure_proposed(trial, entry):  # B5
    event = entry.event
    trial.allocated(event["participant"])
    demand(event["reason"] in DISCLOSURES, "%r is no reason to show an arm" % event["reason"])
    demand(event["to"] not in ("", entry.actor), "it is for nobody, or for the actor")
    trial.disclosures = {at: of for at, of in trial.disclosures.items() if live(of, entry)}
    what = event["participant"], event["to"]
    demand(all(of[2:] != what for of in trial.disclosures.values()), "it is proposed already")
    trial.disclosures[entry.index] = (entry.actor, entry.at) + what


def disclosure_approved(trial, entry):  # B6
    of = trial.disclosures.get(entry.event["proposal"])
    demand(of is not None and live(of, entry), "nobody has proposed it in the last seven days")
    by, _, _, to = of
    demand(by != entry.actor, "the same account proposed it")
    demand(to != entry.actor, "it is for the account itself")
    del trial.disclosures[entry.event["proposal"]]
    trial.openings[entry.index] = to, False


def arm_collected(trial, entry):  # B7
    to, seen = trial.openings.get(entry.event["of"], (None, False))
    demand(to == entry.actor, "no arm was opened for this account there")
    demand(not seen, "it was collected already")
    trial.openings[entry.event["of"]] = to, True


RULES = {
    "blind_broken": blind_broken,
    "impact_assessed": impact_assessed,
    "unblinded": unblinded,
    "disclosure_proposed": disclosure_proposed,
    "disclosure_approved": disclosure_approved,
    "arm_collected": arm_collected,
}
