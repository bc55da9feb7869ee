package entry

// A Writer writes many entries, several times as fast as [Marshal] and
// [Authenticate] and to the same effect. It may not be used concurrently.
type Writer struct {
	coder *coder
	body  []byte
}

// NewWriter returns a writer under the key of the codes.
func NewWriter(key [32]byte) *Writer { return &Writer{coder: newCoder(key)} }

// Write returns the bytes of e as entry index of a list, with its code.
func (w *Writer) Write(e Entry, list string, index int64) ([]byte, error) {
	if err := w.marshal(e); err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(w.body)+MACOverhead)
	return append(append(append(b, w.body...), macField()...), w.coder.code(w.body, list, index)...), nil
}

// Size returns how many bytes Write returns of e.
func (w *Writer) Size(e Entry) (int, error) {
	if err := w.marshal(e); err != nil {
		return 0, err
	}
	return len(w.body) + MACOverhead, nil
}

// marshal leaves the bytes of e without its code in body.
func (w *Writer) marshal(e Entry) (err error) {
	b, ok := quickAppend(w.body[:0], e)
	if !ok {
		b, err = standard(w.body[:0], e)
	}
	w.body = b
	return err
}
