package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// ErrWitnessBusy is returned by OpenWitness while another process signs for the
// same witness.
var ErrWitnessBusy = errors.New("client: another process signs for this witness at the moment")

// A Witness is the folder of a witness: its key, what it has seen, and what it
// has signed. One process at a time holds it, because two that look at a forked
// log at once could sign both of its versions.
type Witness struct {
	dir     string
	private string
	unlock  func() error
}

// A WitnessError says of a name, or of the folder of a witness, why it can't be
// used as it is. It tells nothing about the log.
type WitnessError struct{ Problem string }

// Error implements error.
func (e *WitnessError) Error() string { return e.Problem }

// A NotLeftError tells that the log is what it was, and that the witness has
// signed its head, but that the signature is not with the server.
type NotLeftError struct {
	// List is the compartment.
	List string

	// Err is why.
	Err error
}

// Error implements error.
func (e *NotLeftError) Error() string { return e.List + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *NotLeftError) Unwrap() error { return e.Err }

func witnessKey(dir string) string { return filepath.Join(dir, "witness.key") }

// CreateWitness makes the key pair of a witness in a folder and returns its
// public half, which belongs into the server's configuration and into the
// profiles of those who trust the witness. A key that is there is never
// replaced: the error wraps fs.ErrExist. It is a [*WitnessError] if the name is
// none for a witness.
func CreateWitness(dir, name string, random io.Reader) (public string, err error) {
	private, public, err := audit.GenerateCosigner(random, name)
	if err != nil {
		return "", &WitnessError{strings.TrimPrefix(err.Error(), "audit: ")}
	}
	if err := createPrivate(witnessKey(dir), []byte(private+"\n")); err != nil {
		return "", fmt.Errorf("client: write key of the witness: %w", err)
	}
	return public, nil
}

// WitnessKey returns the public half of the key in the folder of a witness. The
// errors are those of OpenWitness, which it doesn't take.
func WitnessKey(dir string) (*audit.CosignatureVerifier, error) {
	_, public, err := readWitness(dir)
	return public, err
}

// readWitness reads the key of a witness.
func readWitness(dir string) (private string, public *audit.CosignatureVerifier, err error) {
	path := witnessKey(dir)
	err = checkPrivate(path, "make another key in another folder if somebody may have read this one")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, &WitnessError{dir + " holds no key of a witness: make one with lodd witness init"}
	}
	if err != nil {
		return "", nil, &WitnessError{err.Error()}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", nil, &WitnessError{err.Error()}
	}
	private = strings.TrimSuffix(string(b), "\n")
	key, err := audit.NewCosigner(private, time.Unix(0, 0))
	if err != nil {
		return "", nil, &WitnessError{path + " doesn't hold the whole key of a witness: bring it back from a copy, or make another one in another folder with lodd witness init"}
	}
	return private, key.Verifier(), nil
}

// OpenWitness returns the witness of a folder. The caller closes it. The error is
// a [*WitnessError] if there is no key that can be used, and [ErrWitnessBusy]
// while another process has it.
func OpenWitness(dir string) (*Witness, error) {
	private, _, err := readWitness(dir)
	if err != nil {
		return nil, err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if errors.Is(err, errLocked) {
		return nil, ErrWitnessBusy
	}
	if err != nil {
		return nil, err
	}
	return &Witness{dir: dir, private: private, unlock: unlock}, nil
}

// Close lets other processes sign.
func (w *Witness) Close() error { return w.unlock() }

// Checkpoints is the folder in which a client that works for the witness keeps
// what it saw, for [Config]: the witness vouches for what it has seen itself,
// and not for what a person at the same machine has.
func (w *Witness) Checkpoints() string { return filepath.Join(w.dir, "checkpoints") }

// Attest checks a compartment as [Client.Follow] does, signs the head that it
// found, keeps the note in the folder and leaves it with the server. The client
// must keep what it saw in [Witness.Checkpoints]. A compartment without entries
// is checked and not signed: there is nothing to vouch for.
//
// The error is a [*LogError] if the log isn't what it was; nothing is signed
// then. It is a [*NotLeftError] if the server didn't take the signature. Whatever
// else goes wrong tells nothing about the log.
func (w *Witness) Attest(ctx context.Context, c *Client, trial, list string) (Verified, error) {
	if c.config.Checkpoints != w.Checkpoints() || c.config.Now == nil {
		return Verified{}, errors.New("client: a client of a witness needs its folder and a clock")
	}
	if !isList(trial, list) {
		return Verified{}, c.found(finding{List: list, Problem: "the server shows it as a list of trial " + trial + ", which it isn't"})
	}
	v, err := c.Follow(ctx, trial, list)
	if err != nil || v.Checkpoint.Size == 0 {
		return v, err
	}
	cosigner, err := audit.NewCosigner(w.private, c.config.Now())
	if err != nil {
		return v, err
	}
	log, err := audit.OpenCosigned(v.Signed, c.verifier)
	if err != nil {
		return v, err
	}
	signed, err := log.Sign(cosigner)
	if err != nil {
		return v, err
	}
	if err := writePrivate(w.path(list, v.Checkpoint.Size), signed); err != nil {
		return v, fmt.Errorf("client: keep the co-signed checkpoint: %w", err)
	}
	_, err = c.Audit().AddCosignature(ctx, &loddv1.AddCosignatureRequest{TrialId: trial, List: list, Checkpoint: string(signed)})
	if _, wrong := errors.AsType[*LogError](err); err != nil && !wrong {
		err = &NotLeftError{list, err}
	}
	return v, err
}

// path returns the file of a co-signed checkpoint, one for each size. Later
// signatures over the same size take its place.
func (w *Witness) path(list string, size int64) string {
	return filepath.Join(w.dir, "signed", url.PathEscape(list), fmt.Sprintf("%d.checkpoint", size))
}
