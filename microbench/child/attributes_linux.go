package child

import "syscall"

// Attributes put a child into a process group of its own. It ends when its
// requests do; the kernel's signal is for one that is stopped and does not see
// that. No thread of the parent ends before the parent.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
