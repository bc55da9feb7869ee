// Package openidtest runs a real identity provider inside a test, and the
// browser of a person who signs in there.
package openidtest

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

//go:embed provider.mjs
var script string

// ClientID and AnotherClient are what the providers know two programs by.
const (
	ClientID      = "lodd"
	AnotherClient = "another"
)

// A Provider is two running identity providers, which sign with the same keys.
type Provider struct {
	Issuer string // of the one
	Other  string // of the other
}

// Start starts the providers, which end with the test. Where they aren't
// installed, see ./test, the test is skipped, or fails in CI.
func Start(t testing.TB) *Provider {
	t.Helper()
	folder, err := installed()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "provider.mjs")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd := exec.Command("node", file, folder) //nolint:gosec // both are the test's own
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var says struct{ One, Other string }
	line, err := bufio.NewReader(out).ReadBytes('\n')
	t.Cleanup(func() {
		in.Close() // at which it ends
		err := cmd.Wait()
		if err != nil || t.Failed() {
			t.Logf("the identity provider ended: %v\n%s", err, stderr.String())
		}
	})
	if err = errors.Join(err, json.Unmarshal(line, &says)); err != nil {
		t.Fatalf("the identity provider didn't start: %v", err)
	}
	return &Provider{Issuer: says.One, Other: says.Other}
}

// installed returns the folder that the provider is installed in: the one that
// ./test names, or else the one that it uses by default.
func installed() (string, error) {
	folder := os.Getenv("LODD_OIDC_PROVIDER")
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("there is no identity provider for tests: %w", err)
		}
		folder = filepath.Join(cache, "lodd-test", "oidc-provider")
	}
	if _, err := exec.LookPath("node"); err != nil {
		return "", errors.New("the identity provider for tests needs Node.js; ./test installs it")
	}
	module := filepath.Join(folder, "node_modules", "oidc-provider", "package.json")
	if _, err := os.Stat(module); err != nil { //nolint:gosec // whoever runs the tests says where it is
		return "", errors.New("the identity provider for tests (oidc-provider of npm) is missing; ./test installs it")
	}
	return folder, nil
}

// A Person is who sits at the browser. Without a name they say no.
type Person struct {
	Name string   // the subject
	ACR  string   // the class of the sign-in: "low" or "high"
	AMR  []string // how they signed in
}

// A Browser is a browser in which a person has signed in or will. It may not be
// used concurrently.
type Browser struct {
	Person Person
	client *http.Client
}

// NewBrowser returns a browser without cookies.
func NewBrowser(p Person) *Browser {
	jar, _ := cookiejar.New(nil) // without a list of suffixes there is no error
	b := &Browser{Person: p}
	b.client = &http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		Transport: headers{b, &http.Transport{DisableKeepAlives: true}},
	}
	return b
}

// headers tells the provider who sits there.
type headers struct {
	browser *Browser
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	p := h.browser.Person
	for name, value := range map[string]string{"test-user": p.Name, "test-acr": p.ACR, "test-amr": strings.Join(p.AMR, " ")} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return h.next.RoundTrip(r)
}

// Open follows an address to where it leads, and returns the page there. It is
// what a program calls to open a browser.
func (b *Browser) Open(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	return b.read(req)
}

func (b *Browser) read(req *http.Request) (string, error) {
	resp, err := b.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("openidtest: %s answers %s: %s", req.URL.Path, resp.Status, page)
	}
	return string(page), err
}

var (
	action = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	input  = regexp.MustCompile(`<input[^>]* name="([^"]*)" value="([^"]*)"`)
)

// Approve is what a person does on another device who was shown a code: they
// open the address with the code in it, say yes, and sign in.
func (b *Browser) Approve(ctx context.Context, address string) error {
	page, err := b.Open(ctx, address)
	for range 3 { // the code, the question whether this is it, and the end
		if err != nil {
			return err
		}
		form := action.FindStringSubmatch(page)
		if form == nil {
			break
		}
		fields := url.Values{"confirm": {"yes"}}
		for _, f := range input.FindAllStringSubmatch(page, -1) {
			fields.Set(f[1], f[2])
		}
		var req *http.Request
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, form[1], strings.NewReader(fields.Encode()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		page, err = b.read(req)
	}
	if err == nil && !strings.Contains(page, "approved") {
		err = fmt.Errorf("openidtest: the code wasn't approved: %s", page)
	}
	return err
}
