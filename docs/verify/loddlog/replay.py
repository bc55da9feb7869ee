"""The replay of a trial: its entries in the order in which they were decided.

Source: log-format.md, "Order" and "Archive", step d; log-rules.md.
"""

from . import dates, rules_enrolment, rules_followup, rules_setup, rules_unsealing
from .entries import ALLOCATION, COMPARTMENTS, CONDUCT, DELIVERY, EARLIEST_MS, OUTCOME
from .refused import Invalid, Refused, demand
from .state import ASSESSOR, Trial

RULES = {**rules_setup.RULES, **rules_enrolment.RULES, **rules_followup.RULES, **rules_unsealing.RULES}

# Which of several entries at one place comes first.
RANK = {ALLOCATION: 0, OUTCOME: 1, DELIVERY: 1, CONDUCT: 2}


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
    return True


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
    seen = entry.index if where == CONDUCT else entry.conduct_size
    return seen, RANK[where], entry.at


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
    """The forms that assessors fill in belong in outcome, others in conduct."""
    if entry.kind not in ("form_submitted", "form_corrected"):
        return where  # was checked before, see entries.belongs
    form = trial.form(entry.event["form"])
    return OUTCOME if form is not None and trial.forms[form]["by"] == ASSESSOR else CONDUCT
