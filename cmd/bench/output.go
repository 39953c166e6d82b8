package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// writeFile writes a file that appears whole or not at all.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	b := bufio.NewWriterSize(f, 1<<16)
	err = write(b)
	if err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync() // or a power cut may leave the new name on an empty file
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
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
