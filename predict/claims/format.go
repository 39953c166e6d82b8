package claims

import (
	"math"
	"strconv"
	"strings"
)

// prefixes of the decimal system, from 1 upwards.
var prefixes = []string{"", "k", "M", "G", "T", "P", "E", "Z"}

// billions are the prefixes with which the field counts parameters and tokens.
var billions = []string{"", "k", "M", "B", "T"}

// Format writes x in its unit with three significant digits: "30.5 GB",
// "$63.0 M", "33.9 k token/s", "10.1 %" for a ratio of unit "%".
func Format(x float64, unit string) string {
	switch unit {
	case "USD":
		if a := math.Abs(x); a >= 1e6 {
			return "$" + digits(x/1e6) + " M"
		}
		return "$" + digits(x)
	case "%":
		return digits(x*100) + " %"
	case "day", "h":
		return strings.TrimSpace(digits(x) + " " + unit)
	case "s":
		for _, s := range []struct {
			size float64
			name string
		}{{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}} {
			if math.Abs(x) >= s.size {
				return digits(x/s.size) + " " + s.name
			}
		}
		return digits(x*1e9) + " ns"
	}
	if unit == "1" || unit == "" {
		if a := math.Abs(x); a < 1e5 {
			return digits(x)
		}
	}
	if unit == "FLOP" && math.Abs(x) >= 1e18 {
		return digits(x) + " FLOP"
	}
	if a := math.Abs(x); a < 1e5 && (unit == "tokens" || unit == "sequences" || strings.HasPrefix(unit, "FLOP/")) && unit != "FLOP/s" {
		return strings.TrimSpace(digits(x) + " " + unit)
	}
	i, prefixes := 0, prefixes
	if strings.HasPrefix(unit, "params") || strings.HasPrefix(unit, "tokens") {
		prefixes = billions
	}
	for math.Abs(x) >= 999.5 && i < len(prefixes)-1 {
		x /= 1000
		i++
	}
	short := map[string]string{"bytes": "B", "bytes/s": "B/s", "1": ""}
	name, ok := short[unit]
	if !ok {
		name = unit
	}
	if name == "" || strings.HasPrefix(name, "B") || strings.HasPrefix(name, "FLOP") {
		return strings.TrimSpace(digits(x) + " " + prefixes[i] + name)
	}
	return strings.TrimSpace(strings.TrimSpace(digits(x)+" "+prefixes[i]) + " " + name)
}

// FormatSpan writes a number, or a range with an en rule.
func FormatSpan(s Span, unit string) string {
	if math.IsNaN(s.Low) {
		return "nothing"
	}
	a := Format(s.Low, unit)
	if s.Low == s.High {
		return a
	}
	b := Format(s.High, unit)
	if a == b {
		return a
	}
	// "1.94–2.43 TB" rather than the unit twice.
	if _, tail, ok := strings.Cut(a, " "); ok && strings.HasSuffix(b, " "+tail) {
		a = strings.TrimSuffix(a, " "+tail)
	}
	return a + "–" + b
}

// digits writes three significant digits, all of a whole number below 100,000,
// and an exponent only where nothing else is short.
func digits(x float64) string {
	a := math.Abs(x)
	switch {
	case a == 0:
		return "0"
	case math.IsInf(x, 0) || math.IsNaN(x):
		return strconv.FormatFloat(x, 'g', -1, 64)
	case a < 1e5 && x == math.Trunc(x):
		return strconv.FormatFloat(x, 'f', 0, 64)
	case a < 1e-4 || a >= 1e5:
		s := strconv.FormatFloat(x, 'e', 2, 64)
		return strings.NewReplacer("e+", "e", "e-0", "e-").Replace(s)
	}
	places := 2 - int(math.Floor(math.Log10(a)))
	s := strconv.FormatFloat(x, 'f', max(places, 0), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
