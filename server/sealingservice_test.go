package server_test

import (
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// seal seals the design of the rehearsal.
func (w *world) seal(request string, secondParty bool) *loddv1.SealDesignResponse {
	w.t.Helper()
	resp, err := w.trials().SealDesign(w.as("cus"), &loddv1.SealDesignRequest{
		TrialId: "T1", RequestId: request, FileName: "design.yaml", Design: w.file("design.yaml"), SecondParty: secondParty,
	})
	w.must(err)
	return resp
}

func (w *world) record(user string) *loddv1.GetSealingRecordResponse {
	w.t.Helper()
	resp, err := w.sealing().GetSealingRecord(w.as(user), &loddv1.GetSealingRecordRequest{TrialId: "T1"})
	w.must(err)
	return resp
}

// only demands that a call is refused to all of the cast but those with a role,
// and returns nothing about theirs.
func (w *world) only(call func(user string) error, may ...string) {
	w.t.Helper()
	for _, p := range append(cast, struct{ user, role, site, team string }{"admin", "administrator", "", ""}) {
		denied := status.Code(call(p.user)) == codes.PermissionDenied
		if allowed := strings.Contains(" "+strings.Join(may, " ")+" ", " "+p.role+" "); denied == allowed {
			w.t.Errorf("%s: denied %t", p.role, denied)
		}
	}
}

func TestContributeEntropy(t *testing.T) {
	w := newUnsealed(t, nil)
	contribute := func(user, request, commitment, entropy string) (*loddv1.Receipt, error) {
		resp, err := w.sealing().ContributeEntropy(w.as(user), &loddv1.ContributeEntropyRequest{
			TrialId: "T1", RequestId: request, Commitment: commitment, Entropy: []byte(entropy),
		})
		return resp.GetReceipt(), err
	}
	other := strings.Repeat("ab", 32)
	_, err := contribute("ts", w.id(), other, "dice")
	refused(t, err, codes.FailedPrecondition, "NOT_SEALED")
	sealed := w.seal(w.id(), true)
	w.only(func(user string) error { _, err := contribute(user, w.id(), other, "dice"); return err }, "statistician")

	for _, commitment := range []string{other, "", "abc", strings.Repeat("zz", 32)} {
		_, err := contribute("ts", w.id(), commitment, "dice")
		refused(t, err, codes.InvalidArgument, "")
		if got := fields(err); len(got) != 1 || got[0] != "commitment" {
			t.Errorf("commitment %q: fields %v", commitment, got)
		}
	}
	for _, entropy := range []string{"", strings.Repeat("x", 1025)} {
		_, err := contribute("ts", w.id(), sealed.GetCommitment(), entropy)
		refused(t, err, codes.InvalidArgument, "")
		if got := fields(err); len(got) != 1 || got[0] != "entropy" {
			t.Errorf("%d bytes: fields %v", len(entropy), got)
		}
	}
	_, err = contribute("ts", "", sealed.GetCommitment(), "dice")
	refused(t, err, codes.InvalidArgument, "")
	_, err = w.trials().OpenEnrolment(w.as("cus"), &loddv1.OpenEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	refused(t, err, codes.FailedPrecondition, "AWAITS_ENTROPY")

	id := w.id()
	first, err := contribute("ts", id, strings.ToUpper(sealed.GetCommitment()), "dice: 4 2 6") // copied from paper
	w.must(err)
	again, err := contribute("ts", id, sealed.GetCommitment(), "dice: 4 2 6")
	w.must(err)
	if !again.GetRepeatedRequest() || again.GetIndex() != first.GetIndex() || !bytes.Equal(again.GetLeafHash(), first.GetLeafHash()) {
		t.Errorf("repeated: %v, first %v", again, first)
	}
	_, err = contribute("ts", id, sealed.GetCommitment(), "dice: 6 6 6")
	refused(t, err, codes.FailedPrecondition, "REQUEST_REUSED")
	_, err = contribute("ts", w.id(), sealed.GetCommitment(), "dice: 6 6 6")
	refused(t, err, codes.FailedPrecondition, "NO_CONTRIBUTION")
	w.open()
	w.randomize("S-1", "OSL")
	w.restart()
	w.randomize("S-2", "OSL")
}

// The record is the same for everybody and each time, and tells each step of the
// sealing; the text that came with a step stays that of its moment.
func TestSealingRecordTellsEachStep(t *testing.T) {
	w := newUnsealed(t, nil)
	_, err := w.sealing().GetSealingRecord(w.as("dm"), &loddv1.GetSealingRecordRequest{TrialId: "T1"})
	refused(t, err, codes.FailedPrecondition, "NOT_SEALED")
	tells := func(what, text string, want ...string) {
		t.Helper()
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s: the record doesn't tell %q:\n%s", what, part, text)
			}
		}
	}
	id := w.id()
	sealed := w.seal(id, true)
	awaiting := w.record("au")
	tells("awaiting", awaiting.GetText(), sealed.GetCommitment(), "the trial statistician's are awaited", "changes\nonce more", "no sealing")
	if !awaiting.GetAwaitsEntropy() || awaiting.GetText() != sealed.GetRecord() || awaiting.GetCommitment() != sealed.GetCommitment() ||
		awaiting.GetCustodian() != "cus" || awaiting.GetContributor() != "" || len(awaiting.GetEntropy()) > 0 || !awaiting.GetSealed().AsTime().Equal(w.clock.now()) {
		t.Errorf("awaiting: %v\n%s", awaiting, sealed.GetRecord())
	}

	entropy := bytes.Repeat([]byte("dice 4 2 6 "), 90)
	_, err = w.sealing().ContributeEntropy(w.as("ts"), &loddv1.ContributeEntropyRequest{TrialId: "T1", RequestId: w.id(), Commitment: sealed.GetCommitment(), Entropy: entropy})
	w.must(err)
	both := w.record("dm")
	if both.GetAwaitsEntropy() || both.GetContributor() != "ts" || !bytes.Equal(both.GetEntropy(), entropy) || both.GetCommitment() != sealed.GetCommitment() {
		t.Errorf("contributed: %v", both)
	}
	tells("contributed", both.GetText(), "these 990 bytes of ts's", hex.EncodeToString(entropy[:32])+"\n", hex.EncodeToString(entropy[32:64])+"\n", "neither side alone\ncould choose it", "doesn't change any more")
	if strings.Contains(both.GetText(), "awaited") {
		t.Errorf("the contribution is still awaited:\n%s", both.GetText())
	}
	if again := w.seal(id, true); again.GetRecord() != sealed.GetRecord() {
		t.Errorf("the sealing repeated has another record:\n%s", again.GetRecord())
	}
	for _, p := range cast {
		if got := w.record(p.user); got.GetText() != both.GetText() || got.GetSvg() != both.GetSvg() {
			t.Errorf("%s is told another record", p.role)
		}
	}
	onePage(t, both)

	_, err = w.sealing().AbandonSealing(w.as("cus"), &loddv1.AbandonSealingRequest{TrialId: "T1", RequestId: w.id(), Reason: "design-fault", Confirm: "T1"})
	w.must(err)
	next := w.seal(w.id(), false)
	tells("sealed again", next.GetRecord(), "1 sealing, which the log keeps", "no second party contributed entropy")
	if got := w.record("cus"); got.GetAbandoned() != 1 || got.GetText() != next.GetRecord() || got.GetCommitment() == sealed.GetCommitment() || len(got.GetEntropy()) > 0 {
		t.Errorf("sealed again: %v", got)
	}
	if again := w.seal(id, true); again.GetRecord() != sealed.GetRecord() || again.GetCommitment() != sealed.GetCommitment() {
		t.Errorf("the abandoned sealing repeated has another record:\n%s", again.GetRecord())
	}
	w.restart()
	if got := w.record("cus"); got.GetText() != next.GetRecord() {
		t.Errorf("after a restart:\n%s", got.GetText())
	}
	onePage(t, w.record("cus"))
}

