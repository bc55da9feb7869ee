package instrument

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// accept returns v as the rules see it, or why the item doesn't take it.
func (item Item) accept(v Value) (ref.Val, Kind, Text) {
	switch item.Type {
	case TypeInteger, TypeDecimal, TypeScale:
		n, ok := v.(Number)
		if !ok {
			return nil, KindType, wrongType(item)
		}
		return item.acceptNumber(n)
	case TypeMulti:
		codes, ok := v.(Codes)
		if !ok {
			return nil, KindType, wrongType(item)
		}
		return item.acceptCodes(codes)
	default:
		s, ok := v.(String)
		if !ok || s == "" {
			return nil, KindType, wrongType(item)
		}
		return item.acceptString(string(s))
	}
}

func (item Item) acceptNumber(n Number) (ref.Val, Kind, Text) {
	f := float64(n)
	low, high := item.limits()
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0) || decimals(n) > item.Decimals:
		return nil, KindType, wrongType(item)
	case f < low || f > high:
		return nil, KindRange, outside(n, low, high)
	case len(item.Options) > 0 && !item.has(n.String()):
		return nil, KindOption, noOption(item, n.String())
	case item.Type == TypeDecimal:
		return types.Double(f), "", Text{}
	}
	return types.Int(int64(f)), "", Text{}
}

// limits are the least and the greatest number that the item takes.
func (item Item) limits() (low, high float64) {
	low, high = -maxNumber, maxNumber
	if item.Min != nil {
		low = *item.Min
	}
	if item.Max != nil {
		high = *item.Max
	}
	return low, high
}

func (item Item) acceptCodes(codes Codes) (ref.Val, Kind, Text) {
	if len(codes) == 0 {
		return nil, KindType, wrongType(item)
	}
	for i, c := range codes {
		if !item.has(c) {
			return nil, KindOption, noOption(item, c)
		}
		if slices.Contains(codes[:i], c) {
			return nil, KindOption, twice(c)
		}
	}
	return types.NewStringList(types.DefaultTypeAdapter, codes), "", Text{}
}

func (item Item) acceptString(s string) (ref.Val, Kind, Text) {
	switch item.Type {
	case TypeChoice:
		if !item.has(s) {
			return nil, KindOption, noOption(item, s)
		}
	case TypeDate:
		if !isDate(s) {
			return nil, KindType, wrongType(item)
		}
	default:
		if n := utf8.RuneCountInString(s); n > item.length() {
			return nil, KindRange, tooLong(n, item.length())
		}
		if !printable(s) {
			return nil, KindType, unprintable()
		}
	}
	return types.String(s), "", Text{}
}

// length is the number of characters that a text item takes at most.
func (item Item) length() int {
	if item.MaxLength == 0 {
		return defaultText
	}
	return item.MaxLength
}

// has reports whether the item has an option with this code.
func (item Item) has(code string) bool {
	return slices.ContainsFunc(item.Options, func(o Option) bool { return o.Code == code })
}

// decimals returns the number of decimals of n as it is written out.
func decimals(n Number) int {
	_, after, _ := strings.Cut(n.String(), ".")
	return len(after)
}

// isDate reports whether s is a day between 1900 and 2199 as YYYY-MM-DD.
func isDate(s string) bool {
	t, err := time.Parse(time.DateOnly, s)
	return err == nil && t.Year() >= 1900 && t.Year() <= 2199
}

// printable reports whether s is UTF-8 without control characters: they hide
// what is stored from whoever reads it.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError
	})
}

// clip shortens what somebody typed for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return strconv.Quote(s)
}
