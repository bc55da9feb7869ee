// Package proto holds the Protobuf sources of the API and of the log. The Go
// code in the packages below it is generated from them: run
// "go generate ./proto" after a change and commit both.
package proto

//go:generate go tool -modfile=../tools/buf/go.mod buf format --write ..
//go:generate go tool -modfile=../tools/buf/go.mod buf lint ..
//go:generate go tool -modfile=../tools/buf/go.mod buf generate --template ../buf.gen.yaml --output .. ..
