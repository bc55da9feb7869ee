package entry

// Standard writes an entry with the standard library.
func Standard(e Entry) ([]byte, error) { return standard(nil, e) }

// QuickMarshal writes an entry without the standard library, if it can.
func QuickMarshal(e Entry) ([]byte, bool) { return quickAppend(nil, e) }

// Quick reads an entry without the standard library, if it can.
func Quick(b []byte) (Entry, bool) {
	w := newWords()
	return quick(b, &w)
}
