package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is a fenced block of a document: its language, the file that it names
// ("" where none) and its text.
type block struct{ language, file, text string }

func blocksOf(t *testing.T, path string) []block {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []block
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]+)(?: file=(\\S+))?\n(.*?)^```$").FindAllStringSubmatch(string(doc), -1) {
		out = append(out, block{m[1], m[2], m[3]})
	}
	return out
}

// applyDiff makes a diff's changes, whose places are found by their text alone:
// each must be there once. "@@" parts them.
func applyDiff(source, diff string) (string, error) {
	for _, hunk := range strings.Split(diff, "@@\n") {
		var before, after strings.Builder
		for line := range strings.Lines(hunk) {
			switch line[0] {
			case '-':
				before.WriteString(line[1:])
			case '+':
				after.WriteString(line[1:])
			case ' ':
				before.WriteString(line[1:])
				after.WriteString(line[1:])
			default:
				return "", fmt.Errorf("a diff's line begins with +, - or a space: %q", line)
			}
		}
		if n := strings.Count(source, before.String()); n != 1 {
			return "", fmt.Errorf("%d places read\n%s", n, before.String())
		}
		source = strings.Replace(source, before.String(), after.String(), 1)
	}
	return source, nil
}

// The examples of CONTRIBUTING.md, laid over the source all at once, build, pass
// their own tests, and print what the document says.
func TestContributing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program again")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	work := filepath.Join(scratch, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{} // by path from the root
	tests, packages := []string{}, map[string]bool{}
	consoles := []string{}
	for _, b := range blocksOf(t, filepath.Join(root, "CONTRIBUTING.md")) {
		switch {
		case b.language == "console":
			consoles = append(consoles, b.text)
		case b.language == "text" && b.file != "":
			if err := os.WriteFile(filepath.Join(work, b.file), []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
		case b.language == "diff":
			source, err := os.ReadFile(filepath.Join(root, b.file))
			if err != nil {
				t.Fatal(err)
			}
			if files[b.file], err = applyDiff(string(source), b.text); err != nil {
				t.Errorf("%s: the diff of CONTRIBUTING.md does not fit: %v", b.file, err)
			}
		case b.file != "":
			if _, err := os.Stat(filepath.Join(root, b.file)); err == nil {
				t.Errorf("%s exists: take another example", b.file)
			}
			files[b.file] = b.text
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)`).FindAllStringSubmatch(b.text, -1) {
				tests = append(tests, m[1])
				packages["./"+filepath.Dir(b.file)] = true
			}
		}
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for i, path := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(path, ".go") {
			if nice, err := format.Source([]byte(files[path])); err != nil || string(nice) != files[path] {
				t.Errorf("%s of CONTRIBUTING.md is not as gofmt writes it (%v)", path, err)
			}
		}
		held := filepath.Join(scratch, fmt.Sprintf("%d%s", i, filepath.Ext(path)))
		if err := os.WriteFile(held, []byte(files[path]), 0o644); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, path)] = held
	}
	if t.Failed() {
		return
	}
	if len(tests) < 3 || len(consoles) < 4 || len(files) < 14 {
		t.Fatalf("CONTRIBUTING.md has %d tests, %d consoles and %d files", len(tests), len(consoles), len(files))
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	replace := filepath.Join(scratch, "overlay.json")
	if err := os.WriteFile(replace, list, 0o644); err != nil {
		t.Fatal(err)
	}

	program := filepath.Join(scratch, "bench")
	goTool(t, root, "build", "-overlay", replace, "-o", program, "./cmd/bench")
	goTool(t, root, append([]string{"test", "-overlay", replace, "-run", "^(" + strings.Join(tests, "|") + ")$"}, slices.Sorted(maps.Keys(packages))...)...)
	goTool(t, root, "test", "-overlay", replace, "./datasets/catalog") // whose own tests hold a new device to the rules
	for _, c := range consoles {
		runConsole(t, program, work, c)
	}
}

func goTool(t *testing.T, dir string, args ...string) {
	t.Helper()
	c := exec.Command("go", args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", args[0], err, out)
	}
	if strings.Contains(string(out), "no tests to run") {
		t.Errorf("go %s\n%s", strings.Join(args, " "), out)
	}
}

// runConsole runs the commands after "$ bench". The lines below one stand in what it
// prints, in that order, whatever the spaces; "…" stands for any text.
func runConsole(t *testing.T, program, dir, console string) {
	t.Helper()
	var printed, command string
	for line := range strings.Lines(console) {
		line = strings.TrimSpace(line)
		if args, ok := strings.CutPrefix(line, "$ bench "); ok {
			command = args
			c := exec.Command(program, strings.Fields(args)...)
			c.Dir = dir
			out, err := c.CombinedOutput()
			if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if err != nil {
				t.Errorf("bench %s: %v\n%s", args, err, out)
			}
			printed = strings.Join(strings.Fields(string(out)), " ")
			continue
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.Join(strings.Fields(line), " ")), "…", ".*?")
		at := regexp.MustCompile(pattern).FindStringIndex(printed)
		if at == nil {
			t.Errorf("bench %s does not print, after the lines before it,\n%s\nbut\n%s", command, line, printed)
			return
		}
		printed = printed[at[1]:]
	}
}

// The section on a suite says how many files one takes, and its example has as many.
func TestContributingCountsFiles(t *testing.T) {
	doc, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n### A suite\n")
	section, _, _ = strings.Cut(section, "\n## ")
	said := regexp.MustCompile(`\*\*(\d+) new files\*\*[^*]*\*\*a line or two in (\d+) others\*\*`).FindStringSubmatch(section)
	created, changed := 0, 0
	for _, m := range regexp.MustCompile("(?m)^```([a-z]+) file=(\\S+)$").FindAllStringSubmatch(section, -1) {
		switch {
		case strings.HasSuffix(m[2], "_test.go"):
		case m[1] == "diff":
			changed++
		default:
			created++
		}
	}
	if want := []string{fmt.Sprint(created), fmt.Sprint(changed)}; len(said) != 3 || !slices.Equal(said[1:], want) {
		t.Errorf("CONTRIBUTING.md says %q new and changed files, and its example has %v", said, want)
	}
}

// The applier bites: a line that is not there, or is there twice, is no place.
func TestApplyDiff(t *testing.T) {
	for _, c := range []struct{ diff, want string }{
		{" b\n-c\n+C\n", "a\nb\nC\nb\nd\n"},
		{" c\n+x\n@@\n-d\n", "a\nb\nc\nx\nb\n"},
		{" b\n+x\n", ""},
		{"-z\n+x\n", ""},
		{"b\n", ""},
	} {
		got, err := applyDiff("a\nb\nc\nb\nd\n", c.diff)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q gives %q, %v", c.diff, got, err)
		}
	}
}
