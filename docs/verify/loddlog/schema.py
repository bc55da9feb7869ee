"""The messages of lodd.log.v1: number of a field, its name, its kind.

It says the same as proto/lodd/log/v1. A kind in brackets is a repeated field.
"""

from .wire import Message

TEXT = {1: ("nb", "string"), 2: ("en", "string")}

TRIAL_CREATED = {
    1: ("trial", "string"),
    2: ("title", TEXT),
    3: ("time_zone", "string"),
    4: ("arms", [{1: ("id", "string"), 2: ("label", TEXT), 3: ("ratio", "int32")}]),
    5: ("factors", [{1: ("id", "string"), 2: ("label", TEXT),
                     3: ("levels", [{1: ("id", "string"), 2: ("label", TEXT)}])}]),
    6: ("sites", [{1: ("id", "string"), 2: ("name", "string")}]),
    7: ("visits", [{1: ("id", "string"), 2: ("label", TEXT), 3: ("months", "int32"),
                    4: ("before", "int32"), 5: ("after", "int32")}]),
    8: ("criteria", [{1: ("id", "string"), 2: ("text", TEXT), 3: ("want", "bool")}]),
    9: ("consents", [{1: ("version", "string"), 2: ("approved", "string")}]),
    10: ("forms", "int32"),
}

FORM_DEFINED = {
    1: ("form", "string"),
    2: ("version", "int32"),
    3: ("title", TEXT),
    4: ("visits", ["string"]),
    5: ("by", "string"),
    6: ("after", "string"),
    7: ("definition", "bytes"),
}

SCREENED = {
    1: ("participant", "string"),
    2: ("site", "string"),
    3: ("levels", ["string"]),
    4: ("on", "string"),
    5: ("consent_version", "string"),
    6: ("consent_on", "string"),
    7: ("assessed", "bool"),
    8: ("eligible", "bool"),
    9: ("sealed", "bytes"),
}

FORM_SUBMITTED = {
    1: ("participant", "string"),
    2: ("visit", "string"),
    3: ("form", "string"),
    4: ("version", "int32"),
    5: ("on", "string"),
    6: ("sealed", "bytes"),
    7: ("held", ["string"]),
}

FORM_CORRECTED = {
    1: ("participant", "string"),
    2: ("visit", "string"),
    3: ("form", "string"),
    4: ("version", "int32"),
    5: ("sealed", "bytes"),
    6: ("held", ["string"]),
}

FORM_SIGNED = {
    1: ("participant", "string"),
    2: ("visit", "string"),
    3: ("form", "string"),
    4: ("at", "int64"),
    5: ("digest", "bytes"),
    6: ("meaning", "string"),
    7: ("name", "string"),
}

TEXT_JUDGED = {
    1: ("participant", "string"),
    2: ("visit", "string"),
    3: ("form", "string"),
    4: ("at", "int64"),
    5: ("item", "string"),
    6: ("released", "bool"),
}

BLIND_BROKEN = {
    1: ("participant", "string"),
    2: ("person", "string"),
    3: ("visit", "string"),
    4: ("on", "string"),
    5: ("how", "string"),
    6: ("timing", "string"),
    7: ("sealed", "bytes"),
}

ADVERSE_EVENT_REPORTED = {
    1: ("number", "int32"),
    2: ("participant", "string"),
    3: ("on", "string"),
    4: ("category", "string"),
    5: ("serious", "bool"),
    6: ("reporter", "string"),
    7: ("sealed", "bytes"),
}

GRANT = {
    1: ("user", "string"),
    2: ("trial", "string"),
    3: ("role", "string"),
    4: ("site", "string"),
    5: ("team", "string"),
}

