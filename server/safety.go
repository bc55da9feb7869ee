package server

import loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"

// safetyService implements lodd.v1.SafetyService.
type safetyService struct {
	loddv1.UnimplementedSafetyServiceServer
	*core
}
