package html

import (
	"math"
	"strconv"
	"strings"

	"bench/reports"
)

// plain writes a number of an axis: "0.05", "200", "10 k".
func plain(v float64) string {
	if math.Abs(v) >= 1e4 {
		return perSecond(v)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// signed writes an error of an axis: "−50 %", "0 %".
func signed(v float64) string {
	s := strconv.FormatFloat(math.Abs(v*100), 'g', 3, 64) + " %"
	switch {
	case v > 0:
		return "+" + s
	case v < 0:
		return "−" + s
	}
	return s
}

// rate writes FLOP/s of an axis.
func rate(v float64) string { return trim(reports.FLOPsPerSecond(v)) }

func seconds(v float64) string { return trim(reports.Seconds(v)) }

func bandwidth(v float64) string { return trim(reports.BytesPerSecond(v)) }

// trim takes the zeros off a tick that is a whole number: "1.00 µs" is "1 µs".
func trim(s string) string {
	n, unit, _ := strings.Cut(s, " ")
	if strings.Contains(n, ".") {
		n = strings.TrimRight(strings.TrimRight(n, "0"), ".")
	}
	return strings.TrimSuffix(n+" "+unit, " ")
}

// perSecond writes a rate of an axis: "10 k".
func perSecond(v float64) string { return trim(reports.PerSecond(v)) }
