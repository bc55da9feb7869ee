package keys

import "errors"

// ErrKilled is what a process that is no more would see.
var ErrKilled = errors.New("killed")

// ResealKilled is Reseal on a machine that dies after steps changes of files. It
// returns how many there were.
func ResealKilled(dir string, from, to Seal, steps int) (done int, err error) {
	d := &dying{steps: steps}
	err = reseal(d, dir, orClear(from), to)
	return d.done, err
}

type dying struct{ done, steps int }

func (d *dying) step(change func() error) error {
	if d.done == d.steps {
		return ErrKilled
	}
	d.done++
	return change()
}

func (d *dying) create(path string, data []byte) error {
	return d.step(func() error { return system{}.create(path, data) })
}

func (d *dying) replace(path string, data []byte) error {
	return d.step(func() error { return system{}.replace(path, data) })
}

func (d *dying) wipe(path string) error {
	return d.step(func() error { return system{}.wipe(path) })
}

func (d *dying) remove(path string) error {
	return d.step(func() error { return system{}.remove(path) })
}

// Factor returns the work factor of what a passphrase seals.
func Factor(p Passphrase) (int, error) { return p.factor() }

// Open opens the content of a sealed file and returns the text of the key.
func Open(s Seal, sealed []byte) ([]byte, error) {
	o, err := s.open(sealed)
	return o.text, err
}
