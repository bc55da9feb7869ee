package cli

import (
	"strconv"

	"github.com/lodd-rct/lodd/client"
)

// foundIn says in the user's language what was found of a log, as far as there are
// words for it.
func (a *app) foundIn(e *client.LogError) string {
	seen, shown := strconv.FormatInt(e.Seen, 10), strconv.FormatInt(e.Shown, 10)
	var text string
	switch {
	case e.Evidence == "":
		return e.Error() // says why there is none
	case e.Shorter:
		text = a.words.say("error.log-shorter", e.List, shown, seen)
	case e.Rewritten:
		text = a.words.say("error.log-rewritten", e.List, seen)
	case e.Memory != "":
		text = a.words.say("error.log-memory", e.List, e.Memory)
	default:
		return e.Error()
	}
	text += "; " + a.words.say("error.log-evidence", e.Evidence)
	switch {
	case e.Behind:
		text += "; " + a.words.say("error.log-behind")
	case e.Reported != "":
		text += "; " + e.Reported
	}
	return text
}

// hintOfLog returns what to do about a log from which entries were lost, or if what
// was seen before can't be verified itself; empty for anything else. A witness has
// a memory of its own, which accept-fork leaves alone.
func (a *app) hintOfLog(e *client.LogError) string {
	switch {
	case e.Memory != "" && a.memory != "":
		return a.words.say("hint.log-memory-witness", e.Memory)
	case e.Memory != "":
		return a.words.say("hint.log-memory")
	case !e.Shorter && !e.Behind:
		return ""
	case a.memory != "":
		return a.words.say("hint.log-shorter-witness", a.memory)
	}
	return a.words.say("hint.log-shorter")
}
