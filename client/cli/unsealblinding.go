package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/randomization/blinding"
)

// pooledView is the view of an export that holds the guesses.
const pooledView = "pooled"

// confidence is the level of all limits.
const confidence = 0.95

func (a *app) unsealBlinding() *cobra.Command {
	var v verifying
	var out string
	cmd := a.local(spec{
		use: "blinding UNSEALED LOCK", short: "Tell from the guesses how well an unsealed trial was blinded, without a server", args: cobra.ExactArgs(2),
		long: `Tell from the assessors' guesses how well an unsealed trial was blinded, without a
server: James' index of all arms and Bang's of each, at every visit and for every
form that asks. UNSEALED is the file of lodd unseal download, LOCK that of lodd
export download for the same lock; both are verified as lodd verify does.

James' index is 1 if nobody names an arm, 0.5 if all guess at random and 0 if all
guess right. Bang's is 0 at random, 1 if all guess right and -1 if all guess wrong.
Lower and upper are the limits of the 95% interval; over and under are those of the
one-sided ones: with 95% confidence the index is over the first, or under the second.

Exports don't say who assessed. With --archive, the log of lodd audit export, there
is a line for each assessor too. With --out the lines are also written into a file,
as CSV: they tell no participant's arm.`,
		example: "  lodd unseal blinding IPS-unsealed.zip IPS-lock2-pooled.zip --archive IPS-log.zip --out blinding.csv",
	}, func(ctx context.Context, args []string) error { return a.blinding(ctx, [2]string(args), v, out) })
	cmd.Flags().StringVar(&v.key, "key", "", "public `KEY` of the exports, or a file that holds it")
	cmd.Flags().StringVar(&v.record, "record", "", "the sealing record, a `FILE`")
	cmd.Flags().StringVar(&v.archive, "archive", "", "the log, a `FILE` of lodd audit export: it tells who assessed")
	cmd.Flags().StringVar(&out, "out", "", "a new `FILE` for the lines as CSV")
	return cmd
}

// blinding reads the guesses of two bundles, that of the unsealed trial and that
// of its lock, and puts out the indices.
func (a *app) blinding(ctx context.Context, paths [2]string, v verifying, out string) error {
	unsealed, err := a.openBundle(paths[0], v.key)
	if err != nil {
		return err
	}
	defer unsealed.file.Close()
	r, err := a.checkUnsealed(ctx, unsealed, v)
	if err != nil {
		return err
	}
	lock, err := a.openBundle(paths[1], v.key)
	if err != nil {
		return err
	}
	defer lock.file.Close()
	if err := a.sameLock(r.manifest, lock.manifest, paths[1]); err != nil {
		return err
	}
	guesses, err := blinding.Join(unsealed.files, lock.files)
	if errors.Is(err, blinding.ErrNoQuestion) {
		return &usageError{a.words.say("error.no-guesses", paths[1])}
	}
	if err != nil {
		return &notVerifiedError{message: err.Error()}
	}
	by, err := a.assessors(ctx, r, guesses, v.archive)
	if err != nil {
		return err
	}
	return a.writeBlinding(indices{guesses, by}, out)
}

// A verifiedBundle is a bundle that is what was signed.
type verifiedBundle struct {
	file     *os.File
	files    *zip.Reader
	manifest audit.Manifest
}

// openBundle opens a bundle and verifies it. The caller closes the file.
func (a *app) openBundle(path, key string) (b verifiedBundle, err error) {
	if b.file, err = os.Open(path); err != nil {
		return b, &fileError{err}
	}
	defer func() {
		if err != nil {
			b.file.Close()
		}
	}()
	info, err := b.file.Stat()
	if err != nil {
		return b, fmt.Errorf("verify: %w", err)
	}
	if audit.HasArchive(b.file, info.Size()) || !mayBeBundle(b.file, info.Size()) {
		return b, &invalidError{message: a.words.say("error.no-bundle", path)}
	}
	if b.manifest, err = a.verifyWith(b.file, key, path); err != nil {
		return b, err
	}
	if b.files, err = zip.NewReader(b.file, info.Size()); err != nil {
		return b, fmt.Errorf("verify: %w", err)
	}
	return b, nil
}

// checkUnsealed checks what a bundle says of an unsealed trial, as lodd verify
// does.
func (a *app) checkUnsealed(ctx context.Context, b verifiedBundle, v verifying) (reveal, error) {
	if b.manifest.View != unsealedView {
		return reveal{}, &usageError{a.words.say("error.unsealed-first", b.file.Name())}
	}
	record, err := a.readRecord(v.record)
	if err != nil {
		return reveal{}, err
	}
	r, err := a.checkReveal(b.file, b.manifest, record)
	if err != nil {
		return r, err
	}
	if v.archive != "" {
		if err := a.holdToLog(ctx, &r, v.archive); err != nil {
			return r, err
		}
	}
	a.tellOwn(r)
	return r, nil
}

