package server

import loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"

// unblindingService implements lodd.v1.UnblindingService.
type unblindingService struct {
	loddv1.UnimplementedUnblindingServiceServer
	*core
}
