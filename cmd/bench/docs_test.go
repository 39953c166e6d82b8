package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// repository is the root, from this package's folder.
const repository = "../.."

// documents are README.md, CONTRIBUTING.md and docs/*.md, by path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(repository, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := filepath.Rel(repository, f)
			out[filepath.ToSlash(name)] = string(b)
		}
	}
	if len(out) < 15 {
		t.Fatalf("%d documents", len(out))
	}
	return out
}

// exampleFile is a file of CONTRIBUTING.md's examples, or what they print: they are
// not the repository's, and TestContributing runs them.
var exampleFile = regexp.MustCompile("(?ms)^```(?:[a-z]+ file=|console).*?^```$")

// code is what a document shows as code: the lines of blocks, and spans.
func code(doc string) (lines, spans []string) {
	fenced := false
	for l := range strings.Lines(doc) {
		l = strings.TrimRight(l, "\n")
		switch {
		case strings.HasPrefix(l, "```"):
			fenced = !fenced
		case fenced:
			lines = append(lines, strings.TrimPrefix(l, "$ "))
		case strings.HasPrefix(l, "    "):
			lines = append(lines, strings.TrimSpace(l))
		default:
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(l, -1) {
				spans = append(spans, m[1])
			}
		}
	}
	return lines, spans
}

