//go:build !linux

package child

import "syscall"

// Attributes put a child into a process group of its own.
func Attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
