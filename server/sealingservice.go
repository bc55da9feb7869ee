package server

import loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"

// sealingService implements lodd.v1.SealingService.
type sealingService struct {
	loddv1.UnimplementedSealingServiceServer
	*core
}
