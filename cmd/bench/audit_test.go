package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// figures is a part of a document with numbers in it, from a heading to the next,
// and what a marker says of them:
//
//	<!-- figures: made by `make claims` -->                       the command writes them into the document
//	<!-- figures: made by `make gate-study`, printed -->          it prints them
//	<!-- figures: made by `make validate`, in docs/validation.md --> they stand in a document that it writes
//	<!-- figures: tested by `go test -run X ./p` -->              the command fails where they do not hold
//	<!-- figures: measured DATE, MACHINE, at COMMIT, by `…`; of PATH… --> they are not the same twice
//	<!-- figures: set in PATH… -->                                they are constants of the source
//	<!-- figures: published, SOURCE -->
//	<!-- figures: by hand DATE, HOW, at COMMIT; of PATH… -->      no command was kept: they cannot be made again
//
// "; needs PATH or TOOL" may follow what a command cannot do without. A marker
// holds for its heading's section and those below it, until another one. "Written
// by …, `make X`", as the documents have it that a command writes whole, is one.
type figures struct {
	document, heading, marker, text string
	count                           int
}

var (
	markerLine = regexp.MustCompile(`^<!-- figures: (.*) -->$`)
	figure     = regexp.MustCompile(`\d[\d.,]*\s?(?:%|[µmn]?s\b|CPU-s|[kMGT]?B/s|[kMGT]B\b|×|[GTP]?FLOP|min\b|minutes)`)
	cellNumber = regexp.MustCompile(`\| *[\d.,]+ +\|`) // of a table, every other of neighbours
	decimal    = regexp.MustCompile(`\d+\.\d+`)
	quoted     = regexp.MustCompile("`([^`]+)`")
	written    = regexp.MustCompile("^Written by .*`(make [a-z-]+)`")
	byHand     = regexp.MustCompile(`^by hand (\d{4}-\d\d-\d\d), .*at ([0-9a-f]{7,40}); of (.+)$`)
	measured   = regexp.MustCompile("^measured (\\d{4}-\\d\\d-\\d\\d), (.+), at ([0-9a-f]{7,40}), by `([^`]+)`; of (.+)$")
)

// figuresOf splits a document. Files of an example are not its text.
func figuresOf(document, doc string) []figures {
	doc = exampleFile.ReplaceAllString(doc, "")
	var out []figures
	var markers [8]string // by depth of heading
	at := figures{document: document}
	depth, fenced := 0, false
	flush := func() {
		for d := depth; d >= 0 && at.marker == ""; d-- {
			at.marker = markers[d]
		}
		if at.count > 0 {
			out = append(out, at)
		}
	}
	for l := range strings.Lines(doc) {
		l = strings.TrimRight(l, "\n")
		if strings.HasPrefix(l, "```") {
			fenced = !fenced
		}
		if n := len(l) - len(strings.TrimLeft(l, "#")); n > 0 && n < len(markers) && !fenced {
			flush()
			depth, at = n, figures{document: document, heading: strings.TrimSpace(l[n:])}
			clear(markers[depth:])
			continue
		}
		m := markerLine.FindStringSubmatch(l)
		if w := written.FindStringSubmatch(l); w != nil {
			m = []string{l, "made by `" + w[1] + "`"}
		}
		if m != nil {
			if at.count > 0 { // what came before it in the section is another's
				flush()
				at = figures{document: document, heading: at.heading}
			}
			markers[depth], at.marker = m[1], m[1]
			continue
		}
		at.count += len(figure.FindAllString(l, -1))
		if strings.HasPrefix(l, "|") {
			at.count += len(cellNumber.FindAllString(l, -1))
		}
		at.text += l + "\n"
	}
	flush()
	return out
}

