package entry

import "github.com/lodd-rct/lodd/server/trial"

// Quick reads an entry without the standard library, if it can.
func Quick(b []byte) (Entry, bool) {
	return quick(b, &words{texts: map[string]string{}, dates: map[string]trial.Date{}})
}
