package main

import (
	"bytes"
	"cmp"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// Whenever a server is killed in the middle of randomizations, and however often:
// no randomization that was answered is missing, each participant has at most
// one slot, and the arms of each stratum are the beginning of its sequence, which
// is drawn again here from the seed: no slot is used twice or left out. Whoever
// was not answered repeats the request, with the same ids, to the next server.
func TestKilledServerLosesNoRandomization(t *testing.T) {
	kills := 20
	switch {
	case os.Getenv("LODD_LONG") != "":
		kills = 200
	case testing.Short():
		kills = 4
	}
	killAndRepeat(t, kills, recruit(t, 40*kills, killBlocks, ""))
}

// With minimization an arm depends on all that came before, so that one that was
// lost or counted twice would change the next.
func TestKilledServerGoesOnMinimizing(t *testing.T) {
	killAndRepeat(t, 3, recruit(t, 120, randomization.Minimization{
		Ratio: []int{1, 1}, Factors: []randomization.Factor{{Weight: 1, Levels: 2}}, Measure: randomization.Range, Favored: 4, Of: 5,
	}, ""))
}

func killAndRepeat(t *testing.T, kills int, k *killed) {
	t.Helper()
	for life := range kills {
		if life%5 == 4 {
			k.dieEarly()
		} else {
			k.dieAfter(1 + k.random.IntN(100))
		}
		if k.check(); t.Failed() {
			t.Fatalf("after kill %d", life+1)
		}
	}
	asked, repeats, lost := k.asked, k.repeats, k.lost
	k.answerAll()
	k.check()
	if asked < 10*kills || lost < kills {
		t.Errorf("%d answers and %d calls that were cut off: the test has lost its power", asked, lost)
	}
	t.Logf("%d kills, %d answers, %d of them to requests that an earlier call had carried out, %d calls cut off", kills, asked, repeats, lost)
}

// A person is a participant of the trial, and what was told of the randomization.
type person struct {
	number, intent string
	receipt        *loddv1.Receipt // nil until it was answered
}

// A killed is a server that is killed again and again, and its callers.
type killed struct {
	*testing.T
	dir, pin string
	store    string // the cluster, if there is one
	random   *rand.Rand
	design   randomization.Design
	seed     bytes.Buffer // and the salt, as they were drawn

	mu                   sync.Mutex // guards the fields below
	people               []*person
	turn                 int // calls of take
	asked, repeats, lost int
	due                  int           // answers until the server is killed
	dead                 chan struct{} // closed then
	last                 bool          // nobody is killed any more
}

// dieEarly kills a server while it opens its log, or a moment later.
func (k *killed) dieEarly() {
	s, _ := k.start()
	<-time.After(time.Duration(k.random.IntN(200)) * time.Millisecond)
	k.end(s, os.Kill)
}

// dieAfter kills a server some answers and a moment after it was started.
func (k *killed) dieAfter(answers int) {
	k.due, k.dead = answers, make(chan struct{})
	k.serve(func(s *running) {
		select {
		case <-k.dead:
		case <-time.After(30 * time.Second):
			k.Errorf("%d answers didn't come within 30 s", answers)
		}
		<-time.After(time.Duration(k.random.IntN(10_000)) * time.Microsecond)
		k.end(s, os.Kill)
	})
}

// answerAll runs a server until everybody is answered, and stops it.
func (k *killed) answerAll() {
	k.last = true
	var served *running
	k.serve(func(s *running) { served = s })
	k.end(served, os.Interrupt)
	for _, p := range k.people {
		if p.receipt == nil {
			k.Errorf("%s was never answered", p.number)
		}
	}
}

// serve runs a server with 64 callers. If kill ends it, the callers give up; if
// not, they go on until everybody is answered.
func (k *killed) serve(kill func(*running)) {
	k.Helper()
	s, ready := k.start()
	address := k.address(s, ready)
	ctx, cancel := context.WithCancel(k.Context())
	defer cancel()
	token := k.signIn(address, "tove")
	var wg sync.WaitGroup
	for range 8 {
		c := k.dial(address, token)
		for range 8 {
			wg.Go(func() { k.call(ctx, c) })
		}
	}
	kill(s)
	select {
	case <-s.ended:
		cancel()
	default:
	}
	wg.Wait()
}

// take returns who is randomized next: somebody who was not answered yet, often two
// callers the same, and now and then somebody who was. At the end it returns nil.
func (k *killed) take() *person {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.turn++
	var found *person
	waiting := 0
	for _, p := range k.people {
		if p.receipt != nil {
			continue
		}
		if found = p; waiting == k.turn/2%24 && k.turn%9 > 0 {
			return p
		}
		waiting++
	}
	if k.last {
		return found
	}
	return k.people[k.turn*7%len(k.people)]
}

// call randomizes until the server is dead or nobody is left.
func (k *killed) call(ctx context.Context, c *client.Client) {
	for p := k.take(); p != nil; p = k.take() {
		r, err := randomize(ctx, c, p)
		if client.HasReason(err, loddv1.ErrorReason_ERROR_REASON_BUSY) {
			<-time.After(100 * time.Millisecond)
			continue
		}
		if err != nil && ctx.Err() == nil {
			k.Errorf("%s: %v", p.number, err)
		}
		if err != nil {
			k.mu.Lock()
			k.lost++
			k.mu.Unlock()
			return
		}
		k.note(p, r)
	}
}

func randomize(ctx context.Context, c *client.Client, p *person) (*loddv1.Receipt, error) {
	_, err := c.Randomization().PrepareRandomization(ctx, &loddv1.PrepareRandomizationRequest{
		TrialId: "KILL", RequestId: p.intent, Participant: p.number,
	})
	if err != nil {
		return nil, err
	}
	answer, err := c.Randomization().CommitRandomization(ctx, &loddv1.CommitRandomizationRequest{
		TrialId: "KILL", IntentId: p.intent, Confirm: p.number,
	})
	return answer.GetReceipt(), err
}

// note remembers an answer, which must be the same for ever.
func (k *killed) note(p *person, r *loddv1.Receipt) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked++; r.GetRepeatedRequest() {
		k.repeats++
	}
	r.RepeatedRequest = false
	if p.receipt != nil && !proto.Equal(p.receipt, r) {
		k.Errorf("%s was answered %v, and now %v", p.number, p.receipt, r)
	}
	p.receipt = cmp.Or(p.receipt, r)
	if k.due--; k.due == 0 && !k.last {
		close(k.dead)
	}
}

