package gate

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// Waiver lets a workload be slower until a day.
type Waiver struct {
	// Pattern is a glob on the workload's key: * stands for any text.
	Pattern string `json:"pattern"`
	Reason  string `json:"reason"`
	// Until is the last day, UTC, on which it counts: "2026-03-01".
	Until string `json:"until"`
	// Expired is set where that day has passed.
	Expired bool `json:"expired"`
	// Matched counts the workloads that the pattern names.
	Matched int `json:"matched"`
	// Used counts the failures that it waived.
	Used int `json:"used"`

	line int
}

// ReadWaivers reads a waiver file. A line is
//
//	2026-03-01  gemm/matmul fp8 *  # waiting for the new driver
//
// the last day on which it counts, a pattern, and after # the reason. Blank
// lines and lines that begin with # are comments. name says in errors which
// file it is.
func ReadWaivers(r io.Reader, name string, today time.Time) ([]Waiver, error) {
	var out []Waiver
	s := bufio.NewScanner(r)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		bad := func(what string) error {
			return fmt.Errorf("%s, line %d: %s: write the last day, a pattern and the reason, such as \"2026-03-01 gemm/matmul fp8 * # new driver\"", name, n, what)
		}
		rest, reason, ok := strings.Cut(line, "#")
		reason = strings.TrimSpace(reason)
		if !ok || reason == "" {
			return nil, bad("there is no reason")
		}
		day, pattern, _ := strings.Cut(strings.TrimSpace(rest), " ")
		pattern = strings.Join(strings.Fields(pattern), " ")
		until, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return nil, bad(fmt.Sprintf("%q is no day", day))
		}
		if pattern == "" {
			return nil, bad("there is no pattern")
		}
		if _, err := path.Match(glob(pattern), ""); err != nil {
			return nil, bad(fmt.Sprintf("the pattern %q is not closed", pattern))
		}
		out = append(out, Waiver{Pattern: pattern, Reason: reason, Until: day, Expired: today.UTC().After(until.AddDate(0, 0, 1)), line: n})
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// glob makes * match slashes too: a key has one, and it separates nothing.
func glob(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

// Matches reports whether the pattern names a workload's key.
func (w *Waiver) Matches(key string) bool {
	ok, _ := path.Match(glob(w.Pattern), glob(key))
	return ok
}
