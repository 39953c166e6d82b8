package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"bench/microbench/child"
	"bench/microbench/launcher"
)

// The processes of a run wait so long for each other as they start, and again when
// one of them has replaced its child.
const (
	joinWithin   = 2 * time.Minute
	rejoinWithin = 15 * time.Second
)

// exitLost is the exit code of a child whose connection with another rank ended: a
// new one may take its place.
const exitLost = 1

// FollowVerb is the hidden verb of a follower's child, whose one argument
// ServeFollower reads.
const FollowVerb = "follow-child"

// ErrSaid is the error of a follower whose child has said why it ends.
var ErrSaid = errors.New("the follower's child has said why")

// Follow takes part in what rank 0 measures until that ends. The work is done in a
// child, which is replaced while rank 0 goes on: when it hangs, is killed, or rank 0
// begins again with a child of its own. Rank 0 ends the run, so a first signal to
// stop is left to it; a second one ends this process at once.
func Follow(p launcher.Place, zeros bool, stderr io.Writer) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		signal.Reset()
		fmt.Fprintf(stderr, "bench: rank %d ends when rank 0 does; a second signal stops it at once\n", p.Rank)
	}()
	o := childOptions{Kind: "cuda", Zeros: zeros, Join: &p}
	const quickly, most = time.Second, 20 // a child that cannot even begin is not begun for ever
	for quick := 0; ; {
		options, err := json.Marshal(o)
		if err != nil {
			return err
		}
		c := ownCommand(FollowVerb, string(options))
		c.Stderr, c.SysProcAttr = stderr, child.Attributes()
		began := time.Now()
		err = c.Run()
		if quick++; time.Since(began) > quickly {
			quick = 0
		}
		var ended *exec.ExitError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &ended), quick > most:
			return nothing("rank %d: its child does not start: %w", p.Rank, err)
		case ended.ExitCode() != exitLost && ended.ExitCode() >= 0:
			return &NothingError{ErrSaid}
		}
		o.Again = true // lost, or killed
	}
}

// ServeFollower is the whole child of Follow.
func ServeFollower(options string) error {
	var o childOptions
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return err
	}
	if o.Join == nil {
		return errors.New("there is nobody to follow")
	}
	return follow(o)
}
