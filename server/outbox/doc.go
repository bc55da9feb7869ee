// Package outbox tells people by mail that something waits for them, and never
// what.
//
// Notices are a function of the log: of the accounts, and of the compartments
// conduct, outcome and allocation of a trial. An arm is ciphertext there, and the
// outbox has no key. It never reads delivery, of which one arm has more than
// another. So neither that there is a notice nor its size nor its time depends on
// an arm. A notice names the trial and nothing else; its text is fixed by its
// kind.
//
// What follows from a randomization is held until the next full quarter hour and
// goes to the treatment teams of the site, of every arm alike; so is what reviewers
// are told. A fixed time was preferred to a drawn delay: it needs no memory, is the same again after a
// crash, can't be averaged out over many participants, and joins what happened
// in one quarter hour into one notice.
//
// For each list the store's values keep how many of its first entries need no
// more notices, under "outbox/" and the name of the list. The number moves after
// the notices were taken, so that after a crash a notice may come twice, with the
// same Message-ID, and never not at all.
package outbox
