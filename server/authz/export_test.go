package authz

import (
	"errors"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Unclassified is unclassified for the messages of a file.
func Unclassified(ms protoreflect.MessageDescriptors) error {
	return errors.Join(unclassifiedIn(ms)...)
}
