// Package doctable reads and writes the tables of the documents that a make target
// makes: each stands between two marks which name the target.
package doctable

import (
	"fmt"
	"os"
	"strings"
)

// split is a document before, in, and after a target's table, with the marks before
// and after.
func split(path, target string) (before, table, after string, err error) {
	doc, err := os.ReadFile(path)
	if err != nil {
		return "", "", "", err
	}
	begin, end := "<!-- begin: make "+target+" -->\n", "<!-- end: make "+target+" -->"
	before, rest, ok := strings.Cut(string(doc), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", "", "", fmt.Errorf("%s has no place for the table of make %s", path, target)
	}
	return before + begin, table, end + after, nil
}

// Read is the table of a target in a document.
func Read(path, target string) (string, error) {
	_, table, _, err := split(path, target)
	return table, err
}

// Write puts a target's table into a document, in place of the one that is there.
func Write(path, target, table string) error {
	before, _, after, err := split(path, target)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(before+table+after), 0o644)
}
