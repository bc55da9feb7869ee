package authn_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/authn"
)

// passwords returns a hasher of the least cost.
func passwords(t testing.TB, c authn.PasswordConfig) *authn.Passwords {
	t.Helper()
	if c.MemoryKiB == 0 {
		c.MemoryKiB = 64
	}
	if c.Passes == 0 {
		c.Passes = 1
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	p, err := authn.NewPasswords(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func hash(t testing.TB, p *authn.Passwords, password string) string {
	t.Helper()
	kept, err := p.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// Made by the command argon2 20171227, the reference implementation.
func TestVerifyKnowsTheReferenceImplementation(t *testing.T) {
	for password, kept := range map[string]string{
		"correct horse battery staple": "$argon2id$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$gAwJW5vx5itn2V9KHlEUjyUCrpDYgKyQf0gMaHGx1h4",
		"blåbærsyltetøy på loff":       "$argon2id$v=19$m=256,t=1,p=2$MDEyMzQ1Njc4OWFiY2RlZg$TQg6aYzzMS8XKMOqOsS3YGSdiqqOvAIlhUZyURiYMtU",
	} {
		p := passwords(t, authn.PasswordConfig{})
		if ok, rehash, err := p.Verify(t.Context(), kept, password); !ok || !rehash || err != nil {
			t.Errorf("Verify(%q) = %v, %v, %v", password, ok, rehash, err)
		}
		if ok, _, err := p.Verify(t.Context(), kept, password+" "); ok || err != nil {
			t.Errorf("Verify(%q and a space) = %v, %v", password, ok, err)
		}
	}
}

func TestHashIsRepeatableAndSalted(t *testing.T) {
	p := passwords(t, authn.PasswordConfig{Random: strings.NewReader("0123456789abcdef0123456789abcdeF")})
	const want = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
	first, second := hash(t, p, phrase), hash(t, p, phrase)
	if !strings.HasPrefix(first, want) {
		t.Errorf("Hash = %q, want it to begin with %q", first, want)
	}
	if first == second {
		t.Error("two salts give one hash")
	}
	if _, err := p.Hash(t.Context(), phrase); !errors.Is(err, io.EOF) {
		t.Errorf("Hash without entropy = %v", err)
	}
}

// What looks equal is equal, whichever keyboard it was typed on.
func TestVerifyNormalizes(t *testing.T) {
	p := passwords(t, authn.PasswordConfig{})
	for _, tt := range []struct {
		name, chosen, typed string
		ok                  bool
	}{
		{"same", "blåbærsyltetøy", "blåbærsyltetøy", true},
		{"decomposed", "blåbær på loff", "bla\u030abær pa\u030a loff", true},
		{"composed later", "bla\u030abær", "blåbær", true},
		{"full width", "passord", "ｐａｓｓｏｒｄ", true},
		{"ligature", "fire fisker", "ﬁre ﬁsker", true},
		{"no-break space", "fire fisker", "fire\u00a0fisker", true},
		{"case", "Fire fisker", "fire fisker", false},
		{"space before", "fire fisker", " fire fisker", false},
		{"another letter", "fjære", "fjaere", false},
		{"last of 65", strings.Repeat("x", 64) + "a", strings.Repeat("x", 64) + "b", false},
		{"last of 256", strings.Repeat("å", 255) + "a", strings.Repeat("å", 255) + "b", false},
		{"after a zero byte", "a\x00b", "a\x00c", false},
		{"invalid UTF-8", "a\ufffd", "a\xff", false},
		{"longer than any", "a", "a" + strings.Repeat("b", 5000), false},
		{"empty", "a", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ok, rehash, err := p.Verify(t.Context(), hash(t, p, tt.chosen), tt.typed)
			if ok != tt.ok || rehash || err != nil {
				t.Errorf("Verify = %v, %v, %v; want %v", ok, rehash, err, tt.ok)
			}
		})
	}
}

// The password that was hashed verifies, and no other does.
func TestVerifyProperty(t *testing.T) {
	p := passwords(t, authn.PasswordConfig{MemoryKiB: 8})
	rapid.Check(t, func(rt *rapid.T) {
		a := rapid.StringN(0, 40, -1).Draw(rt, "chosen")
		b := rapid.StringMatching(`[a-z]{0,3}`).Draw(rt, "added")
		kept := hash(t, p, a)
		if ok, _, err := p.Verify(t.Context(), kept, a); !ok || err != nil {
			rt.Errorf("the same: %v, %v", ok, err)
		}
		if ok, _, err := p.Verify(t.Context(), kept, a+b); ok != (b == "") || err != nil {
			rt.Errorf("with %q added: %v, %v", b, ok, err)
		}
	})
}

func TestRehashWhenParametersChange(t *testing.T) {
	kept := hash(t, passwords(t, authn.PasswordConfig{MemoryKiB: 64, Passes: 2}), phrase)
	for _, tt := range []struct {
		memory, passes uint32
		password       string
		ok, rehash     bool
	}{
		{64, 2, phrase, true, false},
		{128, 2, phrase, true, true},
		{64, 3, phrase, true, true},
		{64, 1, phrase, true, true},
		{128, 2, "wrong", false, false},
	} {
		p := passwords(t, authn.PasswordConfig{MemoryKiB: tt.memory, Passes: tt.passes})
		if ok, rehash, err := p.Verify(t.Context(), kept, tt.password); ok != tt.ok || rehash != tt.rehash || err != nil {
			t.Errorf("%+v: Verify = %v, %v, %v", tt, ok, rehash, err)
		}
	}
}

// An account that doesn't exist never matches, and costs the same work: as
// much memory is filled.
func TestUnknownAccountsCostTheSame(t *testing.T) {
	p := passwords(t, authn.PasswordConfig{MemoryKiB: 4096})
	known := hash(t, p, phrase)
	allocated := func(kept, password string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ok, rehash, err := p.Verify(t.Context(), kept, password)
		runtime.ReadMemStats(&after)
		if ok || rehash || err != nil {
			t.Errorf("Verify(%.9q…) = %v, %v, %v", kept, ok, rehash, err)
		}
		return (after.TotalAlloc - before.TotalAlloc) >> 10
	}
	a, b := allocated(known, "wrong"), allocated("", "wrong")
	if a < 4096 || b < 4096 || a > 4200 || b > 4200 {
		t.Errorf("a known account costs %d KiB, an unknown one %d, want 4096 and little more", a, b)
	}
	if long := allocated("", strings.Repeat("x", 5000)); long > 100 {
		t.Errorf("a password that nobody can have costs %d KiB", long)
	}
}

// Beyond the configured number callers wait, as long as they want to.
func TestHashesWaitTheirTurn(t *testing.T) {
	p := passwords(t, authn.PasswordConfig{Concurrent: 2})
	first, second := p.TakeTurn(), p.TakeTurn()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := p.Hash(ctx, phrase)
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Hash while all turns are taken = %v", err)
	}
	first()
	if _, err := p.Hash(t.Context(), phrase); err != nil {
		t.Errorf("Hash with one turn free = %v", err)
	}
	second()
	if _, _, err := p.Verify(ctx, "", phrase); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify for nobody who waits = %v", err)
	}
}

// Beyond 32 who wait, callers are turned away at once: a flood of sign-ins must
// not make everybody wait for minutes.
func TestTooManyWaitingHashesAreRefused(t *testing.T) {
	p := passwords(t, authn.PasswordConfig{Concurrent: 2})
	first, second := p.TakeTurn(), p.TakeTurn()
	var wg sync.WaitGroup
	for range authn.MaxWaiting {
		wg.Go(func() {
			if _, _, err := p.Verify(t.Context(), "", phrase); err != nil {
				t.Errorf("one who waits: %v", err)
			}
		})
	}
	for p.Waiting() < 2+authn.MaxWaiting {
		runtime.Gosched()
	}
	if _, err := p.Hash(t.Context(), phrase); !errors.Is(err, authn.ErrBusy) {
		t.Errorf("Hash beyond that = %v", err)
	}
	if _, _, err := p.Verify(t.Context(), "", phrase); !errors.Is(err, authn.ErrBusy) {
		t.Errorf("Verify beyond that = %v", err)
	}
	first()
	second()
	wg.Wait()
	if _, err := p.Hash(t.Context(), phrase); err != nil || p.Waiting() != 0 {
		t.Errorf("Hash when it is quiet again = %v, %d places taken", err, p.Waiting())
	}
}

func TestDamagedHashesAreRefused(t *testing.T) {
	p := passwords(t, authn.PasswordConfig{})
	kept := hash(t, p, phrase)
	replace := func(old, with string) string { return strings.Replace(kept, old, with, 1) }
	for _, bad := range []string{
		"x", "$", "$$$$$", kept[:len(kept)-1], kept + "A", kept + "$", " " + kept, kept + "\n",
		replace("argon2id", "argon2i"), replace("v=19", "v=16"), replace("m=64", "m=7"), replace("m=64", "m=4194304"),
		replace("m=64", "m=064"), replace("t=1", "t=0"), replace("t=1", "t=65"), replace("t=1", "t=99999999999"),
		replace("p=1", "p=0"), replace("p=1", "p=9"), replace("p=1", "p=256"), replace("m=64,t=1", "t=1,m=64"),
	} {
		if ok, _, err := p.Verify(t.Context(), bad, phrase); ok || err == nil {
			t.Errorf("Verify(%q) = %v, %v", bad, ok, err)
		}
	}
}

func TestNewPasswordsRefuses(t *testing.T) {
	for name, c := range map[string]authn.PasswordConfig{
		"no entropy":      {},
		"too little":      {Random: rand.Reader, MemoryKiB: 7},
		"too much memory": {Random: rand.Reader, MemoryKiB: 1<<20 + 1},
		"too many passes": {Random: rand.Reader, Passes: 65},
		"no turns":        {Random: rand.Reader, Concurrent: -1},
	} {
		if _, err := authn.NewPasswords(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := authn.NewPasswords(authn.PasswordConfig{Random: iotest.ErrReader(io.EOF)}); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func FuzzVerifyStored(f *testing.F) {
	p := passwords(f, authn.PasswordConfig{MemoryKiB: 8})
	f.Add(hash(f, p, phrase))
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$" + strings.Repeat("A", 43))
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // parsing is tested, not hashing
	f.Fuzz(func(t *testing.T, kept string) {
		if ok, _, err := p.Verify(ctx, kept, phrase); ok || err == nil {
			t.Errorf("Verify(%q) = %v, %v", kept, ok, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	p, err := authn.NewPasswords(authn.PasswordConfig{Random: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	kept := hash(b, p, phrase)
	for b.Loop() {
		if ok, _, err := p.Verify(b.Context(), kept, phrase); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// However many strangers wait, whoever is signed in finds a place.
func TestStrangersDontTakeThePlacesOfTheSignedIn(t *testing.T) {
	p := passwords(t, authn.PasswordConfig{Concurrent: 1})
	p.FillUp()
	if _, _, err := p.Verify(t.Context(), "", phrase); !errors.Is(err, authn.ErrBusy) {
		t.Errorf("Verify for a stranger = %v", err)
	}
	inside := authn.WithPrincipal(t.Context(), authn.Principal{User: "kari"})
	if _, _, err := p.Verify(inside, "", phrase); err != nil {
		t.Errorf("Verify for the signed-in = %v", err)
	}
	if _, err := p.Hash(inside, phrase); err != nil {
		t.Errorf("Hash for the signed-in = %v", err)
	}
}

// A wrong password for a cheap old hash and one for nobody cost the same: memory
// times passes.
func TestOldHashesCostWhatTodaysDo(t *testing.T) {
	p := passwords(t, authn.PasswordConfig{MemoryKiB: 65536, Passes: 3})
	for _, tt := range []struct{ memory, passes, wantMemory, wantPasses uint32 }{
		{65536, 3, 0, 0},                                 // today's
		{131072, 3, 0, 0},                                // dearer ones can't be made cheaper
		{65536, 1, 43690, 3},                             // 64 MiB three times in all
		{19456, 2, (65536*3 - 19456*2) / 3, 3},           // of the kind OWASP names
		{65534, 3, 0, 0},                                 // nothing worth a hash is left
		{64, 1, (65536*3 - 64) / 3, 3}, {65528, 3, 8, 3}, // the least
	} {
		if memory, passes := p.Left(tt.memory, tt.passes); memory != tt.wantMemory || passes != tt.wantPasses {
			t.Errorf("beside %d KiB and %d passes: %d and %d", tt.memory, tt.passes, memory, passes)
		}
	}
}