// sameLock refuses a bundle that isn't the pooled view of the lock that an
// unsealed trial is told of.
func (a *app) sameLock(unsealed, lock audit.Manifest, path string) error {
	if lock.View != pooledView || lock.Study != unsealed.Study || lock.Lock.Number != unsealed.Lock.Number {
		return &usageError{a.words.say("error.other-lock", path, lock.View, lock.Lock.Number, lock.Study, unsealed.Lock.Number, unsealed.Study)}
	}
	outcome := func(c audit.Compartment) bool { return c.List == unsealed.Study+"/outcome" }
	i, k := slices.IndexFunc(unsealed.Compartments, outcome), slices.IndexFunc(lock.Compartments, outcome)
	if i >= 0 && k >= 0 && unsealed.Compartments[i] != lock.Compartments[k] {
		return &notVerifiedError{message: a.words.say("error.other-outcome", path)}
	}
	return nil
}

// indices are what is told of some guesses.
type indices struct {
	guesses *blinding.Guesses
	by      map[answer]string // who assessed; nil if that isn't known
}

// writeBlinding puts the indices out, and writes them into a file too if there
// is a path.
func (a *app) writeBlinding(x indices, out string) error {
	f, err := a.createRecord(out)
	if err != nil {
		return err
	}
	if f != nil {
		var b bytes.Buffer
		r := x.rows("")
		if err := r.csv(&b); err != nil {
			return errors.Join(err, discard(f))
		}
		if err := writeRecord(f, b.String()); err != nil {
			return err
		}
	}
	if n := x.guesses.Gone; n > 0 {
		a.note("note.guesses-gone", n)
	}
	if n := x.guesses.Unanswered; n > 0 {
		a.note("note.guesses-unanswered", n)
	}
	if x.by == nil {
		a.note("note.no-assessors")
	}
	everybody := any("")
	if a.settings.output == "table" {
		everybody = code("all") // an empty cell says little to people
	}
	return a.write(x.rows(everybody))
}

// rows returns the indices of every visit and form: of all guesses, where
// everybody stands in the place of the assessor, and of each assessor's.
func (x indices) rows(everybody any) result {
	r := list("blinding", "indices", "visit", "form", "assessor", "measure", "arm", "people", "right", "wrong", "dont_know",
		"estimate", "standard_error", "lower", "upper", "over", "under", "remark")
	for _, visit := range x.guesses.Visits {
		for k, q := range x.guesses.Questions {
			at := func(g blinding.Guess) bool { return g.Question == k && g.Visit == visit }
			c := x.guesses.Count(at)
			if c.All().People == 0 { // it isn't asked then
				continue
			}
			head := []any{code(visit), code(x.formOf(q))}
			x.add(&r, slices.Concat(head, []any{everybody}), c)
			for _, name := range x.names(at) {
				mine := func(g blinding.Guess) bool { return at(g) && x.assessor(g) == name }
				x.add(&r, slices.Concat(head, []any{name}), x.guesses.Count(mine))
			}
		}
	}
	return r
}

// formOf returns the form of a question, with the item if it asks several. The
// built-in protocol's are guess-before and guess-after, which have names in the
// user's language.
func (x indices) formOf(q blinding.Question) string {
	for _, other := range x.guesses.Questions {
		if other.Form == q.Form && other.Item != q.Item {
			return q.Form + ":" + q.Item
		}
	}
	return q.Form
}

// add adds James' index of some counts, and Bang's of each arm.
func (x indices) add(r *result, head []any, c blinding.Counts) {
	james, err := blinding.James(c, nil)
	r.add(slices.Concat(head, []any{code("james"), ""}, figures(c.All(), james, err))...)
	for arm, name := range x.guesses.Arms {
		bang, err := blinding.Bang(c, arm)
		r.add(slices.Concat(head, []any{code("bang"), name}, figures(c.Of(arm), bang, err))...)
	}
}

// figures returns the cells of an index, and of the people it is of.
func figures(t blinding.Tally, i blinding.Index, err error) []any {
	cells := []any{t.People, t.Correct, t.Wrong, t.DontKnow}
	if err != nil {
		return append(cells, nil, nil, nil, nil, nil, nil, code("undefined"))
	}
	lower, upper := i.Interval(confidence)
	over, under := i.OneSided(confidence)
	for _, f := range []float64{i.Value, i.SE, lower, upper, over, under} {
		cells = append(cells, math.Round(f*1e4)/1e4+0) // never -0
	}
	remark := code("")
	switch {
	case t.DontKnow == t.People:
		remark = "nobody-guessed"
	case i.SE < 1e-6: // but for rounding it is 0
		remark = "no-spread"
	}
	return append(cells, remark)
}
