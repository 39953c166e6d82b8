package main

import (
	"strings"
	"testing"
)

// A vulnerability of a module that is called fails; one of the standard library is a
// notice with the newest mended Go; what is only required says nothing.
func TestVerdict(t *testing.T) {
	const standard = `{"config":{"go_version":"go1.26.8"}}
{"finding":{"osv":"GO-1","fixed_version":"v1.26.9","trace":[{"module":"stdlib","version":"v1.26.8","package":"net/http","function":"Get"},{"module":"bench","function":"main"}]}}
{"finding":{"osv":"GO-2","fixed_version":"v1.26.10","trace":[{"module":"stdlib","package":"crypto/tls","function":"Dial"}]}}
{"finding":{"osv":"GO-2","fixed_version":"v1.26.10","trace":[{"module":"stdlib","package":"crypto/tls","function":"Client"}]}}
`
	const required = `{"finding":{"osv":"GO-3","fixed_version":"v2.0.1","trace":[{"module":"example.com/m","version":"v2.0.0","package":"example.com/m"}]}}
`
	const module = `{"finding":{"osv":"GO-4","fixed_version":"v2.0.1","trace":[{"module":"example.com/m","version":"v2.0.0","package":"example.com/m","function":"Read"}]}}
`
	for _, c := range []struct {
		name, in, want string
		failed         bool
	}{
		{"nothing", `{"config":{}}`, "lint: no known vulnerability of a module is called\n", false},
		{"standard library", standard, "2 known vulnerabilities that are called (GO-1, GO-2); build with Go 1.26.10 or later\nlint: no known", false},
		{"required only", required, "lint: no known vulnerability of a module is called\n", false},
		{"a module", standard + required + module, "GO-4: example.com/m v2.0.0, example.com/m.Read is called; mended in v2.0.1", true},
	} {
		called, err := calledIn(strings.NewReader(c.in))
		if err != nil {
			t.Fatal(err)
		}
		if got, failed := verdict(called); failed != c.failed || !strings.Contains(got, c.want) || strings.Contains(got, "GO-3") {
			t.Errorf("%s: failed %v:\n%s", c.name, failed, got)
		}
	}
	if _, err := calledIn(strings.NewReader(`{"finding":`)); err == nil {
		t.Error("an output cut short passes")
	}
}
