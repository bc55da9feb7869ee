package instrument

import (
	"fmt"
	"strings"
)

// The messages of a report: what is wrong, and what is expected.

func unknownItem(id string) Text {
	return Text{
		fmt.Sprintf("Skjemaet har ikke noe ledd %s. Fjern svaret.", clip(id)),
		fmt.Sprintf("The form has no item %s. Remove the answer.", clip(id)),
	}
}

func noAnswer(t Type) Text {
	if t == TypeCalc {
		return Text{
			"Leddet regnes ut av tjeneren. Fjern svaret.",
			"The item is calculated by the server. Remove the answer.",
		}
	}
	return Text{
		"Leddet er en tekst uten svar. Fjern svaret.",
		"The item is a text to read. Remove the answer.",
	}
}

func missingAnswer() Text {
	return Text{
		"Svar mangler. Gi et svar, eller velg grunnen til at det mangler: ikke gjort, ønsker ikke å svare eller vet ikke.",
		"The answer is missing. Give one, or choose why there is none: not done, refused or unknown.",
	}
}

func hiddenItem() Text {
	return Text{
		"Leddet vises ikke med de andre svarene. Fjern svaret, eller rett svarene som skjuler det.",
		"The item isn't shown with the other answers. Remove the answer, or correct those that hide it.",
	}
}

func wrongType(item Item) Text {
	want := map[Type]Text{
		TypeText:    {"en tekst som ikke er tom", "a text that isn't empty"},
		TypeInteger: {"et helt tall", "an integer"},
		TypeScale:   {"et helt tall", "an integer"},
		TypeDecimal: {
			fmt.Sprintf("et tall med høyst %d desimaler", item.Decimals),
			fmt.Sprintf("a number with at most %d decimals", item.Decimals),
		},
		TypeDate:   {"en dato på formen ÅÅÅÅ-MM-DD mellom 1900 og 2199", "a date of the form YYYY-MM-DD from 1900 to 2199"},
		TypeChoice: {"koden til ett alternativ", "the code of one option"},
		TypeMulti:  {"kodene til ett eller flere alternativer", "the codes of one or more options"},
	}[item.Type]
	return Text{
		"Svaret har feil form. Her ventes " + want.NB + ".",
		"The answer has the wrong form. Expected is " + want.EN + ".",
	}
}

func outside(n Number, low, high float64) Text {
	return Text{
		fmt.Sprintf("%s er utenfor det tillatte: %s til %s.", n, Number(low), Number(high)),
		fmt.Sprintf("%s is outside what is allowed: %s to %s.", n, Number(low), Number(high)),
	}
}

func unusualNumber(item Item, v Value) Text {
	var nb, en []string
	if item.SoftMin != nil {
		nb, en = append(nb, "minst "+Number(*item.SoftMin).String()), append(en, "at least "+Number(*item.SoftMin).String())
	}
	if item.SoftMax != nil {
		nb, en = append(nb, "høyst "+Number(*item.SoftMax).String()), append(en, "at most "+Number(*item.SoftMax).String())
	}
	return Text{
		fmt.Sprintf("%v er uvanlig; vanlig er %s. Kontroller svaret.", v, strings.Join(nb, " og ")),
		fmt.Sprintf("%v is unusual; usual is %s. Check the answer.", v, strings.Join(en, " and ")),
	}
}

func noOption(item Item, code string) Text {
	var codes []string
	for _, o := range item.Options {
		codes = append(codes, o.Code)
	}
	return Text{
		fmt.Sprintf("%s er ikke et av alternativene: %s.", clip(code), oneOf(codes)),
		fmt.Sprintf("%s is not one of the options: %s.", clip(code), oneOf(codes)),
	}
}

func twice(code string) Text {
	return Text{
		fmt.Sprintf("Alternativet %s er valgt to ganger. Velg det én gang.", clip(code)),
		fmt.Sprintf("The option %s is chosen twice. Choose it once.", clip(code)),
	}
}

func tooLong(n, most int) Text {
	return Text{
		fmt.Sprintf("Teksten har %d tegn. Det er plass til %d.", n, most),
		fmt.Sprintf("The text has %d characters. There is room for %d.", n, most),
	}
}

func unprintable() Text {
	return Text{
		"Teksten inneholder et styretegn, for eksempel linjeskift. Skriv teksten på én linje.",
		"The text holds a control character, such as a line break. Write the text on one line.",
	}
}

func failedRule(err error) Text {
	return Text{
		fmt.Sprintf("En regel i skjemaet kunne ikke regnes ut (%v). Meld fra til den som laget skjemaet.", err),
		fmt.Sprintf("A rule of the form could not be evaluated (%v). Tell the author of the form.", err),
	}
}

func noResult() Text {
	return Text{
		"Resultatet kan ikke lagres: det er for stort, for langt eller ikke et tall. Meld fra til den som laget skjemaet.",
		"The result can't be stored: it is too large, too long or no number. Tell the author of the form.",
	}
}
