"""The rules of the analysis plan and the unsealing.

Source: log-rules.md, section U. Each function of RULES is called with the trial
and an entry of one kind: it refuses the entry, or moves the trial past it.
"""

import re

from .refused import demand
from .state import live

VERSION = re.compile(r"[A-Za-z0-9.-]{1,32}")


def plan_frozen(trial, entry):  # U1
    demand(not trial.unsealed, "the trial is unsealed")
    demand(any(entry.event["digest"]), "it has no digest")
    demand(VERSION.fullmatch(entry.event["version"]), "%r is no version" % entry.event["version"])
    trial.plan, trial.proposal = entry.event["version"], None


def unsealing_proposed(trial, entry):  # U2
    demand(not trial.unsealed, "the trial is unsealed")
    may_be_unsealed(trial)
    demand(proposed_by(trial, entry) is None, "it is proposed already")
    trial.proposal = entry.actor, entry.at


def unsealed(trial, entry):  # U3
    demand(not trial.unsealed, "the trial is unsealed")
    first = proposed_by(trial, entry)
    demand(first is not None, "nobody has proposed it in the last seven days")
    demand(first != entry.actor, "the same account proposed it")
    may_be_unsealed(trial)
    trial.unsealed, trial.proposal = True, None


def proposed_by(trial, entry):
    """Returns whose proposal can be approved now, or None."""
    return trial.proposal[0] if trial.proposal is not None and live(trial.proposal, entry) else None


def may_be_unsealed(trial):  # U4
    demand(trial.opened and not trial.open, "enrolment is not closed")
    demand(trial.last_lock == trial.lengths.get("outcome", 0), "no lock holds every entry of outcome")
    demand(trial.plan, "no analysis plan is frozen")
    demand(not trial.fenced, "the trial was restored and is not reconciled")


def revealed(trial, entry):  # U5
    demand(trial.unsealed, "the trial is not unsealed")


RULES = {
    "plan_frozen": plan_frozen,
    "unsealing_proposed": unsealing_proposed,
    "unsealed": unsealed,
    "revealed": revealed,
}
