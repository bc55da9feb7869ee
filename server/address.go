package server

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/vault"
)

// maxAddress is the most bytes in an address for notices.
//
// Source: RFC 5321 (2008), section 4.5.3.1.3: a path has 256 bytes with its
// brackets.
const maxAddress = 254

// addressKey returns the name under which the address of an account is kept. It
// is sealed, and no part of the log: a person may change it or take it away.
func addressKey(user string) string { return "address/" + user }

// parseAddress returns an address for notices as a request gives it; nothing
// means none.
func parseAddress(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", nil
	}
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || len(text) > maxAddress {
		return "", rpcerr.Field("address", errors.New("it is no e-mail address; give it as name@example.org, or nothing for none"))
	}
	return text, nil
}

// keepAddress keeps the address of an account in place of the one before;
// nothing takes it away. All are kept with one length.
func (k *core) keepAddress(ctx context.Context, user, address string) error {
	padded, err := vault.Pad([]byte(address), maxAddress+2)
	if err != nil {
		return fmt.Errorf("server: keep an address: %w", err)
	}
	if err := k.config.Vault.Create(ctx, hashKey); err != nil {
		return fmt.Errorf("server: seal an address: %w", err)
	}
	sealed, err := k.config.Vault.Seal(ctx, hashKey, padded, []byte(addressKey(user)))
	if err != nil {
		return fmt.Errorf("server: seal an address: %w", err)
	}
	if err := k.config.Credentials.Put(ctx, addressKey(user), sealed); err != nil {
		return fmt.Errorf("server: keep an address: %w", err)
	}
	return nil
}

// address returns the address of an account, or nothing if it has none.
func (k *core) address(ctx context.Context, user string) (string, error) {
	sealed, err := k.config.Credentials.Get(ctx, addressKey(user))
	if errors.Is(err, k.config.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("server: read an address: %w", err)
	}
	padded, err := k.config.Vault.Open(ctx, hashKey, sealed, []byte(addressKey(user)))
	if err != nil {
		return "", fmt.Errorf("server: open an address: %w", err)
	}
	plain, err := vault.Unpad(padded)
	if err != nil {
		return "", fmt.Errorf("server: open an address: %w", err)
	}
	return string(plain), nil
}

// NoticeAddress returns the address at which an account wants its notices, and
// whether there is one. It may be called concurrently.
func (s *Server) NoticeAddress(ctx context.Context, user string) (string, bool, error) {
	address, err := s.core.address(ctx, user)
	return address, address != "", err
}
