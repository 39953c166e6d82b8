package datasets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MakeFolder makes a folder and those that it lies in, and waits until the disk
// has their names: a file that was synced into a folder whose own name a power
// cut takes away is lost with it.
func MakeFolder(path string) error {
	path = filepath.Clean(path)
	if s, err := os.Stat(path); err == nil && s.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MakeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		// Another run may have been quicker.
		if s, e := os.Stat(path); e != nil || !s.IsDir() {
			return err
		}
	}
	return syncFolder(parent)
}

// syncFolder makes a rename or a new file in the folder survive a crash. A file
// system that cannot sync folders does what it does, and gives no error.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// temporary is the pattern of the files that become path when they are whole.
func temporary(path string) string { return "." + filepath.Base(path) + ".*.tmp" }

// RemoveLeftovers removes what writers of the Parquet file at path left behind
// when they were killed. The caller is the only one who writes there now.
func RemoveLeftovers(path string) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), temporary(path)))
	for _, f := range left {
		os.Remove(f)
	}
}

// openRegular opens a file, and refuses what is none: a pipe that nobody writes to
// would be waited for, and a device may have no end.
func openRegular(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
