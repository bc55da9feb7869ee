package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/proto/lodd"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// permissionsCommand prints who may use which method, and what the answers can
// hold, as the schema says it. The server enforces the same table.
func permissionsCommand() *cobra.Command {
	var roles []trial.Role
	format, lang, role := "", "", ""
	cmd := &cobra.Command{
		Use:   "permissions",
		Short: "Print which role may use which method and read which data",
		Long: "Print which role may use which method and read which data: as a table, as CSV with\n" +
			"a line for each field of an answer, or as a page for an assessment of the impact on\n" +
			"data protection. It needs no server: it is what this program enforces.",
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) (err error) {
			if roles, err = rolesNamed(role); err != nil {
				return err
			}
			if !slices.Contains([]string{"table", "csv", "dpia"}, format) || !slices.Contains([]string{"nb", "en"}, lang) {
				return fmt.Errorf("no format %q in language %q; want table, csv or dpia, in nb or en", format, lang)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			cells, out := authz.Matrix(roles), cmd.OutOrStdout()
			switch format {
			case "csv":
				return permissionsCSV(out, cells)
			case "dpia":
				return permissionsPage(out, cells, lang)
			default:
				return permissionsTable(out, cells)
			}
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "`FORMAT`: table, csv or dpia (a page in Markdown)")
	cmd.Flags().StringVar(&lang, "lang", "en", "`LANGUAGE` of the page: nb or en")
	cmd.Flags().StringVar(&role, "role", "", "only this `ROLE`")
	return cmd
}

// rolesNamed returns the roles to print: all of them, or the one that is named.
func rolesNamed(role string) ([]trial.Role, error) {
	all := []trial.Role{trial.Administrator}
	for _, r := range people.Roles() {
		all = append(all, trial.Role(r))
	}
	if role == "" {
		return all, nil
	}
	if !slices.Contains(all, trial.Role(role)) {
		return nil, fmt.Errorf("there is no role %q; want one of %v", role, all)
	}
	return []trial.Role{trial.Role(role)}, nil
}

// classes are what an answer can hold, from the least secret to the most.
func classes(fields []authz.Field) []lodd.Class {
	var out []lodd.Class
	for _, f := range fields {
		if !slices.Contains(out, f.Class) {
			out = append(out, f.Class)
		}
	}
	slices.Sort(out)
	return out
}

func className(c lodd.Class) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(c.String(), "CLASS_")), "_", "-")
}

func classNames(fields []authz.Field) string {
	var names []string
	for _, c := range classes(fields) {
		names = append(names, className(c))
	}
	return strings.Join(names, ", ")
}

// needs says what a grant must be for: a role that is limited to a site doesn't
// reach what is about the whole trial.
func needs(c authz.Cell) string {
	switch {
	case c.Permission == "session":
		return "a session"
	case c.Whole:
		return "the whole trial"
	case authz.PerSite(c.Role):
		return "a site"
	default:
		return "the trial"
	}
}

func permissionsTable(out io.Writer, cells []authz.Cell) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "role\tmethod\tpermission\tneeds\tanswers with")
	for _, c := range cells {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.Role, c.Method, c.Permission, needs(c), classNames(c.Fields))
	}
	return w.Flush()
}

func permissionsCSV(out io.Writer, cells []authz.Cell) error {
	w := csv.NewWriter(out)
	_ = w.Write([]string{"role", "method", "permission", "needs", "field", "class"}) // Flush keeps its error
	for _, c := range cells {
		if len(c.Fields) == 0 {
			_ = w.Write([]string{string(c.Role), c.Method, c.Permission, needs(c), "", ""})
		}
		for _, f := range c.Fields {
			_ = w.Write([]string{string(c.Role), c.Method, c.Permission, needs(c), f.Name, className(f.Class)})
		}
	}
	w.Flush()
	return w.Error()
}
