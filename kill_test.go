package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

// Whenever a server is killed in the middle of randomizations, and however often:
// no randomization that was answered is missing, each participant has at most
// one slot, and no slot is used twice or left out. Whoever was not answered
// repeats the request, with the same ids, to the next server.
func TestKilledServerLosesNoRandomization(t *testing.T) {
	kills := 20
	switch {
	case os.Getenv("LODD_LONG") != "":
		kills = 200
	case testing.Short():
		kills = 4
	}
	k := recruit(t, 100*kills)
	for life := range kills {
		k.live(life)
		k.check()
		if t.Failed() {
			t.Fatalf("after kill %d", life+1)
		}
	}
	answered, unanswered, repeated := k.asked, k.lost, k.repeats
	k.kill = func(int) bool { return false }
	k.live(kills)
	k.check()
	if left := len(k.pending()); left > 0 {
		t.Errorf("%d participants were never answered", left)
	}
	if answered < 10*kills || unanswered == 0 {
		t.Errorf("%d answers and %d calls that were cut off: the test has lost its power", answered, unanswered)
	}
	t.Logf("%d kills, %d answers, %d of them of requests that a killed server had carried out, %d calls cut off",
		kills, answered, repeated, unanswered)
}

// A person is a participant of the trial, and what is known of the
// randomization.
type person struct {
	number, intent string
	receipt        *loddv1.Receipt // nil until it was answered
}

// A killed is a server that is killed again and again, and its callers.
type killed struct {
	*testing.T
	dir, pin string
	random   *mathrand.Rand

	mu      sync.Mutex // guards the fields below
	people  []*person
	next    int
	kill    func(answers int) bool // whether it is time
	asked   int                    // answers
	repeats int                    // of them those to requests of an earlier life
	lost    int                    // calls without an answer
}

// live runs one server until it is killed; if nobody kills it, until everybody
// is answered.
func (k *killed) live(life int) {
	k.Helper()
	k.next = 0
	after, early := 1+k.random.IntN(80), life%5 == 4
	if k.kill == nil || life > 0 && !early {
		answers := 0
		if k.kill == nil || life > 0 {
			k.plan(&answers, after)
		}
	}
	s := k.start()
	defer s.end()
	if early { // while it opens its log, or a moment later
		<-time.After(time.Duration(k.random.IntN(150)) * time.Millisecond)
		return
	}
	_ = after
}