// onePage demands that the page is XML, holds every line of the text, and that
// all of it stands on one sheet of A4.
func onePage(t *testing.T, r *loddv1.GetSealingRecordResponse) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(r.GetSvg()))
	var page struct {
		ViewBox string `xml:"viewBox,attr"`
		Width   string `xml:"width,attr"`
		Height  string `xml:"height,attr"`
		Group   struct {
			Size  float64 `xml:"font-size,attr"`
			Lines []struct {
				X    float64 `xml:"x,attr"`
				Y    float64 `xml:"y,attr"`
				Text string  `xml:",chardata"`
			} `xml:"text"`
		} `xml:"g"`
	}
	if err := d.Decode(&page); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) && err != nil {
		t.Error(err)
	}
	if page.ViewBox != "0 0 210 297" || page.Width != "210mm" || page.Height != "297mm" {
		t.Errorf("the page is %s, %s by %s", page.ViewBox, page.Width, page.Height)
	}
	var drawn string
	for _, l := range page.Group.Lines {
		if right := l.X + 0.61*page.Group.Size*float64(utf8.RuneCountInString(l.Text)); right > 200 || l.Y > 290 || l.Y < 10 || page.Group.Size < 1.5 {
			t.Errorf("%q ends at %.0f, %.0f with letters of %.1f mm", l.Text, right, l.Y, page.Group.Size)
		}
		drawn += l.Text
	}
	if want := strings.ReplaceAll(r.GetText(), "\n", ""); drawn != want {
		t.Errorf("drawn: %s\nwant: %s", drawn, want)
	}
}

