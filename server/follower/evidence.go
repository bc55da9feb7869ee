package follower

import (
	"bytes"
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
// what to ask whoever runs the server. What is written down already isn't again.
func (f *follower) evidence(reason error, fields map[string]any, ask string) error {
	fields["server"], fields["pin"] = f.config.Server, f.config.Pin
	dir := filepath.Join(f.config.Data, "evidence")
	path, err := f.written(dir, fields)
	if err == nil && path == "" {
		path, err = f.write(dir, fields)
	}
	if err != nil {
		return errors.Join(reason, err)
	}
	return fmt.Errorf("%w; nothing more is taken from this server, and this copy is left as it is; the evidence is in %s. "+
		"Ask whoever runs the server %s; then bring it back with this copy (lodd restore --log), "+
		"or begin another copy in a new folder and keep this one", reason, path, ask)
}

// write writes a file with the fields and the time, and returns its path.
func (f *follower) write(dir string, fields map[string]any) (string, error) {
	now := f.config.Now().UTC()
	fields["time"] = now
	text, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	path := filepath.Join(dir, fmt.Sprintf("%s-%x.json", now.Format("20060102T150405.000Z"), sum[:4]))
	return path, durable.Replace(path, append(text, '\n'))
}

// written returns the path of a file that says the same, but for the time; "" if
// there is none. A follower may be started again and again.
func (f *follower) written(dir string, fields map[string]any) (string, error) {
	same, err := json.Marshal(fields)
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return "", err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		var had map[string]any
		if json.Unmarshal(text, &had) != nil { // not written here
			continue
		}
		delete(had, "time")
		if again, err := json.Marshal(had); err == nil && bytes.Equal(again, same) {
			return path, nil
		}
	}
	return "", nil
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