// check compares a copy of the data, as the last server has left them, with what
// was answered.
func (k *killed) check() {
	k.Helper()
	data := filepath.Join(k.TempDir(), "copy")
	k.must(copyFiles(data, k.dir))
	defer os.RemoveAll(data)
	n := k.open(data)
	defer n.close()
	t, err := n.ledger.Trial("KILL")
	if err != nil {
		k.Fatal(err)
	}
	to := ledger.Position{}
	for _, c := range trial.Compartments() {
		to[c] = n.log.Len(t.List(c))
	}
	enrolled := map[string]int64{} // index of the randomization
	slots := map[trial.Stratum]int{}
	drawn := map[trial.ParticipantID]randomization.Arm{}
	draw := k.draws()
	for l, err := range t.Replay(k.Context(), to) {
		if err != nil {
			k.Fatal(err)
		}
		switch e := l.Event.(type) {
		case trial.Randomized:
			if _, twice := enrolled[string(e.Participant)]; twice {
				k.Errorf("%s was randomized twice", e.Participant)
			}
			enrolled[string(e.Participant)] = l.Index
		case trial.Allocated:
			if e.Slot != slots[e.Stratum] {
				k.Errorf("%s has slot %d of %s, slot %d is next", e.Participant, e.Slot, e.Stratum, slots[e.Stratum])
			}
			slots[e.Stratum]++
			drawn[e.Participant] = draw(e.Stratum, e.Slot)
		}
	}
	k.compare(n.log, t.List(trial.Conduct), enrolled)
	if diff := gocmp.Diff(drawn, k.held(t)); diff != "" {
		k.Errorf("the arms aren't those that the design draws from the seed:\n%s", diff)
	}
	if got := slots["OSL"] + slots["BGO"]; got != len(enrolled) {
		k.Errorf("%d slots are used by %d participants", got, len(enrolled))
	}
}

// compare looks for every receipt in the log.
func (k *killed) compare(l *audit.Log, list string, enrolled map[string]int64) {
	k.Helper()
	for _, p := range k.people {
		if p.receipt == nil {
			continue
		}
		at, ok := enrolled[p.number]
		if !ok || p.receipt.GetList() != list || at != p.receipt.GetIndex() {
			k.Errorf("%s was answered %v, the log has %t %d", p.number, p.receipt, ok, at)
			continue
		}
		entries, err := l.Read(k.Context(), list, at, at+1)
		if err != nil {
			k.Fatal(err)
		}
		if leaf := audit.Leaf(entries[0]); string(leaf[:]) != string(p.receipt.GetLeafHash()) {
			k.Errorf("%s: entry %d is another one than the receipt says", p.number, at)
		}
	}
}
