package reports

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// threeDigits writes v with three significant digits and no exponent, for v
// below 1000.
func threeDigits(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case a < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// scaled writes v in the largest of the units (each step times the one before)
// that keeps it at 1 or above. 999.6 rounds to 1.00 of the next unit.
func scaled(v, step float64, units ...string) string {
	i := 0
	for math.Abs(v) >= step-step/2000 && i < len(units)-1 {
		v /= step
		i++
	}
	return threeDigits(v) + " " + units[i]
}

// Seconds writes a time as ns, µs, ms or s.
func Seconds(s float64) string {
	if s >= 1000 {
		return threeDigits(s) + " s"
	}
	return scaled(s*1e9, 1000, "ns", "µs", "ms", "s")
}

// BytesPerSecond writes a bandwidth in decimal units.
func BytesPerSecond(v float64) string {
	return scaled(v, 1000, "B/s", "kB/s", "MB/s", "GB/s", "TB/s")
}

// FLOPsPerSecond writes a rate of arithmetic.
func FLOPsPerSecond(v float64) string {
	return scaled(v, 1000, "FLOP/s", "kFLOP/s", "MFLOP/s", "GFLOP/s", "TFLOP/s", "PFLOP/s")
}

// FLOPs writes an amount of arithmetic.
func FLOPs(v float64) string {
	return scaled(v, 1000, "FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP", "ZFLOP", "YFLOP")
}

// Bytes writes a size in binary units, without a fraction where it is whole.
func Bytes(v float64) string {
	s := scaled(v, 1024, "B", "KiB", "MiB", "GiB", "TiB")
	n, unit, _ := strings.Cut(s, " ")
	if strings.Contains(n, ".") {
		n = strings.TrimRight(strings.TrimRight(n, "0"), ".")
	}
	return n + " " + unit
}

// PerSecond writes a rate of things: "12.3 k".
func PerSecond(v float64) string {
	return strings.TrimSuffix(scaled(v, 1000, "", "k", "M", "G"), " ")
}

// SignedPercent writes a ratio as "+3.2 %" or "−12.3 %".
func SignedPercent(ratio float64) string {
	p := ratio * 100
	s := strconv.FormatFloat(math.Abs(p), 'f', percentDigits(p), 64)
	if p < 0 && strings.Trim(s, "0.") != "" {
		return "−" + s + " %"
	}
	return "+" + s + " %"
}

// Percent writes a ratio that has no sign.
func Percent(ratio float64) string {
	p := ratio * 100
	return strconv.FormatFloat(p, 'f', percentDigits(p), 64) + " %"
}

func percentDigits(p float64) int {
	if math.Abs(p) < 99.95 {
		return 1
	}
	return 0
}

// Count writes a whole number with thin groups: "110,000".
func Count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Clean makes text out of a file harmless to a terminal: whatever does not
// print (control codes, escapes, bidirectional overrides, line breaks, invalid
// UTF-8) becomes "�".
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
