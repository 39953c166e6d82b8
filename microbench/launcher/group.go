package launcher

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Group is the processes of a run, joined over TCP: a star with rank 0 in its
// middle. It is for one goroutine of each process, and every process must make
// the same calls in the same order.
type Group struct {
	place Place
	// peers are the connections to every other rank at rank 0, by rank, and the
	// one to rank 0 elsewhere.
	peers []*peer
	// Timeout is how long a call waits for the slowest rank.
	Timeout time.Duration
}

type peer struct {
	rank int
	conn net.Conn
	in   *bufio.Reader
}

// mostBytes of one message: nobody makes us allocate more.
const mostBytes = 16 << 20

// hello opens a connection; whoever says anything else is not one of us.
const hello = "bench-launcher 1"

// Join connects the processes: rank 0 listens at p.Address and the others call
// it, again and again until it is there. ctx bounds the waiting; the error names
// the ranks that did not come.
func Join(ctx context.Context, p Place) (*Group, error) {
	g := &Group{place: p, Timeout: 2 * time.Minute}
	if p.Alone() {
		return g, nil
	}
	if p.Rank == 0 {
		return g, g.listen(ctx)
	}
	return g, g.call(ctx)
}

func (g *Group) listen(ctx context.Context) error {
	host, port, err := net.SplitHostPort(g.place.Address)
	if err != nil {
		return err
	}
	// A number is listened at, and nowhere else. Where it is not this node's (a
	// container's is another than the one that others call), and for a name, which
	// is theirs to resolve, it is every interface.
	var l net.Listener
	config := &net.ListenConfig{}
	if _, noNumber := netip.ParseAddr(host); noNumber == nil {
		l, err = config.Listen(ctx, "tcp", g.place.Address)
	}
	if l == nil && (err == nil || errors.Is(err, syscall.EADDRNOTAVAIL)) {
		l, err = config.Listen(ctx, "tcp", ":"+port)
	}
	if err != nil {
		return fmt.Errorf("rank 0 cannot wait for the others at port %s: %w; another run may use it: set MASTER_PORT", port, err)
	}
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	g.peers = make([]*peer, g.place.Size)
	for missing := g.place.Size - 1; missing > 0; {
		c, err := l.Accept()
		if err != nil {
			absent := g.absent()
			g.Close()
			return fmt.Errorf("%d of %d ranks did not come (rank %s): look at their output, and that %s can be reached from their nodes",
				missing, g.place.Size, absent, g.place.Address)
		}
		pr, err := g.admit(c)
		if err != nil {
			c.Close() // a stranger, or one that is here twice
			continue
		}
		g.peers[pr.rank] = pr
		missing--
	}
	return nil
}

// admit reads the greeting of a caller and answers it.
func (g *Group) admit(c net.Conn) (*peer, error) {
	c.SetDeadline(time.Now().Add(5 * time.Second))
	defer c.SetDeadline(time.Time{})
	p := &peer{conn: c, in: bufio.NewReader(c)}
	b, err := p.read(1024)
	if err != nil {
		return nil, err
	}
	f := strings.Split(string(b), "\n")
	if len(f) != 4 || f[0] != hello || f[1] != g.place.Job || f[2] != strconv.Itoa(g.place.Size) {
		return nil, errors.New("not of this run")
	}
	if p.rank, err = strconv.Atoi(f[3]); err != nil || p.rank < 1 || p.rank >= g.place.Size || g.peers[p.rank] != nil {
		return nil, errors.New("no such rank is missing")
	}
	return p, p.write([]byte(hello))
}

func (g *Group) call(ctx context.Context) error {
	wait := 50 * time.Millisecond
	for {
		p, err := g.greet(ctx)
		if err == nil {
			g.peers = []*peer{p}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("rank %d cannot reach rank 0 at %s: %w", g.place.Rank, g.place.Address, err)
		case <-time.After(wait):
			wait = min(2*wait, time.Second)
		}
	}
}

func (g *Group) greet(ctx context.Context) (*peer, error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", g.place.Address)
	if err != nil {
		return nil, err
	}
	p := &peer{rank: 0, conn: c, in: bufio.NewReader(c)}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	err = p.write([]byte(strings.Join([]string{hello, g.place.Job, strconv.Itoa(g.place.Size), strconv.Itoa(g.place.Rank)}, "\n")))
	var answer []byte
	if err == nil {
		answer, err = p.read(1024)
	}
	if err == nil && string(answer) != hello {
		err = errors.New("who answers there is not bench")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	c.SetDeadline(time.Time{})
	return p, nil
}

// absent lists the ranks that have not come.
func (g *Group) absent() string {
	var out []string
	for r := 1; r < g.place.Size; r++ {
		if g.peers[r] == nil {
			out = append(out, strconv.Itoa(r))
		}
	}
	const most = 8
	if len(out) > most {
		out = append(slices.Clip(out[:most]), "…")
	}
	return strings.Join(out, ", ")
}

// Place is this process's.
func (g *Group) Place() Place { return g.place }

// Broadcast gives every rank what rank 0 has; the others' argument is ignored.
func (g *Group) Broadcast(b []byte) ([]byte, error) {
	if g.place.Alone() {
		return b, nil
	}
	if g.place.Rank == 0 {
		return b, g.each(func(p *peer) error { return p.write(b) })
	}
	var out []byte
	err := g.each(func(p *peer) (err error) { out, err = p.read(mostBytes); return err })
	return out, err
}

// Gather gives rank 0 what every rank has, by rank; the others get nil.
func (g *Group) Gather(b []byte) ([][]byte, error) {
	if g.place.Rank != 0 {
		return nil, g.each(func(p *peer) error { return p.write(b) })
	}
	out := make([][]byte, max(g.place.Size, 1))
	out[0] = b
	return out, g.each(func(p *peer) (err error) { out[p.rank], err = p.read(mostBytes); return err })
}

// each does one thing with every connection, and says whose failed.
func (g *Group) each(do func(*peer) error) error {
	for _, p := range g.peers {
		if p == nil {
			continue // rank 0 itself
		}
		p.conn.SetDeadline(time.Now().Add(g.Timeout))
		if err := do(p); err != nil {
			var late net.Error
			switch {
			case errors.As(err, &late) && late.Timeout():
				err = fmt.Errorf("it did not answer for %s", g.Timeout)
			case errors.Is(err, io.EOF):
				err = errors.New("it has ended")
			}
			return fmt.Errorf("rank %d is lost: %w", p.rank, err)
		}
	}
	return nil
}

// Close ends the connections.
func (g *Group) Close() error {
	var errs []error
	for _, p := range g.peers {
		if p != nil {
			errs = append(errs, p.conn.Close())
		}
	}
	g.peers = nil
	return errors.Join(errs...)
}

// A message is its length in 4 bytes, the highest first, and itself.
func (p *peer) write(b []byte) error {
	if len(b) > mostBytes {
		return fmt.Errorf("a message of %d bytes is too long", len(b))
	}
	_, err := p.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

func (p *peer) read(most uint32) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > most {
		return nil, fmt.Errorf("a message of %d bytes is too long", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(p.in, b)
	return b, err
}