# The kinds of entries of a trial.
TRIAL_KINDS = {
    20: ("trial_created", TRIAL_CREATED),
    21: ("form_defined", FORM_DEFINED),
    22: ("design_sealed", {1: ("commitment", "bytes"), 2: ("awaits_entropy", "bool")}),
    23: ("design_kept", {1: ("sealed", "bytes")}),
    24: ("enrolment_opened", {}),
    25: ("enrolment_closed", {}),
    26: ("screened", SCREENED),
    27: ("consented", {1: ("participant", "string"), 2: ("version", "string"), 3: ("on", "string")}),
    28: ("eligibility_assessed", {1: ("participant", "string"), 2: ("eligible", "bool"), 3: ("sealed", "bytes")}),
    29: ("excluded", {1: ("participant", "string"), 2: ("site", "string"), 3: ("reason", "string")}),
    30: ("randomization_prepared", {1: ("participant", "string")}),
    31: ("randomized", {1: ("participant", "string"), 2: ("intent", "bytes")}),
    32: ("allocated", {1: ("participant", "string"), 2: ("stratum", "string"), 3: ("slot", "int64"),
                       4: ("sealed", "bytes"), 5: ("contingency", "bool")}),
    33: ("form_submitted", FORM_SUBMITTED),
    34: ("form_corrected", FORM_CORRECTED),
    35: ("visit_missed", {1: ("participant", "string"), 2: ("visit", "string"), 3: ("reason", "string")}),
    36: ("withdrawn", {1: ("participant", "string"), 2: ("scope", "string"), 3: ("reason", "string"),
                       4: ("on", "string")}),
    37: ("died", {1: ("participant", "string"), 2: ("on", "string")}),
    38: ("error_recorded", {1: ("participant", "string"), 2: ("kind", "string"), 3: ("of", "string")}),
    39: ("locked", {1: ("number", "int32"), 2: ("conduct", "int64"), 3: ("outcome", "int64")}),
    40: ("exported", {1: ("lock", "int32"), 2: ("view", "string")}),
    41: ("arms_viewed", {1: ("site", "string"), 2: ("team", "string")}),
    42: ("clock_stepped_back", {1: ("by_ms", "int64")}),
    43: ("erased", {1: ("participant", "string")}),
    44: ("restored", {1: ("conduct", "int64"), 2: ("outcome", "int64"), 3: ("delivery", "int64"),
                      4: ("allocation", "int64")}),
    45: ("reconciled", {1: ("lost", [{1: ("stratum", "string"), 2: ("slots", "int32")}])}),
    46: ("entropy_contributed", {1: ("entropy", "bytes")}),
    47: ("sealing_abandoned", {1: ("reason", "string")}),
    48: ("contingency_printed", {1: ("envelopes", "int32"), 2: ("recipients", ["bytes"])}),
    49: ("contingency_used", {1: ("participant", "string"), 2: ("envelope", "int32"), 3: ("on", "string"),
                              4: ("witness", "string"), 5: ("reason", "string")}),
    50: ("levels_corrected", {1: ("participant", "string"), 2: ("levels", ["string"]), 3: ("reason", "string")}),
    51: ("replaced", {1: ("participant", "string"), 2: ("by", "string")}),
    52: ("plan_frozen", {1: ("digest", "bytes"), 2: ("version", "string")}),
    53: ("unsealing_proposed", {}),
    54: ("unsealed", {}),
    55: ("revealed", {}),
    56: ("envelope_spoiled", {1: ("stratum", "string"), 2: ("envelope", "int32"), 3: ("reason", "string")}),
    57: ("form_signed", FORM_SIGNED),
    58: ("blind_broken", BLIND_BROKEN),
    59: ("impact_assessed", {1: ("report", "int64"), 2: ("impact", "string"), 3: ("measure", "string")}),
    80: ("unblinded", {1: ("participant", "string"), 2: ("reason", "string"), 3: ("to", "string"), 4: ("sealed", "bytes")}),
    81: ("disclosure_proposed", {1: ("participant", "string"), 2: ("to", "string"), 3: ("reason", "string")}),
    82: ("disclosure_approved", {1: ("proposal", "int64")}),
    83: ("arm_collected", {1: ("of", "int64")}),
    84: ("contact_recorded", {1: ("sealed", "bytes")}),
    85: ("event_taken_in", {1: ("number", "int32"), 2: ("sealed", "bytes")}),
    86: ("adverse_event_reported", ADVERSE_EVENT_REPORTED),
    87: ("adverse_event_assessed", {1: ("number", "int32"), 2: ("related", "string"), 3: ("expected", "bool")}),
    88: ("relatedness_assessed", {1: ("number", "int32"), 2: ("sealed", "bytes")}),
    89: ("text_judged", TEXT_JUDGED),
}

# The kinds of entries of system.
SYSTEM_KINDS = {
    60: ("account_invited", {1: ("invite", "string"), 2: ("code_hash", "bytes"), 3: ("administrator", "bool"),
                             4: ("expires_unix_ms", "int64")}),
    61: ("account_created", {1: ("user", "string"), 2: ("full_name", "string"), 3: ("invite", "string"),
                             4: ("administrator", "bool")}),
    62: ("account_disabled", {1: ("user", "string"), 2: ("reason", "string")}),
    63: ("signed_in", {1: ("session", "string")}),
    64: ("sign_in_refused", {1: ("user", "string")}),
    65: ("signed_out", {1: ("session", "string")}),
    66: ("role_granted", {1: ("grant", GRANT), 2: ("expires_unix_ms", "int64")}),
    67: ("role_revoked", {1: ("grant", GRANT), 2: ("reason", "string")}),
    68: ("grant_refused", {1: ("grant", GRANT), 2: ("conflict", "string")}),
    69: ("factor_enrolled", {}),
    70: ("recovery_proposed", {1: ("user", "string"), 2: ("reason", "string")}),
    71: ("recovery_approved", {1: ("user", "string"), 2: ("code_hash", "bytes"), 3: ("expires_unix_ms", "int64")}),
    72: ("recovered", {}),
    73: ("identity_linked", {1: ("user", "string"), 2: ("issuer", "string"), 3: ("subject", "bytes")}),
    74: ("password_changed", {}),
}

KINDS = {**TRIAL_KINDS, **SYSTEM_KINDS}

# What every entry has; the kind is the one field of 20 to 89, see entries.py.
ENTRY = Message({
    1: ("version", "uint32"),
    2: ("nonce", "bytes"),
    3: ("at_unix_ms", "int64"),
    4: ("actor", "string"),
    5: ("role", "string"),
    6: ("request_id", "bytes"),
    7: ("conduct_size", "int64"),
    **KINDS,
    100: ("mac", "bytes"),
})
