package server

import loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"

// unsealingService implements lodd.v1.UnsealingService.
type unsealingService struct {
	loddv1.UnimplementedUnsealingServiceServer
	*core
}
