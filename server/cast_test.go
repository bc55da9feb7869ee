package server_test

import (
	"os"
	"path/filepath"
	"testing"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

// The people of a world that has been set up.
var cast = []struct{ user, role, site, team string }{
	{"cus", "custodian", "", ""},
	{"tc-osl", "coordinator", "OSL", ""},
	{"tc-bgo", "coordinator", "BGO", ""},
	{"oa-osl", "assessor", "OSL", ""},
	{"oa-bgo", "assessor", "BGO", ""},
	{"dm", "monitor", "", ""},
	{"ds", "dsmb", "", ""},
	{"ts", "statistician", "", ""},
	{"pi", "investigator", "", ""},
	{"es-north", "treatment-team", "OSL", "northern"},
	{"es-south", "treatment-team", "OSL", "southern"},
	{"au", "auditor", "", ""},
}

// newTrial returns a world with the trial T1, whose enrolment is open, and its
// people.
func newTrial(t *testing.T, config func(*server.Config)) *world {
	t.Helper()
	w := newUnsealed(t, config)
	_, err := w.trials().SealDesign(w.as("cus"), &loddv1.SealDesignRequest{TrialId: "T1", RequestId: w.id(), FileName: "design.yaml", Design: w.file("design.yaml")})
	w.must(err)
	w.open()
	return w
}

// open opens enrolment.
func (w *world) open() {
	w.t.Helper()
	_, err := w.trials().OpenEnrolment(w.as("cus"), &loddv1.OpenEnrolmentRequest{TrialId: "T1", RequestId: w.id()})
	w.must(err)
}

// newUnsealed returns a world with the trial T1, whose design isn't sealed yet,
// and its people.
func newUnsealed(t *testing.T, config func(*server.Config)) *world {
	t.Helper()
	w := newWorld(t, config)
	w.bootstrap()
	w.createTrial()
	for _, p := range cast {
		w.must(w.join(w.invite(), p.user))
		by := "cus"
		if p.role == "custodian" {
			by = "admin"
		}
		w.must(w.grant(by, p.user, p.role, p.site, p.team))
	}
	return w
}

func (w *world) createTrial() {
	w.t.Helper()
	_, err := w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{RequestId: w.id(), FileName: "protocol.yaml", Protocol: w.file("protocol.yaml")})
	w.must(err)
}

func (w *world) file(name string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	w.must(err)
	return b
}

func (w *world) session() loddv1.SessionServiceClient { return loddv1.NewSessionServiceClient(w.conn) }

func (w *world) people() loddv1.PeopleServiceClient { return loddv1.NewPeopleServiceClient(w.conn) }

func (w *world) trials() loddv1.TrialServiceClient { return loddv1.NewTrialServiceClient(w.conn) }

func (w *world) screening() loddv1.ScreeningServiceClient {
	return loddv1.NewScreeningServiceClient(w.conn)
}

func (w *world) randomization() loddv1.RandomizationServiceClient {
	return loddv1.NewRandomizationServiceClient(w.conn)
}

func (w *world) assessment() loddv1.AssessmentServiceClient {
	return loddv1.NewAssessmentServiceClient(w.conn)
}

func (w *world) participants() loddv1.ParticipantServiceClient {
	return loddv1.NewParticipantServiceClient(w.conn)
}

func (w *world) delivery() loddv1.DeliveryServiceClient {
	return loddv1.NewDeliveryServiceClient(w.conn)
}

func (w *world) exports() loddv1.ExportServiceClient { return loddv1.NewExportServiceClient(w.conn) }
func (w *world) audit() loddv1.AuditServiceClient    { return loddv1.NewAuditServiceClient(w.conn) }

func (w *world) sealing() loddv1.SealingServiceClient { return loddv1.NewSealingServiceClient(w.conn) }
