package server

import (
	"google.golang.org/grpc/health/grpc_health_v1"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// costly reports whether one call of a method may keep the server busy for much
// longer than others: it reads a whole list, writes a bundle, prints, or hashes a
// password. Each caller has a smaller bucket for each of them.
func costly(method string) bool {
	switch method {
	case loddv1.AuditService_ListEntries_FullMethodName,
		loddv1.AuditService_ListLeaves_FullMethodName,
		loddv1.ExportService_DownloadExport_FullMethodName,
		loddv1.ExportService_TakeLock_FullMethodName,
		loddv1.SealingService_PrintContingency_FullMethodName,
		loddv1.SessionService_ChangePassword_FullMethodName,
		loddv1.SessionService_StepUp_FullMethodName,
		loddv1.TrialService_CreateTrial_FullMethodName,
		loddv1.TrialService_SealDesign_FullMethodName,
		loddv1.UnsealingService_DownloadReveal_FullMethodName:
		return true
	}
	return signsIn(method)
}

// signsIn reports whether a method hashes a password, or verifies what a provider
// has signed, for whoever calls.
func signsIn(method string) bool {
	switch method {
	case loddv1.SessionService_Join_FullMethodName,
		loddv1.SessionService_Login_FullMethodName,
		loddv1.SessionService_LoginOIDC_FullMethodName,
		loddv1.SessionService_Recover_FullMethodName:
		return true
	}
	return false
}

// slow reports whether a call with one answer may well take longer than others.
func slow(method string) bool {
	switch method {
	case loddv1.ExportService_TakeLock_FullMethodName,
		loddv1.SealingService_PrintContingency_FullMethodName,
		loddv1.TrialService_SealDesign_FullMethodName:
		return true
	}
	return false
}

// classOf returns the class under which the durations of a method are counted.
// Four classes for all methods: a class of its own would tell how long one method
// takes, and that might hang on an arm.
func classOf(method string) string {
	switch {
	case method == grpc_health_v1.Health_Check_FullMethodName:
		return "health"
	case signsIn(method):
		return "sign-in"
	case costly(method):
		return "costly"
	default:
		return "call"
	}
}
