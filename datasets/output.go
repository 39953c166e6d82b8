package datasets

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// Output is a file that is being written. A regular file appears at its path when
// Commit returns nil, or not at all: until then it is a temporary file in the same
// folder. A link stays, and the file that it leads to is replaced. What is no
// regular file, such as a device or a FIFO, is written as it is.
type Output struct {
	*os.File
	// path is where Commit puts the file, "" where it is written as it is.
	path string
}

// descriptor is a name of a file that this process has open.
var descriptor = regexp.MustCompile(`^(?:/proc/self/fd/|/dev/fd/)([0-9]+)$`)

// CreateOutput begins a file at path, whose folder must exist.
func CreateOutput(path string) (*Output, error) {
	for range 40 { // as many links as Linux follows
		if path == "/dev/stdout" {
			path = "/dev/fd/1"
		}
		if d := descriptor.FindStringSubmatch(path); d != nil {
			// Opened again, a file would be written from its beginning, whatever
			// it holds already.
			n, _ := strconv.Atoi(d[1])
			fd, err := syscall.Dup(n)
			if err != nil {
				return nil, fmt.Errorf("%s cannot be written: %w", path, err)
			}
			return &Output{File: os.NewFile(uintptr(fd), path)}, nil
		}
		target, err := os.Readlink(path)
		if err != nil {
			break // no link, or nothing there yet
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	mode := fs.FileMode(0o666) // less the umask
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a folder: name a file in it", path)
	case err == nil && !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		return &Output{File: f}, nil
	}
	random := make([]byte, 6)
	rand.Read(random) // never fails (crypto/rand)
	name := strings.Replace(temporary(path), "*", fmt.Sprintf("%x", random), 1)
	f, err := os.OpenFile(filepath.Join(filepath.Dir(path), name), os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, fmt.Errorf("%s: the folder cannot be written to: %w", path, err)
	}
	o := &Output{f, path}
	if info != nil { // a file that is replaced keeps its mode
		if err := f.Chmod(info.Mode().Perm()); err != nil {
			o.Abort()
			return nil, err
		}
	}
	return o, nil
}

// Commit completes the file: fsync, rename, fsync of the folder. On an error
// nothing of it stays, and what was at its path does.
func (o *Output) Commit() error {
	if o.path == "" {
		return o.Close()
	}
	// Without the sync a power cut may leave the new name on an empty file.
	err := errors.Join(o.Sync(), o.Close())
	if err == nil {
		err = os.Rename(o.Name(), o.path)
	}
	if err != nil {
		os.Remove(o.Name())
		return fmt.Errorf("%s could not be written: %w", o.path, err)
	}
	return syncFolder(filepath.Dir(o.path))
}

// Abort gives the file up.
func (o *Output) Abort() {
	o.Close()
	if o.path != "" {
		os.Remove(o.Name())
	}
}
