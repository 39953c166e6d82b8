package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bench/datasets"

	// yaml: the jobs must at least be what GitHub and GitLab can parse.
	"go.yaml.in/yaml/v3"
)

// nightlyFiles are the ready-made nightly jobs.
func nightlyFiles(t *testing.T) []string {
	t.Helper()
	files := []string{"../../deploy/nightly.sh", "../../docs/nightly.md"}
	for _, pattern := range []string{"github/*", "gitlab/*", "cron/*", "systemd/*"} {
		found, err := filepath.Glob("../../deploy/" + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// benchCall is a call of bench up to the line's end or a shell operator.
var benchCall = regexp.MustCompile(`(?:^|[\s;])(?:bench|"\$BENCH"|bin/bench) ((?:run|gate|report|export|compare|calibrate|devices)\b[^|;&\n]*)`)

// Every call of bench in the jobs names a verb and flags that bench has.
func TestNightlyJobsCallBenchRight(t *testing.T) {
	calls := map[string]int{}
	for _, path := range nightlyFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range benchCall.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(m[1])
			cmd, _, err := rootCommand().Find(words[:1])
			if err != nil || cmd.Name() != words[0] {
				t.Errorf("%s: %q: %v", path, m[1], err)
				continue
			}
			calls[words[0]]++
			for _, w := range words[1:] {
				name, long := strings.CutPrefix(w, "--")
				name, _, _ = strings.Cut(strings.Trim(name, "`\"',.)"), "=")
				if long && cmd.Flags().Lookup(name) == nil {
					t.Errorf("%s: bench %s has no flag --%s", path, words[0], name)
				}
			}
		}
	}
	for _, verb := range []string{"run", "gate", "export"} {
		if calls[verb] == 0 {
			t.Errorf("no job calls bench %s", verb)
		}
	}
}

func TestNightlyJobsParse(t *testing.T) {
	for path, jobs := range map[string]string{"../../deploy/github/nightly.yml": "jobs", "../../deploy/gitlab/nightly.yml": "bench-nightly"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := yaml.Unmarshal(text, &doc); err != nil || doc[jobs] == nil {
			t.Errorf("%s: %v, %v", path, err, doc)
		}
		if !strings.Contains(string(text), "deploy/nightly.sh") {
			t.Errorf("%s does not run deploy/nightly.sh", path)
		}
	}
}

// Every metric that the dashboard asks for is one that bench exports.
func TestDashboardMetrics(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/bench.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil || len(board.Panels) == 0 {
		t.Fatal(err, board)
	}
	names := datasets.MetricNames()
	word := regexp.MustCompile(`\bbench_\w+`)
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			used := word.FindAllString(target.Expr, -1)
			if len(used) == 0 {
				t.Errorf("%s asks for no metric: %s", p.Title, target.Expr)
			}
			for _, m := range used {
				if !slices.Contains(names, m) {
					t.Errorf("%s asks for %s, which bench does not export", p.Title, m)
				}
			}
		}
	}
	for _, m := range word.FindAllString(string(text), -1) {
		if !slices.Contains(names, m) {
			t.Errorf("the dashboard names %s, which bench does not export", m)
		}
	}
}

// Every metric of the alert rules is one that bench exports or that nightly.sh
// writes.
func TestAlertMetrics(t *testing.T) {
	rules, err := os.ReadFile("../../deploy/prometheus/bench.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	night, err := os.ReadFile("../../deploy/nightly.sh")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(rules, &doc); err != nil || len(doc.Groups) != 1 || len(doc.Groups[0].Rules) == 0 {
		t.Fatal(err, doc)
	}
	names := datasets.MetricNames()
	for _, r := range doc.Groups[0].Rules {
		used := regexp.MustCompile(`\bbench_\w+`).FindAllString(r.Expr, -1)
		if len(used) == 0 {
			t.Errorf("%s asks for no metric: %s", r.Alert, r.Expr)
		}
		for _, m := range used {
			if !slices.Contains(names, m) && !strings.Contains(string(night), "# TYPE "+m+" ") {
				t.Errorf("%s asks for %s, which nothing writes", r.Alert, m)
			}
		}
	}
}
