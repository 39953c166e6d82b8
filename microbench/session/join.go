package session

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"bench/microbench/launcher"
)

// joinWithin is how long the processes of a run wait for each other.
const joinWithin = 2 * time.Minute

// FollowVerb is the hidden verb of a follower's child, whose one argument
// ServeFollower reads.
const FollowVerb = "follow-child"

// Follow takes part in what rank 0 measures until that ends. The work is done in
// a child, which is replaced where its GPU hangs or rank 0 begins again.
func Follow(p launcher.Place, zeros bool, stderr io.Writer) error {
	options, err := json.Marshal(childOptions{Kind: "cuda", Zeros: zeros, Join: &p})
	if err != nil {
		return err
	}
	const tries = 20
	var last error
	for range tries {
		c := ownCommand(FollowVerb, string(options))
		c.Stderr = stderr
		if last = c.Run(); last == nil {
			return nil
		}
	}
	return nothing("rank %d gave up after %d tries: %w", p.Rank, tries, last)
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
	b, err := openJoined(*o.Join, o.Zeros)
	if err != nil {
		return &NothingError{err}
	}
	if err := b.Follow(); err != nil {
		// The context may be lost, so it is not closed: the process ends.
		return failed("rank %d: %w", o.Join.Rank, err)
	}
	return b.Close()
}
