package cli

import (
	"embed"
	"encoding/json"
	"strings"

	"golang.org/x/text/feature/plural"
	xlanguage "golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// locale holds what people read, a file for each language: key to text, or to
// the forms "one" and "other" of a text that counts its first argument.
//
//go:embed locale/*.json
var locale embed.FS

// words are the texts of one language.
type words struct {
	lang    string
	known   map[string]bool
	printer *message.Printer
}

// newWords reads the catalogue of a language, nb or en; any other is en. The
// files are part of the program and tested: a fault in them panics.
func newWords(lang string) *words {
	if lang != "nb" {
		lang = "en"
	}
	tag := xlanguage.MustParse(lang)
	texts := catalogue(lang)
	builder := catalog.NewBuilder(catalog.Fallback(tag))
	w := &words{lang: lang, known: map[string]bool{}}
	for key, text := range texts {
		w.known[key] = true
		var err error
		switch text := text.(type) {
		case string:
			err = builder.SetString(tag, key, text)
		case map[string]any:
			err = builder.Set(tag, key, plural.Selectf(1, "%d", "one", text["one"], "other", text["other"]))
		}
		if err != nil {
			panic("cli: text " + key + " of " + lang + ": " + err.Error())
		}
	}
	w.printer = message.NewPrinter(tag, message.Catalog(builder))
	return w
}

// catalogue returns the texts of a language.
func catalogue(lang string) map[string]any {
	data, err := locale.ReadFile("locale/" + lang + ".json")
	if err != nil {
		panic("cli: " + err.Error())
	}
	var texts map[string]any
	if err := json.Unmarshal(data, &texts); err != nil {
		panic("cli: texts of " + lang + ": " + err.Error())
	}
	return texts
}

// say returns the text of a key.
func (w *words) say(key string, args ...any) string { return w.printer.Sprintf(key, args...) }

// find returns the text of a key that may have none.
func (w *words) find(key string) (string, bool) {
	if !w.known[key] {
		return "", false
	}
	return w.say(key), true
}

// text returns the language's half of a text that came from the server.
func (w *words) text(t *loddv1.Text) string {
	if w.lang == "nb" {
		return first(t.GetNb(), t.GetEn())
	}
	return first(t.GetEn(), t.GetNb())
}

// heading returns the heading of a column.
func (w *words) heading(column string) string {
	if text, ok := w.find("column." + column); ok {
		return text
	}
	return strings.ReplaceAll(column, "_", " ")
}

// state returns a coded value for people; what isn't known stays as it is.
func (w *words) state(code string) string {
	if text, ok := w.find("state." + code); ok {
		return text
	}
	return code
}
