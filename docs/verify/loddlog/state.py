"""What the entries of a trial add up to.

Source: log-rules.md; the letters and numbers in the comments are its rules.
"""

from collections import namedtuple

from . import dates
from .refused import demand

ASSESSOR, COORDINATOR, INVESTIGATOR = "assessor", "coordinator", "investigator"
SERVER = "server"  # the actor of what the server does by itself
BASELINE = 0  # the position of the first visit
PROPOSAL_LIFE_MS = 7 * 24 * 60 * 60 * 1000

# A form at a visit: the index of its last entry, and the leaf hashes of all.
Version = namedtuple("Version", "at leaves")


def live(proposal, entry):
    """P1: what one proposed, account and time first, can be approved at the time of an entry."""
    return proposal[0] != "" and entry.at - proposal[1] <= PROPOSAL_LIFE_MS


class Participant:
    """What the log says about one screening number. None and "" say nothing."""

    def __init__(self, number, site):
        self.number, self.site, self.levels = number, site, []
        self.consent = ""            # the version that was signed,
        self.consent_on = None       # and when
        self.assessed = self.eligible = False
        self.excluded = ""           # the reason
        self.randomized_at = None    # milliseconds since 1970
        self.stratum, self.slot = "", 0
        self.place = -1              # of the entry of conduct that randomized
        self.envelope = 0            # the number of the backup envelope, if it was one,
        self.opened_on = None        # and when it was opened
        self.true_levels = []        # as they are known now
        self.stopped = None          # date of the withdrawal from the intervention,
        self.withdrew = None         # from the follow-up,
        self.withdrew_data = None    # and from the data,
        self.withdrew_data_by = ""   # which this account recorded
        self.erased = False
        self.died = None
        self.error = ""              # the kind of error of the randomization
        self.replaced = self.replaces = False
        self.submitted = {}          # from pairs of positions, visit and form, to Version
        self.missed = set()          # positions of visits
        self.signatures = set()      # positions of visit and form, index, account, meaning
        self.texts = {}              # held ones: visit, form, index, item, and whether it was judged
        self.blind_broken = set()    # accounts


class Trial:
    """A trial after some entries."""

    def __init__(self, name):
        self.name = name
        self.created = False
        self.zone = None
        self.factors, self.sites, self.visits, self.consents = [], [], [], []
        self.forms, self.forms_to_come = [], 0
        self.sealed = self.kept = self.open = False
        self.opened = False          # enrolment was open once
        self.awaits_entropy, self.sealed_by = False, ""
        self.closed_on = None        # the date, while enrolment is closed
        self.enrolled_in_lost = False  # a reconciliation gave up slots
        self.envelopes = 0           # of each stratum
        self.used_envelopes = set()  # pairs of stratum and number,
        self.spoiled_envelopes = set()
        self.plan = ""               # the version of the frozen analysis plan
        self.proposal = None         # account and time
        self.unsealed = False
        self.reports = {}            # of broken blinds: index, and whether it was assessed
        self.disclosures = {}        # index, and account, time, participant, for whom
        self.openings = {}           # index, and account, and whether it saw the arm
        self.adverse_events = 0
        self.untaken = 0             # the number of the event that a team reported and nobody took in,
        self.untaken_at = -1         # and its entry of conduct
        self.last_lock = None        # how much of outcome it holds
        self.participants = {}
        self.slots = {}              # of each stratum, how many are used or lost
        self.intents = {}            # from request id to participant and time
        self.unallocated = ""        # who was randomized and has no allocation yet,
        self.unallocated_at = -1     # and by which entry of conduct
        self.locks = 0
        self.fenced = False          # restored, and not reconciled yet
        self.lost_slots = 0          # which the reconciliation has to name at least
        self.lengths = {}            # of each compartment, the entries so far

    # Visits and forms are known by their positions in the protocol.

    def visit(self, name):
        """Returns the position of a visit, or None."""
        return next((i for i, v in enumerate(self.visits) if v["id"] == name), None)

    def form(self, name):
        """Returns the position of a form, or None."""
        return next((i for i, f in enumerate(self.forms) if f["form"] == name), None)

    def forms_at(self, visit):
        """Returns the positions of the forms of a visit."""
        return [i for i, f in enumerate(self.forms) if self.visits[visit]["id"] in f["visits"]]

    def complete(self, participant, visit):
        """F8: every form of a visit is submitted, and there is one."""
        forms = self.forms_at(visit)
        return bool(forms) and all((visit, f) in participant.submitted for f in forms)

    def place(self, entry, role):
        """F1: returns the positions of a visit and of a form that a role fills in there."""
        visit, form = self.visit(entry.event["visit"]), self.form(entry.event["form"])
        demand(visit is not None, "there is no visit %r" % entry.event["visit"])
        demand(form is not None and self.forms[form]["by"] == role, "it is no form that a %s fills in" % role)
        demand(form in self.forms_at(visit), "the form is not filled in at this visit")
        return visit, form

    # Dates.

    def today(self, entry):
        """D1: the date of an entry in the trial's time zone."""
        return dates.of(entry.at, self.zone)

    def past(self, entry, date):
        """D2: a date that an entry names is there, and not later than the entry's own."""
        demand(date is not None, "a date is missing")
        demand(date <= self.today(entry), "%s is later than the entry itself" % dates.text(date or 0))

    def anchor(self, participant):
        """D1: the date of randomization, from which visits are counted."""
        if participant.opened_on is not None:
            return participant.opened_on
        return dates.of(participant.randomized_at, self.zone)

    def opens(self, participant, visit):
        """D4: the first day of the window of a visit."""
        v = self.visits[visit]
        return dates.add_months(self.anchor(participant), v["months"]) - v["before"]

    def after_randomization(self, participant, date):
        """D5: a date is not earlier than the randomization."""
        demand(date >= self.anchor(participant), "%s is earlier than the randomization" % dates.text(date))

    # Participants.

    def participant(self, number):
        """N1: a participant who is in the log and has not withdrawn from the data."""
        found = self.participants.get(number)
        demand(found is not None, "participant %r is not in the log" % number)
        demand(found.withdrew_data is None, "participant %s has withdrawn from the data" % number)
        return found

    def screening(self, number):
        """N2: a participant who is neither excluded nor randomized."""
        found = self.participant(number)
        demand(not found.excluded, "participant %s is excluded" % number)
        demand(found.randomized_at is None, "participant %s is randomized already" % number)
        return found

    def randomized(self, number):
        """N3: a participant who is randomized."""
        found = self.participant(number)
        demand(found.randomized_at is not None, "participant %s is not randomized" % number)
        return found

    def allocated(self, number):
        """B1: a participant who has an arm, even one who has withdrawn from the data."""
        found = self.participants.get(number)
        demand(found is not None, "participant %r is not in the log" % number)
        demand(found.randomized_at is not None, "participant %s is not randomized" % number)
        return found
