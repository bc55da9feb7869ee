package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// deviceHeader carries the token by which a server knows a device again.
const deviceHeader = "lodd-device"

// Login signs in. The device is the token that the server gave this device at
// an earlier sign-in of the same user, or "". With it a user gets in even while
// strangers guess at the account and are slowed down. It opens nothing by
// itself.
//
// Login returns the token to bring next time, see [Dirs.SaveDevice].
func (c *Client) Login(ctx context.Context, req *loddv1.LoginRequest, device string) (*loddv1.LoginResponse, string, error) {
	return signIn(ctx, device, req, c.Session().Login)
}

// LoginOIDC is Login by the word of an identity provider.
func (c *Client) LoginOIDC(ctx context.Context, req *loddv1.LoginOIDCRequest, device string) (*loddv1.LoginOIDCResponse, string, error) {
	return signIn(ctx, device, req, c.Session().LoginOIDC)
}

func signIn[Q, A any](ctx context.Context, device string, req Q, call func(context.Context, Q, ...grpc.CallOption) (*A, error)) (*A, string, error) {
	if isToken(device) {
		ctx = metadata.AppendToOutgoingContext(ctx, deviceHeader, device)
	}
	var header metadata.MD
	answer, err := call(ctx, req, grpc.Header(&header))
	if err != nil {
		return nil, "", err
	}
	if given := header.Get(deviceHeader); len(given) == 1 && isToken(given[0]) {
		device = given[0]
	}
	return answer, device, nil
}

// isToken reports whether a text is like a token in base64url: anything else
// could not travel in a header.
func isToken(text string) bool {
	return text != "" && len(text) <= 128 && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func (d Dirs) devicePath(pin, user string) string {
	sum := sha256.Sum256([]byte(pin + "\n" + user))
	return filepath.Join(d.State, "devices", hex.EncodeToString(sum[:16])+".device")
}

// LoadDevice returns the token of this device for a user of the server of this
// pin, or "" if there is none. A file that can't be read, or that others can
// read, counts as none: the next sign-in replaces it.
func (d Dirs) LoadDevice(pin, user string) string {
	path := d.devicePath(pin, user)
	if err := checkPrivate(path, ""); err != nil {
		return ""
	}
	b, err := os.ReadFile(path)
	if err != nil || !isToken(string(b)) {
		return ""
	}
	return string(b)
}

// SaveDevice stores the token of this device. It is kept when the session ends.
func (d Dirs) SaveDevice(pin, user, token string) error {
	if err := writePrivate(d.devicePath(pin, user), []byte(token)); err != nil {
		return fmt.Errorf("client: write device: %w", err)
	}
	return nil
}
