package main

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/lodd-rct/lodd"

// maxLines is where a file has become two files: nine in ten of ours fit in
// 300 lines, and the rest of this distance is room to finish a thought.
const maxLines = 400

// layout says what the packages of each folder may import beside the standard
// library and one another: other rows of this table ("server/..." is a row and
// all below it), and modules. A package belongs to the longest row that is a
// prefix of its path. Tests may import what they like.
var layout = map[string][]string{
	".": {"..."},

	"proto":        {"google.golang.org/protobuf", "google.golang.org/grpc"},
	"proto/invite": {},

	"randomization":          {"golang.org/x/crypto"},
	"randomization/table":    {"randomization"},
	"randomization/blinding": {"randomization/table"},

	"audit":                     {"audit/store", "audit/ahead", "audit/durable", "golang.org/x/mod"},
	"audit/ahead":               {},
	"audit/audittest":           {},
	"audit/durable":             {},
	"audit/store":               {},
	"audit/store/bolt":          {"audit/store", "audit/durable", "go.etcd.io/bbolt"},
	"audit/store/etcd":          {"audit/store", "go.etcd.io/etcd/client/v3", "go.etcd.io/etcd/api/v3/v3rpc/rpctypes"},
	"audit/store/etcd/etcdtest": {"go.etcd.io/etcd/server/v3/embed"},
	"audit/store/storetest":     {"audit/store", "github.com/google/go-cmp"},

	"server": {
		"server/...", "proto", "proto/invite", "audit", "golang.org/x/mod",
		"google.golang.org/grpc", "google.golang.org/protobuf", "github.com/rs/zerolog",
		"github.com/grpc-ecosystem/go-grpc-middleware/v2",
	},
	"server/proposal":    {},
	"server/trial":       {"randomization", "server/proposal"},
	"server/trial/entry": {"server/trial", "server/people", "proto", "google.golang.org/protobuf"},
	"server/people":      {"server/proposal"},
	"server/instrument":  {"cel.dev/cel-go"},
	"server/protocol":    {"server/trial", "server/instrument", "randomization", "randomization/table", "github.com/goccy/go-yaml"},
	"server/ledger": {
		"server/trial", "server/trial/entry", "server/people", "server/proposal", "server/instrument", "server/vault", "server/export", "server/envelope", "server/freetext",
		"audit", "audit/ahead", "audit/store", "randomization", "golang.org/x/mod/sumdb/tlog",
	},
	"server/envelope": {"server/trial", "filippo.io/age"},
	"server/vault":    {"golang.org/x/crypto"},
	"server/keys": {
		"audit/durable", "golang.org/x/crypto", "golang.org/x/mod/sumdb/note", "filippo.io/age", "github.com/tink-crypto/tink-go/v2",
	},
	"server/keys/hcvault": {
		"github.com/tink-crypto/tink-go/v2", "github.com/tink-crypto/tink-go-hcvault/v2/integration/hcvault", "github.com/hashicorp/vault/api",
	},
	"server/keys/hcvault/hcvaulttest": {},
	"server/identifiers":              {},
	"server/outbox":                   {"server/trial", "server/trial/entry", "server/people", "audit/durable", "github.com/wneessen/go-mail"},
	"server/freetext":                 {"server/identifiers", "golang.org/x/text/unicode/norm"},
	"server/authn":                    {"golang.org/x/crypto", "golang.org/x/text", "google.golang.org/grpc"},
	"server/authn/factor":             {"server/authn", "github.com/pquerna/otp"},
	"server/authn/openid":             {"github.com/coreos/go-oidc/v3"},
	"server/authn/openid/openidtest":  {},
	"server/authz": {
		"server/authn", "server/people", "server/trial", "proto",
		"google.golang.org/grpc", "google.golang.org/protobuf",
	},
	"server/rpcerr": {
		"server/trial", "server/people", "server/proposal", "server/instrument", "server/protocol", "server/ledger", "server/vault",
		"server/authn", "server/authn/openid", "server/freetext", "server/identifiers", "server/export", "audit", "audit/store", "proto",
		"google.golang.org/grpc", "google.golang.org/protobuf", "google.golang.org/genproto/googleapis/rpc",
	},
	"server/export": {
		"server/trial", "server/instrument", "audit", "randomization", "randomization/table",
		"golang.org/x/mod/sumdb/note", "golang.org/x/mod/sumdb/tlog",
	},
	"server/export/csv":         {"server/export", "server/instrument"},
	"server/export/odm":         {"server/export"},
	"server/export/datasetjson": {"server/export"},
	"server/export/xpt":         {"server/export"},
	"server/export/redcap":      {"server/export"},
	"server/telemetry":          {"google.golang.org/grpc", "github.com/prometheus/client_golang", "github.com/prometheus/client_model"},

	"client": {
		"proto", "proto/invite", "audit", "audit/durable", "golang.org/x/mod", "github.com/BurntSushi/toml",
		"google.golang.org/grpc", "google.golang.org/protobuf", "google.golang.org/genproto/googleapis/rpc",
	},
	"client/openid": {"github.com/coreos/go-oidc/v3", "golang.org/x/oauth2"},
	"client/cli": {
		"client", "client/openid", "proto", "proto/invite", "audit", "audit/durable", "randomization", "randomization/table", "randomization/blinding", "golang.org/x/mod/sumdb/note",
		"google.golang.org/grpc/codes", "google.golang.org/protobuf", "github.com/spf13/cobra", "github.com/spf13/pflag",
		"golang.org/x/term", "golang.org/x/text", "filippo.io/age",
	},
	"server/backup": {"audit", "audit/durable", "audit/store", "audit/store/bolt", "filippo.io/age"},
	"server/follower": {
		"client", "server/trial", "server/trial/entry", "audit", "audit/durable", "audit/store", "audit/store/bolt", "proto",
		"golang.org/x/mod/sumdb/note", "google.golang.org/grpc/codes",
	},
	"server/replay":    {"server/trial", "server/trial/entry", "server/people", "audit"},
	"client/app":       {"client", "client/app/shell", "proto", "audit", "randomization", "google.golang.org/protobuf"},
	"client/app/shell": {},
	"client/demo": {
		"client", "proto", "proto/invite", "audit", "randomization", "randomization/table", "randomization/blinding",
		"github.com/pquerna/otp", "golang.org/x/mod/sumdb/note", "google.golang.org/protobuf",
	},
}

