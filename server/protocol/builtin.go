package protocol

import _ "embed" // the files below

//go:embed ips.yaml
var ips []byte

//go:embed randomization.yaml
var randomizationExample []byte

// IPS is the name of the protocol that comes with the program: individual
// placement and support beside treatment as usual against treatment as usual.
const IPS = "ips"

// BuiltinNames returns the names of the protocols that come with the program.
func BuiltinNames() []string { return []string{IPS} }

// Builtin returns the protocol file of a protocol that comes with the program.
// The caller owns it.
func Builtin(name string) ([]byte, bool) {
	if name != IPS {
		return nil, false
	}
	return append([]byte(nil), ips...), true
}

// RandomizationExample returns a randomization file for two arms at 1:1, with
// blocks of 4, 6 and 8. The caller owns it.
func RandomizationExample() []byte { return append([]byte(nil), randomizationExample...) }
