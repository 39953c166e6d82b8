package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"

	"bench/datasets"
	"bench/reports"

	"github.com/spf13/cobra"
	// term: is a stream a terminal, and how wide.
	"golang.org/x/term"
)

// guarded is a stream that a person may see. Errors and warnings quote files,
// paths and libraries, whose texts shall not command a terminal: what does not
// print is replaced on its way, whoever wrote it.
type guarded struct{ io.Writer }

func (h guarded) Write(b []byte) (int, error) {
	if _, err := io.WriteString(h.Writer, cleanLines(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// oneLine is an error's text, in which a file's name cannot begin a line of its own.
func oneLine(err error) string {
	return reports.Clean(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// cleanLines is reports.Clean of text that may have several lines and tabs.
func cleanLines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		text, ended := strings.CutSuffix(line, "\n")
		cells := strings.Split(text, "\t")
		for i, c := range cells {
			cells[i] = reports.Clean(c)
		}
		b.WriteString(strings.Join(cells, "\t"))
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// standardOutput remembers its first error, which a table that prints line by line
// does not look at: on a full disk the program must not end as if it were done.
type standardOutput struct {
	io.Writer
	err error
}

func (s *standardOutput) Write(b []byte) (int, error) {
	n, err := s.Writer.Write(b)
	if s.err == nil {
		s.err = err
	}
	return n, err
}

// unguarded is the stream itself, for what draws on a terminal or asks it something.
func unguarded(w io.Writer) io.Writer {
	switch s := w.(type) {
	case guarded:
		return unguarded(s.Writer)
	case *standardOutput:
		return unguarded(s.Writer)
	}
	return w
}

func isTerminal(w io.Writer) bool {
	f, ok := unguarded(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// writeFile writes a file that appears whole or not at all; a device, a FIFO or
// what a link leads to is written as such.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := datasets.CreateOutput(path)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 1<<16)
	if err := errors.Join(write(b), b.Flush()); err != nil {
		f.Abort()
		return err
	}
	return f.Commit()
}

// output writes to the file of -o, or to standard output where path is "".
func output(cmd *cobra.Command, path string, write func(io.Writer) error) error {
	if path != "" {
		return writeFile(path, write)
	}
	b := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}
