"""The replay of a trial: its entries in the order in which they were decided.

Source: log-format.md, "Order" and "Archive", step d; log-rules.md.
"""

from . import (dates, rules_blinding, rules_enrolment, rules_followup, rules_safety, rules_setup, rules_signing,
               rules_unsealing)
from .entries import ALLOCATION, COMPARTMENTS, CONDUCT, DELIVERY, EARLIEST_MS, OUTCOME
from .refused import Invalid, Refused, demand
from .state import ASSESSOR, Trial

RULES = {**rules_setup.RULES, **rules_enrolment.RULES, **rules_followup.RULES, **rules_unsealing.RULES,
         **rules_signing.RULES, **rules_blinding.RULES, **rules_safety.RULES}

# Which of several entries at one place and time comes first.
RANK = {ALLOCATION: 0, OUTCOME: 1, DELIVERY: 2}


def replay(archive):
    """Applies the rules to a whole trial; returns None if not all of it is there.

    Else it returns how many entries came after the head of conduct, and so were
    not put to the rules.
    """
    name = archive.about["trial"]
    positions = {about["list"]: i for i, about in enumerate(archive.lists)}
    lists = {where: positions.get(name + "/" + where) for where in COMPARTMENTS}
    if not all(i is not None and archive.lists[i]["entries"] == archive.lists[i]["size"] for i in lists.values()):
        return None
    return apply_all(Trial(name), {where: archive.entries(i) for where, i in lists.items()}, archive.lists[lists[CONDUCT]]["size"])


def apply_all(trial, compartments, conduct_size):
    """Applies the rules to every entry as far as conduct reaches, and counts the others."""
    last, late = EARLIEST_MS, 0
    for where, entry in in_order(compartments):
        try:
            demand(entry.at >= last, "it is earlier than the entry before it")
            if where != CONDUCT and entry.conduct_size > conduct_size:
                late += 1  # it came after the head of conduct was signed
            else:
                apply(trial, where, entry)
        except (Invalid, dates.NoZones) as wrong:
            raise Refused(str(wrong), entry.list, entry.index)
        last = entry.at
    if trial.unallocated_at >= 0:  # N12
        raise Refused("the participant who was randomized has no allocation", trial.name + "/" + CONDUCT, trial.unallocated_at)
    if trial.untaken_at >= 0:  # A2
        raise Refused("nobody took in the adverse event", trial.name + "/" + CONDUCT, trial.untaken_at)
    return late


def in_order(compartments):
    """Yields compartment and entry in the order in which they were decided."""
    heads = {where: next(rest, None) for where, rest in compartments.items()}
    while any(heads.values()):
        where = min((w for w in COMPARTMENTS if heads[w]), key=lambda w: place(w, heads[w]))
        yield where, heads[where]
        heads[where] = next(compartments[where], None)


def place(where, entry):
    """Returns what sorts an entry among the first ones of each compartment."""
    if where == CONDUCT:
        return entry.index, True
    return entry.conduct_size, False, entry.at, RANK[where]


def apply(trial, where, entry):
    """Applies the rules to the next entry."""
    demand(where == belongs_in(trial, where, entry), "%s does not belong in %s" % (entry.kind, where))
    seen = trial.lengths.get(CONDUCT, 0)
    demand(where == CONDUCT or entry.conduct_size == seen,
           "it was decided when conduct had %d entries, but %d come before it" % (entry.conduct_size, seen))
    demand(trial.created or entry.kind == "trial_created", "the trial does not exist yet")  # S1
    RULES[entry.kind](trial, entry)
    trial.lengths[where] = trial.lengths.get(where, 0) + 1


def belongs_in(trial, where, entry):
    """The forms that assessors fill in belong in outcome, others in conduct, and what is about them as well."""
    if entry.kind not in ("form_submitted", "form_corrected", "form_signed", "text_judged"):
        return where  # was checked before, see entries.belongs
    form = trial.form(entry.event["form"])
    return OUTCOME if form is not None and trial.forms[form]["by"] == ASSESSOR else CONDUCT
