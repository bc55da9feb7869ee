package follower

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/durable"
)

// evidence writes down why a log was refused, and returns the refusal. ask is
// what to ask whoever runs the server.
func (f *follower) evidence(reason error, fields map[string]any, ask string) error {
	now := f.config.Now().UTC()
	fields["time"], fields["server"], fields["pin"] = now, f.config.Server, f.config.Pin
	text, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Join(f.config.Data, "evidence")
	sum := sha256.Sum256(text)
	path := filepath.Join(dir, fmt.Sprintf("%s-%x.json", now.Format("20060102T150405.000Z"), sum[:4]))
	err = os.MkdirAll(dir, 0o700)
	if err == nil {
		err = durable.Replace(path, append(text, '\n'))
	}
	if err != nil {
		return errors.Join(reason, err)
	}
	return fmt.Errorf("%w; nothing more is taken from this server, and this copy is left as it is; the evidence is in %s. "+
		"Ask whoever runs the server %s; then bring it back with this copy (lodd restore --log), "+
		"or begin another copy in a new folder and keep this one", reason, path, ask)
}

// evidenceOf returns what an evidence file says of why a log is refused, and
// what the operator should ask; nil if err is no such reason.
func (f *follower) evidenceOf(err error) (fields map[string]any, ask string) {
	if fork, ok := errors.AsType[*audit.ForkError](err); ok {
		return map[string]any{
			"list": fork.List, "problem": fork.Problem, "size": fork.Size, "root": fork.Root.String(),
			"remembered": string(fork.Remembered), "given": string(fork.Given),
		}, "whether it was restored from a backup"
	}
	w, ok := errors.AsType[*WipeError](err)
	if !ok {
		return nil, ""
	}
	fields = map[string]any{"problem": w.Error(), "kept_sha256": fmt.Sprintf("%x", sha256.Sum256(w.kept))}
	if w.List != "" {
		size, root := f.replica.Root(w.List)
		fields["list"], fields["size"], fields["root"] = w.List, size, root.String()
	}
	return fields, "who has changed the keys in its database"
}