// comesLater lists the rows whose folders don't exist yet.
var comesLater = []string{
	"client/app", "client/app/shell",
	"server/export/odm", "server/export/datasetjson", "server/export/xpt", "server/export/redcap",
}

// pure lists the folders that know neither gRPC nor a logger nor a clock: what
// they say must be the same in fifteen years, from the log alone.
var pure = []string{"randomization", "audit", "server/trial", "server/people"}

func TestLayoutPackagesImportOnlyTheirRow(t *testing.T) {
	for _, s := range sources(t) {
		row := rowOf(s.pkg())
		if row == "" {
			t.Errorf("%s has no row in the layout: add the folder to house and table", s.file)
			continue
		}
		for _, imp := range s.imports() {
			if !s.test && !mayImport(row, imp) {
				t.Errorf("%s may not import %s", s.file, imp)
			}
		}
	}
}

func TestLayoutOnlyMainImportsServer(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test && s.dir() != "." && slices.Contains(s.imports(), module+"/server") {
			t.Errorf("%s imports server: only main.go may", s.file)
		}
	}
}

func TestLayoutPurePackagesKnowNoWireLoggerClock(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !slices.ContainsFunc(pure, func(p string) bool { return under(s.dir(), p) }) {
			continue
		}
		for _, imp := range s.imports() {
			if under(imp, "google.golang.org/grpc") || under(imp, "github.com/rs/zerolog") || imp == "log" {
				t.Errorf("%s may not import %s", s.file, imp)
			}
		}
		if s.readsClock() {
			t.Errorf("%s reads the clock: take the time as a parameter", s.file)
		}
	}
}

// A schedule must be rebuilt bit for bit in fifteen years, and math/rand
// promises no such thing; nor may a guessable generator stand near an arm.
func TestLayoutHasNoMathRand(t *testing.T) {
	for _, s := range sources(t) {
		for _, imp := range s.imports() {
			if !s.test && under(imp, "math/rand") {
				t.Errorf("%s imports %s: read from the injected entropy", s.file, imp)
			}
		}
	}
}

