package child

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one child with the pipes to it.
type process struct {
	cmd      *exec.Cmd
	requests *os.File
	replies  chan answer
	stderr   *tail
	// ended is closed when the process has been waited for; err is then how.
	ended chan struct{}
	err   error
}

type answer struct {
	reply
	err error
}

// hangError says that a call had no answer in time.
type hangError struct{ after time.Duration }

func (e *hangError) Error() string { return fmt.Sprintf("no answer within %.0f s", e.after.Seconds()) }

// deathError says that the process ended under a call.
type deathError struct{ how string }

func (e *deathError) Error() string { return e.how }

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
	p := &process{cmd: cmd, requests: requestW, replies: make(chan answer, 1), stderr: &tail{}, ended: make(chan struct{})}
	cmd.Env = append(cmd.Environ(), pipesVariable+"=1")
	cmd.ExtraFiles = []*os.File{requestR, replyW}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, p.stderr, p.stderr
	// A child ends when its requests do; the kernel's signal is for one that is
	// stopped and does not see it. No thread of the parent ends before the parent.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = endWithin // a grandchild may hold stderr open
	err = cmd.Start()
	requestR.Close()
	replyW.Close()
	if err != nil {
		return nil, errors.Join(err, requestW.Close(), replyR.Close())
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	go func() {
		r := bufio.NewReader(replyR)
		defer replyR.Close()
		for {
			var a answer
			a.err = readLine(r, &a.reply, maxReply)
			p.replies <- a
			if a.err != nil {
				return
			}
		}
	}()
	return p, nil
}

// call sends a request and waits for its reply. After an error the process is of
// no use and has been killed.
func (p *process) call(q request, limit time.Duration) (reply, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	sent := make(chan error, 1)
	go func() { sent <- writeLine(p.requests, q) }() // a child that does not read must not hold us
	for {
		select {
		case err := <-sent:
			if err != nil {
				return reply{}, p.death()
			}
			sent = nil
		case a := <-p.replies:
			switch {
			case a.err == nil:
				return a.reply, nil
			case errors.Is(a.err, io.EOF), errors.Is(a.err, io.ErrUnexpectedEOF):
				return reply{}, p.death()
			}
			p.kill()
			return reply{}, &deathError{"the measuring process was ended: it answered with " + a.err.Error()}
		case <-timer.C:
			p.kill()
			return reply{}, &hangError{limit}
		}
	}
}

// endWithin is how long a process that is on its way out is waited for. One that
// hangs in the kernel's driver may never end.
const endWithin = 3 * time.Second

// kill ends the process, and whatever it started.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.requests.Close()
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

// death says how a process ended that has closed its pipes.
func (p *process) death() error {
	how := "the measuring process closed its pipe and did not end"
	if p.waited(endWithin) {
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
	return &deathError{how}
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
	for _, prefix := range []string{"SIG", "panic:", "fatal error:"} {
		for _, l := range lines {
			if strings.HasPrefix(l, prefix) {
				return shorten([]byte(strings.TrimSpace(l)))
			}
		}
	}
	return shorten([]byte(strings.TrimSpace(lines[len(lines)-1])))
}
