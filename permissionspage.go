package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lodd-rct/lodd/proto/lodd"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/trial"
)

// pageTexts are the words of the page for a data protection impact assessment,
// in one language.
type pageTexts struct {
	title, intro, classes, role, methods, reads, session string
	class                                                map[lodd.Class]string
}

// Source of what the page has to say: Regulation (EU) 2016/679 (GDPR),
// article 35 (7) (a) and (d), and article 32 (1) (b).
func textsOfPage(lang string) pageTexts {
	if lang == "nb" {
		return pageTexts{
			title:   "# Hvem kan lese hva: tilganger i Lodd",
			intro:   "Laget av programmet selv, av det samme skjemaet som tjeneren håndhever. Direkte identifiserende opplysninger er aldri med: deltakere har bare et screeningnummer.",
			classes: "## Klasser av opplysninger",
			role:    "## Rollen",
			methods: "Kan bruke",
			reads:   "Svarene kan inneholde",
			session: "Metodene som alle med en økt kan bruke (pålogging, egen konto), er ikke gjentatt for hver rolle.",
			class: map[lodd.Class]string{
				lodd.Class_CLASS_OPEN:         "avhenger ikke av arm og sier ikke noe om utfall",
				lodd.Class_CLASS_BLINDED_ROLE: "utfall og annet som deltakere har fortalt; for de blindede rollene som registrerer og kontrollerer det",
				lodd.Class_CLASS_UNBLINDED:    "forteller armen, eller finnes bare for én arm",
				lodd.Class_CLASS_SEALED:       "hemmeligheter og chiffertekst; vises bare den de gjelder, én gang, eller ingen",
			},
		}
	}
	return pageTexts{
		title:   "# Who may read what: permissions in Lodd",
		intro:   "Made by the program itself, of the schema that the server enforces. Direct identifiers are never among the data: participants have a screening number only.",
		classes: "## Classes of data",
		role:    "## The role",
		methods: "May use",
		reads:   "The answers can hold",
		session: "The methods that everybody with a session may use (signing in, the own account) are not repeated for each role.",
		class: map[lodd.Class]string{
			lodd.Class_CLASS_OPEN:         "depends on no arm and says nothing of outcomes",
			lodd.Class_CLASS_BLINDED_ROLE: "outcomes and other things that participants told; for the blinded roles that enter and check it",
			lodd.Class_CLASS_UNBLINDED:    "tells the arm, or is there for one arm only",
			lodd.Class_CLASS_SEALED:       "secrets and ciphertext; shown to whom they belong, once, or to nobody",
		},
	}
}

func permissionsPage(out io.Writer, cells []authz.Cell, lang string) error {
	t := textsOfPage(lang)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s %s\n\n%s\n\n", t.title, t.intro, t.session, t.classes)
	for c := lodd.Class_CLASS_OPEN; c <= lodd.Class_CLASS_SEALED; c++ {
		fmt.Fprintf(&b, "- **%s**: %s.\n", className(c), t.class[c])
	}
	for len(cells) > 0 {
		role := cells[0].Role
		next := slices.IndexFunc(cells, func(c authz.Cell) bool { return c.Role != role })
		if next < 0 {
			next = len(cells)
		}
		writeRole(&b, t, role, cells[:next])
		cells = cells[next:]
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// writeRole writes what one role may use, and what it may read of each class
// but the open one, field by field.
func writeRole(b *strings.Builder, t pageTexts, role trial.Role, cells []authz.Cell) {
	var methods []string
	fields := map[lodd.Class][]string{}
	for _, c := range cells {
		if c.Permission == "session" {
			continue
		}
		methods = append(methods, c.Method)
		for _, f := range c.Fields {
			if f.Class != lodd.Class_CLASS_OPEN && !slices.Contains(fields[f.Class], f.Name) {
				fields[f.Class] = append(fields[f.Class], f.Name)
			}
		}
	}
	fmt.Fprintf(b, "\n%s %s\n\n%s: %s.\n\n", t.role, role, t.methods, strings.Join(methods, ", "))
	if len(fields) == 0 {
		fmt.Fprintf(b, "%s: open.\n", t.reads)
		return
	}
	fmt.Fprintf(b, "%s:\n\n- open\n", t.reads)
	for c := lodd.Class_CLASS_BLINDED_ROLE; c <= lodd.Class_CLASS_SEALED; c++ {
		if len(fields[c]) > 0 {
			slices.Sort(fields[c])
			fmt.Fprintf(b, "- **%s**: %s\n", className(c), strings.Join(fields[c], ", "))
		}
	}
}
