package trial

// A Role is what a person does in a trial.
type Role string

// The roles of a trial. An account may hold several, save the pairs that
// package people refuses.
const (
	Administrator Role = "administrator"  // runs the server; sees ciphertext only
	Coordinator   Role = "coordinator"    // screens, enrols, randomizes
	Assessor      Role = "assessor"       // fills in outcome forms, blind
	Monitor       Role = "monitor"        // locks and exports, blind
	DSMB          Role = "dsmb"           // statistician of the monitoring board
	Statistician  Role = "statistician"   // blind until unblinding
	Custodian     Role = "custodian"      // seals the design, grants roles
	Investigator  Role = "investigator"   // responsible for the trial
	TreatmentTeam Role = "treatment-team" // sees the arm of the own team's participants
	Auditor       Role = "auditor"        // verifies the log
	Reviewer      Role = "reviewer"       // reads held texts and judges events, unblinded
	Clinician     Role = "clinician"      // learns the arm of a participant in an emergency
)
