package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// maxNotedBytes is the most that is noted of one list, about a thousand heads: a
// value of the map may have no more. The newest stay. A head of which nothing is
// noted raises another fence when it is shown again.
const maxNotedBytes = 65_535

// A loss notes that the trials know of a head of a list that the log doesn't
// continue, and how much of conduct each of them had when it knew. The note lies
// outside the log, where others than this server may write, and outlives it: put
// beside an older copy of the log, it would tell of a fence that isn't there. So its
// code covers what conduct was then, and it says nothing unless the log holds that.
type loss struct {
	size  int64 // of the head
	code  string
	known []known
}

// A known trial is one that knew of a loss when its conduct had so many entries.
type known struct {
	in   trial.ID
	size int64
}

// String is the line of a loss, as docs/log-format.md says.
func (l loss) String() string {
	b := fmt.Appendf(nil, "%d %s", l.size, l.code)
	for _, k := range l.known {
		b = fmt.Appendf(b, " %s %d", k.in, k.size)
	}
	return string(append(b, '\n'))
}

// parseLoss is the inverse of String. Lines of an earlier version, which had no
// code, are none.
func parseLoss(line string) (l loss, ok bool) {
	words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
	if len(words) < 4 || len(words)%2 != 0 {
		return l, false
	}
	size, err := strconv.ParseInt(words[0], 10, 64)
	l = loss{size: size, code: words[1]}
	for pair := range slices.Chunk(words[2:], 2) {
		n, wrong := strconv.ParseInt(pair[1], 10, 64)
		l.known = append(l.known, known{trial.ID(pair[0]), n})
		err = errors.Join(err, wrong)
	}
	return l, err == nil
}

// codeOf returns the code of a lost head of a list and of the trials that know of
// it, over what the log holds of the conduct of each up to where it knew. There is
// none, "", if the log doesn't go as far.
//
// Source: RFC 2104 (1997), HMAC with SHA-256, of which half is kept.
func (f *fence) codeOf(ctx context.Context, list string, lost audit.Checkpoint, by []known) (string, error) {
	mac := hmac.New(sha256.New, f.key[:])
	fmt.Fprintf(mac, "%s\n%d %s\n", list, lost.Size, lost.Root)
	for _, k := range by {
		conduct := string(k.in) + "/" + string(trial.Conduct)
		if k.size < 0 || k.size > f.config.Log.Len(conduct) {
			return "", nil
		}
		root, err := f.config.Log.RootAt(ctx, conduct, k.size)
		if err != nil {
			return "", fmt.Errorf("server: look whether a loss is known: %w", err)
		}
		fmt.Fprintf(mac, "%s %d %s\n", k.in, k.size, root)
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)[:16]), nil
}

func restoredKey(list string) string { return "restored/" + list }

// noted returns what is noted of a list, true or not, the newest first. A line of the value that is
// no note is left out: a fence too many, never one too few.
func (f *fence) noted(ctx context.Context, list string) (out []loss, err error) {
	b, err := f.config.Credentials.Get(ctx, restoredKey(list))
	if errors.Is(err, f.config.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("server: read which losses are noted: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if l, ok := parseLoss(line); ok {
			out = append(out, l)
		}
	}
	return out, nil
}

// knows reports whether the trials know of the loss of a head, by what is noted of
// its list.
func (f *fence) knows(ctx context.Context, list string, noted []loss, shown audit.Checkpoint) (bool, error) {
	for _, l := range noted {
		if l.size != shown.Size {
			continue
		}
		code, err := f.codeOf(ctx, list, shown, l.known)
		if err != nil || code != "" && hmac.Equal([]byte(code), []byte(l.code)) {
			return true, err
		}
	}
	return false, nil
}

// note notes one head of a list more, of which its trials know now.
func (f *fence) note(ctx context.Context, list string, noted []loss, shown audit.Checkpoint) (err error) {
	l := loss{size: shown.Size}
	for _, t := range f.config.Ledger.Trials() {
		if concerns(list, t.ID()) {
			l.known = append(l.known, known{t.ID(), f.config.Log.Len(t.List(trial.Conduct))})
		}
	}
	if l.code, err = f.codeOf(ctx, list, shown, l.known); err != nil {
		return err
	}
	var b []byte
	for _, l := range slices.Insert(noted, 0, l) {
		line := l.String()
		if len(b)+len(line) > maxNotedBytes {
			break
		}
		b = append(b, line...)
	}
	if err := f.config.Credentials.Put(ctx, restoredKey(list), b); err != nil {
		return fmt.Errorf("server: note the loss: %w", err)
	}
	return nil
}

