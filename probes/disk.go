package probes

import "golang.org/x/sys/unix"

// FreeBytes is how much an unprivileged user may still write to the file
// system that holds dir.
func FreeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // Bsize is 32 bits on some systems
}
