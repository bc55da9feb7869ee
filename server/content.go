package server

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/lodd-rct/lodd/server/identifiers"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

// noIdentifiers is a [check] that refuses a request with a national identity
// number anywhere in it. The error names the field and not the number.
func noIdentifiers(ctx context.Context, _ string, req any) (context.Context, error) {
	m, ok := req.(proto.Message)
	if !ok {
		return nil, rpcerr.Wire(fmt.Errorf("server: request is a %T", req))
	}
	if field := identifierIn(m.ProtoReflect(), ""); field != "" {
		return nil, rpcerr.Wire(&rpcerr.IdentifierError{Field: field})
	}
	return ctx, nil
}

// exempt are the fields that nobody keeps or reads: secrets, which are hashed,
// and ids made by a program, in which such a number is chance.
func exempt(name protoreflect.Name) bool {
	return slices.Contains([]protoreflect.Name{"password", "code", "request_id", "intent_id"}, name)
}

// identifierIn returns the path of the first field of m that holds a national
// identity number, or nothing.
func identifierIn(m protoreflect.Message, prefix string) string {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.Has(f) || exempt(f.Name()) {
			continue
		}
		path := prefix + string(f.Name())
		if found := identifierInField(f, m.Get(f), path); found != "" {
			return found
		}
	}
	return ""
}

func identifierInField(f protoreflect.FieldDescriptor, v protoreflect.Value, path string) (found string) {
	switch {
	case f.IsMap():
		entries := map[string]protoreflect.Value{}
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			entries[k.String()] = v
			return true
		})
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			if holdsIdentifier(key) {
				return path // and not the key
			}
			if found := identifierInValue(f.MapValue(), entries[key], path+"."+key); found != "" {
				return found
			}
		}
	case f.IsList():
		for i := range v.List().Len() {
			if found := identifierInValue(f, v.List().Get(i), path); found != "" {
				return found
			}
		}
	default:
		return identifierInValue(f, v, path)
	}
	return ""
}

func identifierInValue(f protoreflect.FieldDescriptor, v protoreflect.Value, path string) string {
	switch {
	case f.Message() != nil:
		return identifierIn(v.Message(), path+".")
	case f.Kind() == protoreflect.StringKind && holdsIdentifier(v.String()),
		f.Kind() == protoreflect.BytesKind && holdsIdentifier(string(v.Bytes())):
		return path
	}
	return ""
}

func holdsIdentifier(text string) bool {
	_, found := identifiers.Find(text)
	return found
}