// NoteRestored shows the fence the signed heads that a restore knows of, as others
// would, so that the same heads, whoever shows them later, raise no other one. Of
// each it is noted that the trials know what it covers: if they know of fewer
// entries than it shows to be lost, whatever the records say, they are told. Heads
// that the log continues, those of trials that are gone, and what this server
// hasn't signed are left out.
//
// It must be called after [ledger.Ledger.MarkRestored] and before anything is
// served. Of c it needs Ledger, Log, Vault, Keys, Credentials and NotFound.
func NoteRestored(ctx context.Context, c Config, signed []string) error {
	f, err := newFence(c)
	if err != nil {
		return err
	}
	for _, s := range signed {
		shown, list, err := f.open(s)
		if err != nil {
			continue
		}
		if _, err := f.behind(ctx, list, shown); err != nil {
			return err
		}
	}
	return nil
}

// UnsealedPrefix is how the keys of the map begin under which it is noted, outside
// the log, that a trial was unsealed; its id follows. A copy of the log from before
// its unsealing doesn't know of it, but the seed that it would draw from is public.
const UnsealedPrefix = "unsealed/"

// noteUnsealed notes that a trial is unsealed, with the signed head of its conduct
// as evidence.
func (k *core) noteUnsealed(ctx context.Context, id trial.ID) error {
	if noted, err := k.notedUnsealed(ctx, id); noted || err != nil {
		return err
	}
	head, err := k.config.Log.Checkpoint(ctx, string(id)+"/"+string(trial.Conduct))
	if err == nil {
		err = k.config.Credentials.Put(ctx, UnsealedPrefix+string(id), head)
	}
	if err != nil {
		return fmt.Errorf("server: note the unsealing: %w", err)
	}
	return nil
}

// notedUnsealed reports whether a trial is noted as unsealed, whatever the note
// holds: one that is damaged must not make a seed secret again, and whoever can
// write one can stop the trial in other ways, too.
func (k *core) notedUnsealed(ctx context.Context, id trial.ID) (bool, error) {
	_, err := k.config.Credentials.Get(ctx, UnsealedPrefix+string(id))
	if err != nil && !errors.Is(err, k.config.NotFound) {
		return false, fmt.Errorf("server: read which trials were unsealed: %w", err)
	}
	return err == nil, nil
}

// unsealedBefore reports whether a trial was noted as unsealed when it was first
// asked for here: what is noted later, this server's log holds. The answer is
// remembered, since each randomization asks.
func (k *core) unsealedBefore(ctx context.Context, id trial.ID) (bool, error) {
	if was, ok := k.past.Load(id); ok {
		return was == true, nil
	}
	noted, err := k.notedUnsealed(ctx, id)
	if err != nil {
		return false, err
	}
	was, _ := k.past.LoadOrStore(id, noted)
	return was == true, nil
}

// errSeedKnown reaches whoever would allocate from a seed that people have.
var errSeedKnown = &rpcerr.Refusal{Code: codes.FailedPrecondition, Text: "the trial was unsealed before this server was brought back to an older copy: " +
	"people may hold the design, the seed and every allocation, so that nobody can be enrolled in it any more; bring back a newer copy, or unseal it again"}

// seedSecret refuses what would use the sequences of a trial that was unsealed in
// a past that its log doesn't hold any more. One whose log knows of the unsealing
// is bound by the rules.
func (k *core) seedSecret(ctx context.Context, t *ledger.Trial) error {
	if past, err := k.unsealedBefore(ctx, t.ID()); !past || err != nil {
		return err
	}
	return t.View(func(s *trial.State) error {
		if at, _ := s.Unsealed(); at.IsZero() {
			return errSeedKnown
		}
		return nil
	})
}