// malformed says what a marker lacks, or "".
func malformed(marker string, makefile string, tests map[string][]string) string {
	kind, rest, _ := strings.Cut(marker, " ")
	claim, _, _ := strings.Cut(rest, "; needs ")
	command := ""
	if q := quoted.FindStringSubmatch(claim); q != nil {
		command = q[1]
	}
	switch kind {
	case "":
		return "no marker says what makes its figures"
	case "made", "tested":
		if command == "" {
			return "names no command"
		}
		if stale := staleReferences("marker", "`"+command+"`", makefile, tests); len(stale) > 0 {
			return strings.Join(stale, "; ")
		}
	case "measured":
		m := measured.FindStringSubmatch(marker)
		if m == nil {
			return "needs a date, machine, commit, command and the paths that they depend on"
		}
		if stale := staleReferences("marker", "`"+m[4]+"`", makefile, tests); len(stale) > 0 {
			return strings.Join(stale, "; ")
		}
		return noSuchPath(m[5])
	case "by":
		m := byHand.FindStringSubmatch(marker)
		if m == nil {
			return "needs a date, how, a commit and the paths that they depend on"
		}
		return noSuchPath(m[3])
	case "set":
		return noSuchPath(strings.TrimPrefix(rest, "in "))
	case "published,":
		if len(rest) < 10 {
			return "names no source"
		}
	default:
		return fmt.Sprintf("a marker begins with made by, tested by, measured, set in or published, not %q", kind)
	}
	return ""
}

func noSuchPath(paths string) string {
	for _, p := range strings.Fields(strings.ReplaceAll(paths, ",", " ")) {
		if found, _ := filepath.Glob(filepath.Join(repository, p)); len(found) == 0 {
			return "there is no " + p
		}
	}
	return ""
}

// Every part of a document with figures says what makes them, and that exists.
func TestFiguresNameWhatMakesThem(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	for name, doc := range documents(t) {
		for _, f := range figuresOf(name, doc) {
			if why := malformed(f.marker, string(makefile), tests); why != "" {
				t.Errorf("%s, %q (%d figures): %s", name, f.heading, f.count, why)
			} else if why := notIn(f); why != "" {
				t.Errorf("%s, %q: %s", name, f.heading, why)
			}
		}
	}
	// It bites.
	for _, c := range []struct{ marker, want string }{
		{"", "no marker"}, {"<!-- figures: made by `make nothing` -->", "no such target"}, {"<!-- figures: made by hand -->", "no command"},
		{"<!-- figures: measured 2026-11-25, here, at abcdef0, by `make run` -->", "needs a date"}, {"<!-- figures: set in no/where.go -->", "no no/where.go"},
		{"<!-- figures: tested by `go test -run Nothing ./reports` -->", "nothing in ./reports"}, {"<!-- figures: made by `make claims`, in README.md -->", "7777.7"},
	} {
		f := figuresOf("x.md", "# A\n\n## B\n"+c.marker+"\n7777.7 % of it\n")
		if len(f) != 1 {
			t.Fatalf("%+v", f)
		}
		if got := malformed(f[0].marker, string(makefile), tests) + notIn(f[0]); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.marker, got, c.want)
		}
	}
}

var inDocument = regexp.MustCompile("`, in ([^\\s;]+)")

// notIn names a figure that does not stand in the document that its marker names.
func notIn(f figures) string {
	m := inDocument.FindStringSubmatch(f.marker)
	if m == nil {
		return ""
	}
	other, err := os.ReadFile(filepath.Join(repository, m[1]))
	if err != nil {
		return err.Error()
	}
	return missingFigures(f.text, string(other), m[1])
}

// missingFigures names the decimal numbers of a text that another does not hold.
func missingFigures(text, other, name string) string {
	have := map[string]bool{}
	for _, n := range decimal.FindAllString(other, -1) {
		have[n] = true
	}
	var lost []string
	for _, n := range decimal.FindAllString(text, -1) {
		if !have[n] {
			lost = append(lost, n)
		}
	}
	if len(lost) > 0 {
		return fmt.Sprintf("%s does not hold %s", name, strings.Join(slices.Compact(lost), ", "))
	}
	return ""
}

