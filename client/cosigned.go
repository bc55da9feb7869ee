package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lodd-rct/lodd/audit"
)

const cosignedSuffix = ".cosigned"

// cosignedPath returns the file of the largest checkpoint of a list that a
// witness has co-signed, as it was seen from here.
func (m memory) cosignedPath(list string, w *audit.CosignatureVerifier) string {
	sum := sha256.Sum256([]byte(w.String()))
	return strings.TrimSuffix(m.path(list), checkpointSuffix) + "-" + hex.EncodeToString(sum[:8]) + cosignedSuffix
}

// cosignedPaths returns those files of all witnesses.
func (m memory) cosignedPaths(list string) ([]string, error) {
	entries, err := os.ReadDir(m.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("client: read what was seen: %w", err)
	}
	begin := strings.TrimSuffix(filepath.Base(m.path(list)), checkpointSuffix) + "-"
	var paths []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), begin) && strings.HasSuffix(e.Name(), cosignedSuffix) {
			paths = append(paths, filepath.Join(m.dir, e.Name()))
		}
	}
	return paths, nil
}

// witnessed opens the co-signed checkpoint that came with a head, and holds it
// against those that were seen before: a server that has shown its log to
// somebody in another version could leave out what a witness has signed since.
func (c *Client) witnessed(ctx context.Context, v *Verified, f followed) error {
	list, signed := f.list, f.cosigned
	given := audit.Cosigned{Checkpoint: audit.Checkpoint{Size: -1}}
	if signed != "" {
		var err error
		if given, err = c.openCosigned(*v, list, signed); err != nil {
			return err
		}
		if len(given.Cosignatures) > 0 {
			v.Cosigned = &given
		}
	}
	if c.memory.dir == "" {
		return nil
	}
	for _, w := range c.config.Witnesses {
		b, err := c.memory.read(c.memory.cosignedPath(list, w))
		if err != nil {
			return err
		}
		if b == nil {
			continue
		}
		problem, damaged := "", ""
		was, err := audit.OpenCosigned(b, c.verifier, w)
		switch {
		case err != nil || len(was.Cosignatures) == 0:
			damaged = c.memory.cosignedPath(list, w)
			problem = fmt.Sprintf("the co-signed checkpoint in %s, seen earlier, can't be verified: the server has another log key, or the file was changed", damaged)
		case given.Size < was.Size:
			problem = fmt.Sprintf("%s had co-signed %d entries, and the server shows no co-signed checkpoint of so many any more", w.Name(), was.Size)
		case c.hasSigned(w, signed):
		case given.Size == was.Size:
			problem = fmt.Sprintf("%s had co-signed these %d entries, and the server doesn't show the signature any more", w.Name(), was.Size)
		case v.Cosigned == nil:
			v.Displaced = append(v.Displaced, w.Name())
		}
		wrong := finding{List: list, Remembered: string(b), Given: string(v.Signed), Cosigned: signed, Problem: problem, memory: damaged}
		switch {
		case damaged != "":
			return c.found(wrong) // nothing that the server has signed: it isn't shown this
		case problem != "":
			return c.lost(ctx, f.trial, wrong)
		}
	}
	return nil
}

// hasSigned reports whether a witness has signed a checkpoint.
func (c *Client) hasSigned(w *audit.CosignatureVerifier, signed string) bool {
	by, err := audit.OpenCosigned([]byte(signed), c.verifier, w)
	return err == nil && len(by.Cosignatures) > 0
}

// rememberWitnessed keeps the co-signed checkpoint for each witness that has
// signed it, unless a larger one is kept.
func (c *Client) rememberWitnessed(ctx context.Context, list, signed string) error {
	if c.memory.dir == "" || signed == "" {
		return nil
	}
	for _, w := range c.config.Witnesses {
		given, err := audit.OpenCosigned([]byte(signed), c.verifier, w)
		if err != nil || len(given.Cosignatures) == 0 {
			continue
		}
		path := c.memory.cosignedPath(list, w)
		err = c.memory.locked(ctx, func() error {
			b, err := c.memory.read(path)
			if err != nil {
				return err
			}
			if was, err := audit.OpenCosigned(b, c.verifier, w); err == nil && was.Size >= given.Size {
				return nil
			}
			return writePrivate(path, []byte(signed))
		})
		if err != nil {
			return fmt.Errorf("client: remember the co-signed checkpoint: %w", err)
		}
	}
	return nil
}

// openCosigned opens the co-signed checkpoint that came with a head. It has the
// signatures of the witnesses that the client knows, maybe none.
func (c *Client) openCosigned(v Verified, list, signed string) (audit.Cosigned, error) {
	cosigned, err := audit.OpenCosigned([]byte(signed), c.verifier, c.config.Witnesses...)
	switch {
	case err != nil:
	case cosigned.Origin != v.Checkpoint.Origin:
		err = fmt.Errorf("it is of %q and not of %s", cosigned.Origin, list)
	case cosigned.Size > v.Checkpoint.Size:
		err = fmt.Errorf("it has %d entries, but the log shows %d", cosigned.Size, v.Checkpoint.Size)
	default:
		return cosigned, nil
	}
	return audit.Cosigned{}, c.found(finding{List: list, Given: string(v.Signed), Cosigned: signed, Problem: "the co-signed checkpoint that the server gave: " + err.Error()})
}