// testNames are the tests, benchmarks and fuzz targets of each package, by its
// folder.
func testNames(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		folder, _ := filepath.Rel(repository, filepath.Dir(path))
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)\(`).FindAllStringSubmatch(string(b), -1) {
			out[filepath.ToSlash(folder)] = append(out[filepath.ToSlash(folder)], m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	makeCall = regexp.MustCompile(`(?:^|[ ;])make ([a-z][a-z-]+)`)
	pathWord = regexp.MustCompile(`^(?:cmd|cuda|datasets|deploy|docs|microbench|predict|probes|reports|tools)/[\w./*-]+$`)
	testWord = regexp.MustCompile(`^(?:Test|Benchmark|Fuzz)[A-Z]\w+$`)
	link     = regexp.MustCompile(`\]\(([^)#:]+)\)`)
)

// staleReferences lists what a document names that the repository does not have.
func staleReferences(name, doc, makefile string, tests map[string][]string) []string {
	var out []string
	stale := func(format string, args ...any) { out = append(out, name+": "+fmt.Sprintf(format, args...)) }
	doc = exampleFile.ReplaceAllString(doc, "")
	lines, spans := code(doc)
	for _, s := range slices.Concat(lines, spans) {
		for _, m := range makeCall.FindAllStringSubmatch(s, -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				stale("make %s: the Makefile has no such target", m[1])
			}
		}
		if i := strings.Index(s, "go test "); i >= 0 {
			command, _, _ := strings.Cut(s[i:], "`")
			if why := staleTest(command, tests); why != "" {
				stale("%s: %s", command, why)
			}
		}
	}
	for _, s := range spans {
		if testWord.MatchString(s) && !slices.ContainsFunc(slices.Collect(maps.Values(tests)), func(n []string) bool { return slices.Contains(n, s) }) {
			stale("there is no %s", s)
		}
		if pathWord.MatchString(s) {
			if found, _ := filepath.Glob(filepath.Join(repository, s)); len(found) == 0 {
				stale("there is no %s", s)
			}
		}
	}
	for _, m := range link.FindAllStringSubmatch(doc, -1) {
		if _, err := os.Stat(filepath.Join(repository, filepath.Dir(name), m[1])); err != nil {
			stale("a link leads to %s, which does not exist", m[1])
		}
	}
	return out
}

// staleTest says what is wrong with a "go test" command, or "": each alternative of
// -run, -bench and -fuzz must match a function of a package that it names.
func staleTest(command string, tests map[string][]string) string {
	words := shellWords(command)
	var patterns, packages []string
	for i, w := range words {
		switch {
		case strings.HasPrefix(w, "./"):
			packages = append(packages, strings.TrimPrefix(w, "./"))
		case i > 0 && slices.Contains([]string{"-run", "-bench", "-fuzz"}, words[i-1]):
			patterns = append(patterns, strings.Split(w, "|")...)
		}
	}
	for _, p := range packages {
		var names []string
		for folder, n := range tests {
			if base, all := strings.CutSuffix(p, "/..."); folder == p || p == "..." || all && (folder == base || strings.HasPrefix(folder, base+"/")) {
				names = append(names, n...)
			}
		}
		if len(names) == 0 {
			return "no tests in ./" + p
		}
		for _, pattern := range patterns {
			if pattern == "^$" || pattern == "X" {
				continue
			}
			re, err := regexp.Compile(strings.Split(pattern, "/")[0])
			if err != nil || !slices.ContainsFunc(names, re.MatchString) {
				return fmt.Sprintf("nothing in ./%s is called %s", p, pattern)
			}
		}
	}
	return ""
}

// shellWords splits as a shell does, as far as documents need it.
func shellWords(s string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`"([^"]*)"|'([^']*)'|(\S+)`).FindAllStringSubmatch(s, -1) {
		out = append(out, m[1]+m[2]+m[3])
	}
	return out
}

// What the documents name exists: make targets, tests, files and links.
func TestDocumentsNameWhatExists(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	for name, doc := range documents(t) {
		for _, s := range staleReferences(name, doc, string(makefile), tests) {
			t.Error(s)
		}
	}
	// It bites.
	wrong := "`make nothing`, `TestNothing`, `reports/nothing.go`, [x](nothing.md), `go test -run 'Golden|Nothing' ./reports`, `go test ./nothing`\n"
	if got := staleReferences("README.md", wrong, string(makefile), tests); len(got) != 6 {
		t.Errorf("of six stale references %q are found", got)
	}
}

// benchCalls are the calls of bench in a document's code, without the comment that
// stands beside a line, the marks of a synopsis, and what follows in a shell.
func benchCalls(doc string) [][]string {
	lines, spans := code(exampleFile.ReplaceAllString(doc, ""))
	comment := regexp.MustCompile(`\s{2,}[^-\[\s].*$|\s#.*$|[;&].*$| \| .*$`)
	var out [][]string
	for _, l := range slices.Concat(lines, spans) {
		m := regexp.MustCompile(`(?:^|[a-z0-9] )(?:bin/)?bench ([a-z]+(?: .*)?)$`).FindStringSubmatch(l)
		if m == nil {
			continue
		}
		call := comment.ReplaceAllString(m[1], "")
		call = strings.NewReplacer("[", " ", "]", " ", "…", "").Replace(call)
		out = append(out, shellWords(call))
	}
	return out
}

// staleCall says what bench does not know of a call, or "". Placeholders are no
// fault: KEY, FILE, N.
func staleCall(args []string) string {
	root := rootCommand()
	verb, rest, err := root.Find(args)
	if err != nil || verb == root {
		return "there is no such verb"
	}
	if err := verb.ParseFlags(rest); err != nil && strings.HasPrefix(err.Error(), "unknown") {
		return err.Error()
	}
	return ""
}

// Every call of bench in the documents has a verb and flags that bench has.
func TestDocumentsCallWhatBenchKnows(t *testing.T) {
	calls := 0
	for name, doc := range documents(t) {
		for _, args := range benchCalls(doc) {
			calls++
			if why := staleCall(args); why != "" {
				t.Errorf("%s: bench %s: %s", name, strings.Join(args, " "), why)
			}
		}
	}
	if calls < 80 {
		t.Errorf("%d calls were found", calls)
	}
	for _, wrong := range []string{"    bench repport x      a comment", "`bench report x --nothing`", "    srun bench run --join --nothing"} {
		if got := benchCalls(wrong); len(got) != 1 || staleCall(got[0]) == "" {
			t.Errorf("%q: %q passes", wrong, got)
		}
	}
}