// TestAuditOfFigures runs the commands that the documents name and compares, with
// AUDIT a pattern of those to run; make audit runs them all. It prints a table and
// fails where a figure is stale. What a command writes into the documents is put
// back.
func TestAuditOfFigures(t *testing.T) {
	only := os.Getenv("AUDIT")
	if only == "" {
		t.Skip("AUDIT is not set: make audit runs the commands that make the documents' figures, some minutes")
	}
	wanted := regexp.MustCompile(only)
	docs := documents(t)
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	results := map[string]result{} // by command
	fmt.Println("| document | part | kind | made by | state |\n|---|---|---|---|---|")
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		for _, f := range figuresOf(name, docs[name]) {
			command, state := "", ""
			if q := quoted.FindStringSubmatch(f.marker); q != nil {
				command = q[1]
			}
			kind, _, _ := strings.Cut(f.marker, " ")
			why := malformed(f.marker, string(makefile), tests)
			if why != "" {
				kind, state = "", "stale: "+why
			}
			switch kind {
			case "made", "tested":
				_, needs, _ := strings.Cut(f.marker, "; needs ")
				switch {
				case !wanted.MatchString(command):
					state = "not asked for (AUDIT)"
				case needs != "" && !available(needs):
					state = "cannot be checked here: " + needs + " is not there"
				default:
					r, ran := results[command]
					if !ran {
						r = perform(t, command, writtenBy(command, docs))
						results[command] = r
					}
					state = r.state(f)
				}
			case "measured":
				m := measured.FindStringSubmatch(f.marker)
				state = age(m[1], m[3], m[5])
			case "by":
				m := byHand.FindStringSubmatch(f.marker)
				state = "no command makes it; " + age(m[1], m[2], m[3])
			case "set":
				command, state = strings.TrimPrefix(f.marker, "set in "), "a constant of the source"
			case "published,":
				command, state = strings.TrimPrefix(f.marker, "published, "), "another's figure"
			}
			fmt.Printf("| %s | %s | %s | %s | %s |\n", name, f.heading, strings.NewReplacer(",", "", "by", "by hand").Replace(kind), strings.ReplaceAll(command, "|", `\|`), state)
			if strings.HasPrefix(state, "stale") {
				t.Errorf("%s, %q: %s", name, f.heading, state)
			}
		}
	}
}

func available(needs string) bool {
	if _, err := os.Stat(filepath.Join(repository, needs)); err == nil {
		return true
	}
	if _, err := os.Stat(needs); err == nil {
		return true
	}
	_, err := exec.LookPath(needs)
	return err == nil
}

// result is what a command did.
type result struct {
	err     error
	printed string
	changed map[string]bool // documents
}

// writtenBy names the documents that a command may write, by their markers. Others
// are left alone: somebody may be at work on them.
func writtenBy(command string, docs map[string]string) []string {
	var out []string
	for name, doc := range docs {
		for _, f := range figuresOf(name, doc) {
			if !strings.HasPrefix(f.marker, "made by `"+command+"`") {
				continue
			}
			if m := inDocument.FindStringSubmatch(f.marker); m != nil {
				out = append(out, m[1])
			} else {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// perform runs a command from the repository's root and puts back the documents
// that it may write.
func perform(t *testing.T, command string, documents []string) result {
	t.Helper()
	c := exec.Command("sh", "-c", command)
	c.Dir = repository
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	r := result{changed: map[string]bool{}}
	before := map[string][]byte{}
	for _, name := range documents {
		b, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		before[name] = b
	}
	// AUDIT set, an audit that names itself would go on for ever.
	c.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AUDIT=") })
	r.err = c.Run()
	r.printed = out.String()
	for name, was := range before {
		path := filepath.Join(repository, name)
		if now, err := os.ReadFile(path); err == nil && !bytes.Equal(now, was) {
			r.changed[name] = true
			if err := os.WriteFile(path, was, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

func (r result) state(f figures) string {
	switch {
	case r.err != nil:
		return fmt.Sprintf("stale: the command ends with %v: %s", r.err, lastLine(r.printed))
	case r.changed[f.document]:
		return "stale: the command writes another document"
	case strings.Contains(f.marker, "`, printed"):
		if why := missingFigures(f.text, r.printed, "what it prints"); why != "" {
			return "stale: " + why
		}
	case inDocument.MatchString(f.marker):
		if m := inDocument.FindStringSubmatch(f.marker); r.changed[m[1]] {
			return "stale: the command writes another " + m[1]
		}
		if why := notIn(f); why != "" {
			return "stale: " + why
		}
	}
	return "fresh"
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// age is how many commits have touched the paths since.
func age(date, commit, paths string) string {
	args := append([]string{"rev-list", "--count", commit + "..HEAD", "--"}, strings.Fields(strings.ReplaceAll(paths, ",", " "))...)
	c := exec.Command("git", args...)
	c.Dir = repository
	out, err := c.Output()
	if err != nil {
		return "cannot be checked here: git does not know " + commit
	}
	return fmt.Sprintf("of %s; %s commits to its code since", date, strings.TrimSpace(string(out)))
}