func TestAbandonSealing(t *testing.T) {
	w := newUnsealed(t, nil)
	abandon := func(user, request, reason, confirm string) (*loddv1.Receipt, error) {
		resp, err := w.sealing().AbandonSealing(w.as(user), &loddv1.AbandonSealingRequest{TrialId: "T1", RequestId: request, Reason: reason, Confirm: confirm})
		return resp.GetReceipt(), err
	}
	_, err := abandon("cus", w.id(), "other", "T1")
	refused(t, err, codes.FailedPrecondition, "NOT_SEALED")
	w.seal(w.id(), false)
	w.only(func(user string) error { _, err := abandon(user, w.id(), "other", "not"); return err }, "custodian")
	for field, call := range map[string]func() error{
		"confirm":    func() error { _, err := abandon("cus", w.id(), "other", ""); return err },
		"reason":     func() error { _, err := abandon("cus", w.id(), "because", "T1"); return err },
		"request_id": func() error { _, err := abandon("cus", "", "other", "T1"); return err },
	} {
		err := call()
		refused(t, err, codes.InvalidArgument, "")
		if got := fields(err); len(got) != 1 || got[0] != field {
			t.Errorf("fields %v, want %s", got, field)
		}
	}
	id := w.id()
	first, err := abandon("cus", id, "design-fault", "T1")
	w.must(err)
	again, err := abandon("cus", id, "design-fault", "T1")
	w.must(err)
	if !again.GetRepeatedRequest() || again.GetIndex() != first.GetIndex() {
		t.Errorf("repeated: %v, first %v", again, first)
	}
	_, err = abandon("cus", w.id(), "other", "T1")
	refused(t, err, codes.FailedPrecondition, "NOT_SEALED")
	w.seal(w.id(), false)
	w.open()
	_, err = abandon("cus", w.id(), "other", "T1")
	refused(t, err, codes.FailedPrecondition, "ALREADY_SEALED")
}

// Minimization and a statistician's own list are sealed as the other designs are;
// what is wrong with the list is said with its line.
func TestSealingMinimizationAndLists(t *testing.T) {
	const list = "stratum,arm\n" +
		"OSL/sex=female,southern\nOSL/sex=female,northern\nOSL/sex=male,northern\nOSL/sex=male,southern\n" +
		"BGO/sex=female,southern\nBGO/sex=female,northern\nBGO/sex=male,northern\nBGO/sex=male,southern\n"
	w := newUnsealed(t, nil)
	seal := func(request, design, list, format string) error {
		_, err := w.trials().SealDesign(w.as("cus"), &loddv1.SealDesignRequest{
			TrialId: "T1", RequestId: request, FileName: "design.yaml", Design: []byte(design), List: []byte(list), ListFormat: format,
		})
		return err
	}
	for field, err := range map[string]error{
		"design.yaml:1": seal(w.id(), "design: list\n", "", ""),
		"design.yaml:2": seal(w.id(), "design: minimization\nfactors: [site]\nmeasure: range\nchance: 4/5\n", "", ""),
		"list:10":       seal(w.id(), "design: list\n", list+"OSL/sex=male,eastern\n", "csv"),
		"list:1":        seal(w.id(), "design: list\n", list, "redcap"),
	} {
		refused(t, err, codes.InvalidArgument, "")
		if got := fields(err); len(got) != 1 || got[0] != field {
			t.Errorf("fields %v, want %s", got, field)
		}
	}
	w.must(seal(w.id(), "design: minimization\nfactors: [site, sex]\nmeasure: range\nchance: 4/5\n", "", ""))
	_, err := w.sealing().AbandonSealing(w.as("cus"), &loddv1.AbandonSealingRequest{TrialId: "T1", RequestId: w.id(), Reason: "other", Confirm: "T1"})
	w.must(err)
	id := w.id()
	w.must(seal(id, "design: list\n", list, "csv"))
	w.must(seal(id, "design: list\n", list, "csv"))
	refused(t, seal(id, "design: list\n", strings.Replace(list, "female,southern\nOSL/sex=female,northern", "female,northern\nOSL/sex=female,southern", 1), "csv"), codes.FailedPrecondition, "REQUEST_REUSED")
	w.open()
	w.randomize("S-1", "OSL")
	w.randomize("S-2", "OSL")
	w.ready("S-3", "OSL")
	_, err = w.commit("tc-osl", w.prepare("S-3", "OSL"), "S-3")
	refused(t, err, codes.FailedPrecondition, "LIST_USED_UP")
	w.randomize("S-4", "BGO")
	w.restart()
	if n := w.count("T1/conduct", "randomized"); n != 3 {
		t.Errorf("%d randomized, want 3", n)
	}
}
