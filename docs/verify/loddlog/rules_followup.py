"""The rules of forms, visits, withdrawals, deaths and errors.

Source: log-rules.md, sections F and C. Each function of RULES is called with
the trial and an entry of one kind: it refuses the entry, or moves the trial
past it.
"""

from .refused import demand
from .rules_signing import check_held, hold, still_blind
from .state import BASELINE, Version

MISSED = ("not-reached", "declined", "too-ill", "moved", "other")
WITHDRAWALS = ("no-longer-wants", "burden", "health", "moved", "not-given", "other")
INTERVENTION, FOLLOW_UP, DATA = SCOPES = ("intervention", "follow-up", "data")
ERRORS = ("not-eligible", "wrong-stratum", "duplicate")


def current(trial, entry, form):
    """F2: the version is that of the protocol."""
    demand(entry.event["version"] == trial.forms[form]["version"], "the form has another version")


def form_submitted(trial, entry):  # F3
    visit, form = trial.place(entry, entry.role)
    person = trial.participant(entry.event["participant"])
    demand((visit, form) not in person.submitted, "the form is submitted already")
    still_blind(person, entry)
    check_held(entry)
    trial.past(entry, entry.event["on"])
    may_be_assessed(trial, person, visit, entry.event["on"])
    current(trial, entry, form)
    after = trial.forms[form]["after"]
    if after:  # F5
        earlier = trial.form(after)
        demand(earlier is not None and (earlier not in trial.forms_at(visit) or (visit, earlier) in person.submitted),
               "form %s comes first" % after)
    person.submitted[visit, form] = Version(entry.index, entry.leaf)
    hold(person, entry)


def may_be_assessed(trial, person, visit, on):
    """F4: a participant can be assessed at a visit on a day."""
    demand(not person.excluded, "the participant is excluded")
    if visit == BASELINE:
        demand(person.consent, "no consent is recorded")
        return
    demand(person.randomized_at is not None, "the participant is not randomized")
    demand(not ended_before(person, on), "the follow-up of the participant has ended")
    trial.after_randomization(person, on)


def ended_before(person, on):
    """F6: the participant withdrew from the follow-up, or died, before a day."""
    return any(end is not None and end < on for end in (person.withdrew, person.died))


def form_corrected(trial, entry):  # F7
    visit, form = trial.place(entry, entry.role)
    person = trial.participant(entry.event["participant"])
    demand((visit, form) in person.submitted, "the form is not submitted yet")
    still_blind(person, entry)
    check_held(entry)
    current(trial, entry, form)
    person.submitted[visit, form] = Version(entry.index, person.submitted[visit, form].leaves + entry.leaf)
    hold(person, entry)


def visit_missed(trial, entry):  # F9
    person = trial.participant(entry.event["participant"])
    visit = trial.visit(entry.event["visit"])
    demand(visit is not None and visit != BASELINE, "%r is no visit after the baseline" % entry.event["visit"])
    demand(entry.event["reason"] in MISSED, "%r is no reason" % entry.event["reason"])
    demand(person.randomized_at is not None, "the participant is not randomized")
    still_blind(person, entry)
    opens = trial.opens(person, visit)
    demand(visit not in person.missed, "the visit is recorded as missed already")
    demand(not trial.complete(person, visit), "every form of the visit is submitted")
    demand(trial.today(entry) >= opens, "the visit is not due yet")
    demand(not ended_before(person, opens), "the follow-up of the participant had ended")
    person.missed.add(visit)


def withdrawn(trial, entry):  # C1
    event = entry.event
    person, scope = trial.participant(event["participant"]), event["scope"]
    demand(scope in SCOPES, "%r is no scope" % scope)
    demand(event["reason"] in WITHDRAWALS, "%r is no reason for a withdrawal" % event["reason"])
    trial.past(entry, event["on"])
    if person.randomized_at is None:
        demand(scope == DATA, "the participant is not randomized")
    else:
        trial.after_randomization(person, event["on"])
    if scope == INTERVENTION:
        demand(person.stopped is None, "this withdrawal is recorded already")
        person.stopped = event["on"]
    elif scope == FOLLOW_UP:
        demand(person.withdrew is None, "this withdrawal is recorded already")
        person.withdrew = event["on"]
    else:
        person.withdrew_data, person.withdrew_data_by = event["on"], entry.actor


def erased(trial, entry):  # C2
    person = trial.participants.get(entry.event["participant"])
    demand(person is not None, "the participant is not in the log")
    demand(person.withdrew_data is not None, "no withdrawal from the data is recorded")
    demand(not person.erased, "the data are destroyed already")
    demand(person.withdrew_data_by != entry.actor, "the same account recorded the withdrawal")
    person.erased = True


def died(trial, entry):  # C3
    person = trial.randomized(entry.event["participant"])
    demand(person.died is None, "the death is recorded already")
    trial.past(entry, entry.event["on"])
    trial.after_randomization(person, entry.event["on"])
    person.died = entry.event["on"]


def error_recorded(trial, entry):  # C4
    person = trial.randomized(entry.event["participant"])
    demand(not person.error, "an error is recorded already")
    demand(entry.event["kind"] in ERRORS, "%r is no kind of error" % entry.event["kind"])
    person.error = entry.event["kind"]
    of = entry.event["of"]
    if of:
        demand(of in trial.participants, "participant %s is not in the log" % of)
        demand(person.error == "duplicate" and of != person.number, "it names a participant of whom this one is no duplicate")


def replaced(trial, entry):  # C5
    person, by = trial.randomized(entry.event["participant"]), trial.randomized(entry.event["by"])
    demand(not person.replaced and not by.replaces, "one of the two has a part in another replacement")
    demand(by.place > person.place, "who replaces was not randomized later")
    person.replaced = by.replaces = True


RULES = {
    "form_submitted": form_submitted,
    "form_corrected": form_corrected,
    "visit_missed": visit_missed,
    "withdrawn": withdrawn,
    "erased": erased,
    "died": died,
    "error_recorded": error_recorded,
    "replaced": replaced,
}
