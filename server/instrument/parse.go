package instrument

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
)

// An Instrument is a form ready to judge answers. It may be used concurrently.
type Instrument struct {
	form  Form
	items []compiled // one for each item of the form
}

// compiled holds the rules of one item; a rule is nil where the form has none.
type compiled struct {
	show, check, calc *rule
}

// A rule is an expression that can be evaluated.
type rule struct {
	program cel.Program
	result  *cel.Type
}

// Parse reads a form's document and compiles its rules. The error joins one
// [*Error] for each thing that is wrong, up to 20: an unknown key, a value of
// another type or outside its range, a rule that doesn't compile.
func Parse(definition []byte) (*Instrument, error) {
	var f faults
	form := f.decode(definition)
	if len(f.errs) == 0 {
		f.form(form)
	}
	if len(f.errs) > 0 {
		return nil, errors.Join(f.errs...)
	}
	items, err := f.compile(form)
	if err != nil {
		return nil, fmt.Errorf("instrument: compile form %s: %w", form.ID, err)
	}
	if len(f.errs) > 0 {
		return nil, errors.Join(f.errs...)
	}
	return &Instrument{form, items}, nil
}

// Form returns the form. The caller must not change its items.
func (in *Instrument) Form() Form { return in.form }