// The comment stands once in a package: godoc would join two into a muddle.
// Packages of generated code alone are documented in their .proto files.
func TestLayoutPackagesSayTheirPurpose(t *testing.T) {
	names, comments := map[string]string{}, map[string][]string{}
	for _, s := range sources(t) {
		if s.test || ast.IsGenerated(s.ast) {
			continue
		}
		names[s.dir()] = s.ast.Name.Name
		if s.ast.Doc != nil {
			comments[s.dir()] = append(comments[s.dir()], s.ast.Doc.Text())
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(names)) {
		start := "Package " + names[dir] + " "
		if dir == "." {
			start = "Command lodd "
		}
		if c := comments[dir]; len(c) != 1 || !strings.HasPrefix(c[0], start) {
			t.Errorf("%s has %d package comments: want one that begins %q", dir, len(c), start)
		}
	}
}

// Generated code is as long as its schema; nobody reads or splits it.
func TestLayoutFilesStayShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > maxLines && !ast.IsGenerated(s.ast) {
			t.Errorf("%s has %d lines: split it before it passes %d", s.file, s.lines, maxLines)
		}
	}
}

func TestLayoutRowsNameFolders(t *testing.T) {
	for _, row := range slices.Sorted(maps.Keys(layout)) {
		_, err := os.Stat(filepath.FromSlash(row))
		switch later := slices.Contains(comesLater, row); {
		case errors.Is(err, fs.ErrNotExist) && !later:
			t.Errorf("%s is in the layout, but there is no such folder", row)
		case err == nil && later:
			t.Errorf("%s has come: take it off the list of what comes later", row)
		}
		for _, to := range layout[row] {
			host, _, _ := strings.Cut(to, "/")
			if _, known := layout[to]; !known && !strings.Contains(host, ".") && !strings.HasSuffix(to, "/...") {
				t.Errorf("%s may import %s, which is neither a row nor a module", row, to)
			}
		}
	}
}

// A source is one parsed Go file.
type source struct {
	file  string // slash-separated, from the root of the repository
	ast   *ast.File
	lines int
	test  bool
}

// sources returns the Go files of the main module. It reads them itself, so
// that the test cache sees a change; what a child process such as "go list"
// reads, the cache can't see.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// parsed is what sources returns: all tests look at the same files.
var parsed = sync.OnceValues(func() (all []source, err error) {
	err = filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || file == "tools" || file == "bench" || strings.HasPrefix(d.Name(), ".") && file != "."):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(file) != ".go":
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(file), f, bytes.Count(text, []byte("\n")), strings.HasSuffix(file, "_test.go")})
		return nil
	})
	return all, err
})

func (s source) dir() string { return path.Dir(s.file) }

func (s source) pkg() string { return path.Join(module, s.dir()) }

func (s source) imports() []string {
	var paths []string
	for _, spec := range s.ast.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

// readsClock reports whether the file takes the time from package time itself.
func (s source) readsClock() (found bool) {
	ast.Inspect(s.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			x, ok := sel.X.(*ast.Ident)
			found = found || ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name)
		}
		return !found
	})
	return found
}

func mayImport(row, imp string) bool {
	to := rowOf(imp)
	host, _, _ := strings.Cut(imp, "/")
	if to == row || to == "" && !strings.Contains(host, ".") {
		return true // the row itself, or the standard library
	}
	return slices.ContainsFunc(layout[row], func(allowed string) bool {
		if dir, deep := strings.CutSuffix(allowed, "..."); deep {
			return dir == "" || to != "" && under(to, strings.TrimSuffix(dir, "/"))
		}
		return to == allowed || to == "" && under(imp, allowed)
	})
}

// rowOf returns the row that pkg belongs to, or "" if there is none.
func rowOf(pkg string) (row string) {
	if pkg == module {
		return "."
	}
	for r := range layout {
		if under(pkg, module+"/"+r) && len(r) > len(row) {
			row = r
		}
	}
	return row
}

func under(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }
