package export

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/trial"
)

// Pooled is the name of the view of data monitors.
const Pooled trial.Code = "pooled"

// version is the version of what a bundle holds: it changes with the tables and
// never with the program around them, so that a program that was updated makes
// the same bytes of the same lock.
const version = "export 1"

// Output says how a bundle is written and who vouches for it.
type Output struct {
	Format Format
	Signer note.Signer // signs the bundle
	Log    note.Signer // signs the heads of the log at the lock
}

// Name returns the file name of the bundle of a lock.
func Name(id trial.ID, lock int, view trial.Code) string {
	return fmt.Sprintf("%s-lock%d-%s.zip", id, lock, view)
}

// Bundle writes the pooled view of a lock as one signed file, which
// [audit.VerifyBundle] checks. The same source and output give the same bytes.
// The rows are read three times at most and never held.
//
// The error wraps [trial.ErrErased] if a participant's data were destroyed
// meanwhile: make another Source and begin again. What was written then is no
// bundle.
func Bundle(ctx context.Context, w io.Writer, src Source, out Output) error {
	p := newPooled(src)
	m := src.manifest(Pooled)
	m.Blinded = true
	members, err := p.members(ctx, out)
	if err != nil {
		return err
	}
	if err := audit.WriteBundle(w, m, members, out.Signer); err != nil {
		return fmt.Errorf("export: lock %d of %s: %w", src.Lock.Number, src.Trial, err)
	}
	return nil
}

// members returns the files in their order: what may tell the arm comes last.
func (p *pooled) members(ctx context.Context, out Output) ([]audit.Member, error) {
	plain, revealing := p.tables()
	suffix := "." + out.Format.Name()
	plain = append(plain, dictionary(slices.Concat(plain, revealing), suffix))
	has := func(name string) bool {
		return slices.ContainsFunc(plain, func(t Table) bool { return t.Name == name })
	}
	told := readme(p.src, parts{Mistakes: has(mistakesName), Signatures: has(signaturesName), Revealing: len(revealing) > 0})
	members := []audit.Member{{Name: "README.txt", Format: "text", Open: audit.Bytes([]byte(told))}}
	heads, err := checkpoints(p.src.Heads, out)
	if err != nil {
		return nil, err
	}
	members = append(members, heads...)
	for _, t := range append(plain, revealing...) {
		n, err := t.Count(ctx)
		if err != nil {
			return nil, err
		}
		members = append(members, audit.Member{
			Name: t.Name + suffix, Format: out.Format.Name(), Records: n, Open: open(ctx, t, n, out.Format),
		})
	}
	return members, nil
}

// checkpoints returns heads of the log as signed files.
func checkpoints(heads []Head, out Output) ([]audit.Member, error) {
	var members []audit.Member
	for _, h := range heads {
		signed, err := h.Sign(out.Log)
		if err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
		members = append(members, audit.Member{
			Name: fmt.Sprintf("checkpoints/%s.txt", h.Compartment), Format: "tlog-checkpoint", Open: audit.Bytes(signed),
		})
	}
	return members, nil
}

// open returns a reader of the file of a table, which has n rows.
func open(ctx context.Context, t Table, n int64, f Format) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		return pull(func(w io.Writer) error {
			got, err := f.Write(ctx, w, t)
			if err == nil && got != n {
				err = fmt.Errorf("export: table %s has %d rows, want %d", t.Name, got, n)
			}
			return err
		}), nil
	}
}

// manifest says what a view of the source is: lock, heads of the log, and whom it
// no longer names.
func (s Source) manifest(view trial.Code) audit.Manifest {
	m := audit.Manifest{
		Study: string(s.Trial), View: string(view), Producer: audit.Producer{Name: "lodd", Version: version},
		Lock:      audit.Lock{Number: int64(s.Lock.Number), ID: fmt.Sprintf("%s-lock%d", s.Trial, s.Lock.Number), At: stamp(s.Lock.At)},
		CreatedAt: stamp(s.Lock.At),
	}
	for _, id := range s.Erased {
		m.RevisedBy = append(m.RevisedBy, s.rowKey(id))
	}
	slices.Sort(m.RevisedBy)
	for _, h := range s.Heads {
		m.Compartments = append(m.Compartments, audit.Compartment{List: h.List, Size: h.Size, Root: h.Root.String()})
	}
	return m
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }
