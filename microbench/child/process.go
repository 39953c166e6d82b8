package child

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one child with the pipes to it.
type process struct {
	*rpc.Client
	cmd     *exec.Cmd
	stderr  *tail
	replies *replyReader
	// ended is closed when the process has been waited for; err is then how.
	ended chan struct{}
	err   error
}

// pipes are the two ends that a process has.
type pipes struct {
	io.ReadCloser
	w io.WriteCloser
}

func (p *pipes) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *pipes) Close() error                { return errors.Join(p.ReadCloser.Close(), p.w.Close()) }

// start runs the command with the pipes, in a process group of its own: Ctrl-C
// is the parent's to answer.
func start(cmd *exec.Cmd) (*process, error) {
	requestR, requestW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	replyR, replyW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, requestR.Close(), requestW.Close())
	}
	defer requestR.Close()
	defer replyW.Close()
	p := &process{cmd: cmd, stderr: &tail{}, ended: make(chan struct{}),
		replies: &replyReader{Reader: bufio.NewReader(replyR), Closer: replyR}}
	cmd.Env = append(cmd.Environ(), pipesVariable+"=1")
	cmd.ExtraFiles = []*os.File{requestR, replyW}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, p.stderr, p.stderr
	cmd.SysProcAttr = Attributes()
	cmd.WaitDelay = endWithin // a grandchild may hold stderr open
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, requestW.Close(), replyR.Close())
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	p.Client = rpc.NewClient(&pipes{p.replies, requestW})
	return p, nil
}

// Attributes put a child into a process group of its own. It ends when its
// requests do; the kernel's signal is for one that is stopped and does not see
// that. No thread of the parent ends before the parent.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// endWithin is how long a process that is on its way out is waited for. One that
// hangs in the kernel's driver may never end.
const endWithin = 3 * time.Second

// kill ends the process and whatever it started, and every call of it.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.Close()
	p.waited(endWithin)
}

// waited reports whether the process ended in time.
func (p *process) waited(limit time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// death says how a process ended whose answer was err and not a reply.
func (p *process) death(err error) error {
	how := "the measuring process closed its pipe and did not end"
	if said := p.replies.rubbish.Load(); said != nil {
		how = fmt.Sprintf("the measuring process was ended: it answered with %q", *said)
	} else if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, rpc.ErrShutdown) && !errors.Is(err, syscall.EPIPE) {
		how = "the measuring process was ended: its answer could not be read: " + err.Error()
	} else if p.waited(endWithin) {
		how = "the measuring process ended by itself"
		if p.err != nil {
			how = "the measuring process died (" + p.err.Error() + ")"
		}
		if e := (*exec.ExitError)(nil); errors.As(p.err, &e) {
			if s, ok := e.Sys().(syscall.WaitStatus); ok && s.Signaled() && s.Signal() == syscall.SIGKILL {
				how += ", often by the kernel for want of memory"
			}
		}
	}
	p.kill()
	if said := p.stderr.cause(); said != "" {
		how += ": " + said
	}
	return errors.New(how)
}

// tail keeps the beginning and the end of what a process writes.
type tail struct {
	mu          sync.Mutex
	first, last []byte
}

const tailBytes = 8 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	if room := tailBytes - len(t.first); room > 0 {
		k := min(room, len(b))
		t.first, b = append(t.first, b[:k]...), b[k:]
	}
	t.last = append(t.last, b...)
	if extra := len(t.last) - tailBytes; extra > 0 {
		t.last = append(t.last[:0], t.last[extra:]...)
	}
	return n, nil
}

// cause is the line that says why a process died: the Go runtime's, or else the
// last that was written.
func (t *tail) cause() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.first)+string(t.last)), "\n")
	cause := lines[len(lines)-1]
	for _, prefix := range []string{"fatal error:", "panic:", "SIG"} {
		for _, l := range lines {
			if strings.HasPrefix(l, prefix) {
				cause = l
				break
			}
		}
	}
	const most = 80
	if cause = strings.TrimSpace(cause); len(cause) > most {
		cause = cause[:most] + "…"
	}
	return cause
}
