package server

import loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"

// reviewService implements lodd.v1.ReviewService.
type reviewService struct {
	loddv1.UnimplementedReviewServiceServer
	*core
}
