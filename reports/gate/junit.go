package gate

import (
	"encoding/xml"
	"fmt"
	"io"
	"time"

	"bench/reports"
)

// The elements of JUnit's XML as Jenkins' and GitLab's readers take them
// (github.com/jenkinsci/xunit-plugin, junit-10.xsd).
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Timestamp string      `xml:"timestamp,attr,omitempty"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string     `xml:"name,attr"`
		Class   string     `xml:"classname,attr"`
		Time    string     `xml:"time,attr"`
		Failure *junitText `xml:"failure"`
		Skipped *junitText `xml:"skipped"`
		Output  string     `xml:"system-out,omitempty"`
	}
	junitText struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the decision as a JUnit report: a test case for each workload
// and what it is held against. What cannot be told, and what is waived, is
// skipped with the reason.
func JUnit(w io.Writer, r *Result) error {
	doc := junitSuites{Name: "bench gate"}
	stamp := ""
	if len(r.Night) > 0 && r.Night[0].StartUnixS > 0 {
		stamp = time.Unix(r.Night[0].StartUnixS, 0).UTC().Format("2006-01-02T15:04:05")
	}
	for _, s := range r.Suites {
		suite := junitSuite{Name: reports.Clean(fmt.Sprintf("%s on %s against %s", s.Suite, s.Device, s.Against)), Timestamp: stamp}
		for i := range r.Findings {
			f := &r.Findings[i]
			if f.Suite != s.Suite || f.Device != s.Device || f.Against != s.Against {
				continue
			}
			c := junitCase{Name: reports.Clean(f.Key + uuid(f)), Class: "bench." + s.Against + "." + s.Suite, Time: fmt.Sprintf("%.9f", f.MeasuredS)}
			text := reports.Clean(f.Sentence())
			suite.Tests++
			switch f.Outcome {
			case Fail:
				suite.Failures++
				c.Failure = &junitText{Message: text, Text: reports.Clean(f.causes())}
			case CantTell, Waived:
				suite.Skipped++
				c.Skipped = &junitText{Message: text}
			default:
				c.Output = text
			}
			suite.Cases = append(suite.Cases, c)
		}
		doc.Tests += suite.Tests
		doc.Failures += suite.Failures
		doc.Suites = append(doc.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func uuid(f *Finding) string {
	if f.UUID == "" {
		return ""
	}
	return " on " + f.UUID
}
