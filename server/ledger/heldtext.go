package ledger

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/lodd-rct/lodd/server/freetext"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// maxHeldTexts is the most held texts that are read at once: what a reviewer
// can read, and a message can carry.
const maxHeldTexts = 100

// A HeldText is a text that waits for a reviewer.
type HeldText struct {
	Place
	Item  trial.Code
	Entry int64 // the index of the entry that holds it, in the form's compartment
	Text  string
}

// HeldTexts returns the first 100 texts that nobody has judged, in the order in
// which their participants were screened. Those of participants who withdrew
// from the data are left out.
func (t *Trial) HeldTexts(ctx context.Context) ([]HeldText, error) {
	var texts []HeldText
	err := t.View(func(s *trial.State) error {
		for p := range s.Participants() {
			for _, h := range s.HeldTexts(p.ID) {
				if !h.Judged && p.WithdrewData.IsZero() && len(texts) < maxHeldTexts {
					texts = append(texts, HeldText{Place: Place{p.ID, h.Visit, h.Form}, Item: h.Item, Entry: h.At})
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []HeldText
	for _, h := range texts {
		h.Text, err = t.heldText(ctx, h)
		if errors.Is(err, trial.ErrErased) {
			continue // meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// heldText returns what an entry says of an item.
func (t *Trial) heldText(ctx context.Context, h HeldText) (string, error) {
	got, _, err := t.readForm(ctx, h.Place)
	if err != nil {
		return "", err
	}
	v := got.submitted[string(h.Item)]
	for _, c := range got.corrections {
		for _, change := range c.Changes {
			if c.entry == h.Entry && change.Item == string(h.Item) {
				v = change.New
			}
		}
	}
	text, _ := v.(instrument.String)
	return string(text), nil
}

// A written value is one that somebody wrote, in an entry of the form's
// compartment.
type written struct {
	at int64
	by string
}

// A held text is known by its entry and its item.
type held struct {
	at   int64
	item string
}

// unreleased returns which texts of a form nobody but their writers may read.
func unreleased(s *trial.State, p Place) map[held]bool {
	out := map[held]bool{}
	for _, h := range s.HeldTexts(p.Participant) {
		if h.Visit == p.Visit && h.Form == p.Form && !h.Released {
			out[held{h.At, string(h.Item)}] = true
		}
	}
	return out
}

// mayRead reports whether a reader may know what stands somewhere of an item.
// A reader without a name has written nothing.
func mayRead(texts map[held]bool, reader, item string, w written) bool {
	return !texts[held{w.at, item}] || reader != "" && w.by == reader
}

// without returns the answers without the held texts, in their corrections too,
// save those that the reader wrote.
func (r reading) without(texts map[held]bool, reader string) Answered {
	a := Answered{Values: instrument.Values{}, On: r.on, Version: r.version, Signatures: r.signatures}
	for _, item := range slices.Sorted(maps.Keys(r.values)) {
		if !mayRead(texts, reader, item, r.from[item]) {
			continue
		}
		a.Values[item] = r.values[item]
		if texts[held{r.from[item].at, item}] {
			a.Held = append(a.Held, item)
		}
	}
	for _, past := range r.corrections {
		c := past.Correction
		c.Changes = slices.Clone(c.Changes)
		for i, change := range c.Changes {
			if !mayRead(texts, reader, change.Item, past.before[change.Item]) {
				c.Changes[i].Old = nil
			}
			if !mayRead(texts, reader, change.Item, written{past.entry, past.By}) {
				c.Changes[i].New = nil
			}
		}
		a.Corrections = append(a.Corrections, c)
	}
	return a
}

// hide returns what a reader changes in r, without the held texts that were
// there before.
func (r reading) hide(changes []instrument.Change, texts map[held]bool, reader string) []instrument.Change {
	out := slices.Clone(changes)
	for i, c := range out {
		if !mayRead(texts, reader, c.Item, r.from[c.Item]) {
			out[i].Old = nil
		}
	}
	return out
}

// CheckForm judges answers as [Trial.Submit] does, and stores nothing.
func (t *Trial) CheckForm(id trial.FormID, values instrument.Values) (instrument.Report, error) {
	in, _, err := t.Instrument(id)
	if err != nil {
		return instrument.Report{}, err
	}
	report := in.Check(values)
	texts, err := t.checkTexts(in, values)
	report.Problems = append(report.Problems, texts.problems...)
	report.Warnings = append(report.Warnings, texts.warnings...)
	return report, err
}

// A textCheck is what the text items of a form hold. The warnings are about the
// held ones.
type textCheck struct {
	problems, warnings []instrument.Problem
	held               []trial.Code
}

// checkTexts scans the text items among values.
func (t *Trial) checkTexts(in *instrument.Instrument, values instrument.Values) (c textCheck, err error) {
	s, err := t.scanner()
	if err != nil {
		return c, err
	}
	for _, item := range in.Form().Items {
		text, ok := values[item.ID].(instrument.String)
		if !ok || item.Type != instrument.TypeText {
			continue
		}
		kind := worst(s.Scan(string(text)))
		switch kind {
		case "":
		case freetext.GiveAway:
			c.held = append(c.held, trial.Code(item.ID))
			c.warnings = append(c.warnings, instrument.Problem{Item: item.ID, Kind: instrument.KindCheck, Message: heldMessage()})
		default:
			c.problems = append(c.problems, instrument.Problem{Item: item.ID, Kind: instrument.KindCheck, Message: identifierMessage(kind)})
		}
	}
	return c, nil
}

// scanner returns a scanner that knows the trial's arms.
func (t *Trial) scanner() (*freetext.Scanner, error) {
	var words []string
	err := t.View(func(s *trial.State) error {
		for _, a := range s.Protocol().Arms {
			words = append(words, string(a.ID), a.Label.NB, a.Label.EN)
		}
		return nil
	})
	return freetext.New(words...), err
}

// worst returns the kind of what a text must be changed for, or is held for, or
// nothing.
func worst(found []freetext.Finding) freetext.Kind {
	kind := freetext.Kind("")
	for _, f := range found {
		if f.Identifies() {
			return f.Kind
		}
		kind = f.Kind
	}
	return kind
}

// A Wording error says that a short text, which nobody reviews, holds what must
// not be in it. It repeats nothing of the text.
type Wording struct {
	Field string
	Kind  freetext.Kind
}

// Error says what to do about it.
func (e *Wording) Error() string { return e.Message().EN }

// Message says what to do about it in each language.
func (e *Wording) Message() instrument.Text {
	if e.Kind == freetext.GiveAway {
		return instrument.Text{NB: "har ord som kan røpe gruppen; si det med andre ord", EN: "holds words that may tell the arm; say it in other words"}
	}
	what := identifier(e.Kind)
	return instrument.Text{
		NB: "har " + what.NB + ", som ikke skal inn i programmet; ta det ut",
		EN: "holds " + what.EN + ", which must not enter this program; take it out",
	}
}

// CheckWording fails with a [Wording] if a short text, such as a reason, holds
// an identifier or a word that gives an arm of the trial away.
func (t *Trial) CheckWording(field, text string) error {
	s, err := t.scanner()
	if err != nil {
		return err
	}
	return CheckWording(s, field, text)
}

// CheckWording is [Trial.CheckWording] with another scanner, for what is said
// about no trial.
func CheckWording(s *freetext.Scanner, field, text string) error {
	if kind := worst(s.Scan(text)); kind != "" {
		return &Wording{field, kind}
	}
	return nil
}

func heldMessage() instrument.Text {
	return instrument.Text{
		NB: "Teksten har ord som kan røpe gruppen. Skriv den om hvis du kan: slik den er, leser ingen andre den før en gransker har frigitt den.",
		EN: "The text holds words that may tell the arm. Reword it if you can: as it is, nobody else reads it until a reviewer has released it.",
	}
}

func identifierMessage(kind freetext.Kind) instrument.Text {
	what := identifier(kind)
	return instrument.Text{
		NB: "Teksten ser ut til å ha " + what.NB + ", som ikke skal inn i programmet. Ta det ut, eller skriv det på en annen måte om det er noe annet.",
		EN: "The text seems to hold " + what.EN + ", which must not enter this program. Take it out, or write it another way if it is something else.",
	}
}

func identifier(kind freetext.Kind) instrument.Text {
	switch kind {
	case freetext.NationalID:
		return instrument.Text{NB: "et fødselsnummer", EN: "a national identity number"}
	case freetext.Email:
		return instrument.Text{NB: "en e-postadresse", EN: "an e-mail address"}
	default:
		return instrument.Text{NB: "et telefonnummer", EN: "a phone number"}
	}
}
