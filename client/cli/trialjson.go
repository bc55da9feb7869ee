package cli

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// flowJSON is a participant flow as numbers; protojson would make texts of
// 64-bit numbers.
type flowJSON struct {
	Screened    int64           `json:"screened"`
	NotEligible int64           `json:"not_eligible"`
	Declined    int64           `json:"declined"`
	Other       int64           `json:"other"`
	Pending     int64           `json:"pending"`
	Randomized  int64           `json:"randomized"`
	Visits      []visitFlowJSON `json:"visits"`
}

type visitFlowJSON struct {
	Visit    string `json:"visit"`
	Observed int64  `json:"observed"`
	Lost     int64  `json:"lost"`
	Withdrew int64  `json:"withdrew"`
	Erased   int64  `json:"erased"`
	InError  int64  `json:"in_error"`
	Died     int64  `json:"died"`
	Awaited  int64  `json:"awaited"`
}

// writeTrial writes all of a trial as JSON.
func (a *app) writeTrial(t *loddv1.GetTrialResponse) error {
	var flow *flowJSON // null for who must not see it
	if f := t.GetFlow(); f != nil {
		flow = &flowJSON{
			Screened: f.GetScreened(), NotEligible: f.GetNotEligible(), Declined: f.GetDeclined(), Other: f.GetOther(),
			Pending: f.GetPending(), Randomized: f.GetRandomized(), Visits: []visitFlowJSON{},
		}
		for _, v := range f.GetVisits() {
			flow.Visits = append(flow.Visits, visitFlowJSON{
				v.GetVisit(), v.GetObserved(), v.GetLost(), v.GetWithdrew(), v.GetErased(), v.GetInError(), v.GetDied(), v.GetAwaited(),
			})
		}
	}
	raw, err := messageJSON(t, "flow")
	if err != nil {
		return err
	}
	return a.write(one("trial", "trial", t.GetTrialId(), "state", code(t.GetState()), "commitment", t.GetCommitment(), "flow", flow, "protocol", raw))
}

// messageJSON returns a message as JSON with the names of the protocol, without
// the blanks that protojson strews in to keep its output from being relied on,
// and without the fields that are left out.
func messageJSON(m proto.Message, leaveOut ...string) (json.RawMessage, error) {
	b, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	for _, name := range leaveOut {
		delete(v, name)
	}
	return json.Marshal(v)
}
