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
	"sync"
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
	// Timeout is how long rank 0 waits for the slowest of the others.
	Timeout time.Duration

	mu   sync.Mutex
	lost error
	tell func(error)
	// ending is set when connections may end: the run is over.
	ending bool
}

type peer struct {
	rank int
	conn net.Conn
	in   *bufio.Reader
	// messages are what came; it is closed when the connection has ended.
	messages chan []byte
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
	join := g.call
	if p.Rank == 0 {
		join = g.listen
	}
	if err := join(ctx); err != nil {
		return g, err
	}
	for _, peer := range g.peers {
		if peer != nil {
			go g.receive(peer)
		}
	}
	return g, nil
}

// receive reads a rank's messages as they come, so that its end is noticed at
// once, whatever this process is doing.
func (g *Group) receive(p *peer) {
	defer close(p.messages)
	for {
		b, err := p.read(mostBytes)
		if err != nil {
			g.end(p.rank, err)
			return
		}
		if len(b) == 0 { // rank 0 ends the run
			g.mu.Lock()
			g.ending = true
			g.mu.Unlock()
		}
		p.messages <- b
	}
}

// end notes that a connection has ended.
func (g *Group) end(rank int, err error) {
	if errors.Is(err, io.EOF) {
		err = errors.New("it has ended")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending || g.lost != nil {
		return
	}
	g.lost = fmt.Errorf("rank %d is lost: %w", rank, err)
	if g.tell != nil {
		g.tell(g.lost)
	}
}

// OnLost has f called once, from another goroutine or at once, when a rank's
// connection ends before the run does. A process that waits in a collective for a
// rank that is gone waits for ever, and learns of it in no other way.
func (g *Group) OnLost(f func(error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tell = f
	if g.lost != nil {
		f(g.lost)
	}
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

// newPeer is a connection on which a node that dies without a word is noticed within
// half a minute.
func newPeer(c net.Conn) *peer {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4})
	}
	return &peer{conn: c, in: bufio.NewReader(c), messages: make(chan []byte, 1)}
}

// admit reads the greeting of a caller and answers it.
func (g *Group) admit(c net.Conn) (*peer, error) {
	c.SetDeadline(time.Now().Add(5 * time.Second))
	defer c.SetDeadline(time.Time{})
	p := newPeer(c)
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
	p := newPeer(c)
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

// Broadcast gives every rank what rank 0 has, which is not empty; the others'
// argument is ignored. Where rank 0 ends the run they get io.EOF.
func (g *Group) Broadcast(b []byte) ([]byte, error) {
	if g.place.Alone() {
		return b, nil
	}
	if g.place.Rank == 0 {
		return b, g.each(func(p *peer) error { return p.write(b) })
	}
	out, err := g.message(g.peers[0], nil) // rank 0 may have other things to do for long
	if err == nil && len(out) == 0 {
		err = io.EOF
	}
	return out, err
}

// message is the next one of a rank.
func (g *Group) message(p *peer, late <-chan time.Time) ([]byte, error) {
	select {
	case b, ok := <-p.messages:
		if !ok {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.lost == nil {
				return nil, fmt.Errorf("rank %d is lost: it has ended", p.rank)
			}
			return nil, g.lost
		}
		return b, nil
	case <-late:
		return nil, fmt.Errorf("rank %d is lost: it did not answer for %s", p.rank, g.Timeout)
	}
}

// Dismiss ends the run at the other ranks.
func (g *Group) Dismiss() error {
	if g.place.Alone() || g.place.Rank != 0 {
		return nil
	}
	g.mu.Lock()
	g.ending = true
	g.mu.Unlock()
	return g.each(func(p *peer) error { return p.write(nil) })
}

// Agree asks every rank whether it can go on: the error is the first rank's that
// cannot, and every rank gets it. The run ends then.
func (g *Group) Agree(mine error) error {
	answer := []byte("+")
	if mine != nil {
		answer = []byte("-" + mine.Error())
	}
	if g.place.Alone() {
		return mine
	}
	all, err := g.Gather(answer)
	if err != nil {
		return err
	}
	if g.place.Rank != 0 {
		verdict, err := g.Broadcast(nil)
		if err == nil && string(verdict) != "+" {
			err = errors.New(string(verdict))
		}
		return err
	}
	for rank, b := range all {
		if len(b) > 1 && b[0] == '-' {
			reason := fmt.Sprintf("rank %d: %s", rank, b[1:])
			_, err := g.Broadcast([]byte(reason))
			return errors.Join(errors.New(reason), err, g.Dismiss())
		}
	}
	_, err = g.Broadcast([]byte("+"))
	return err
}

// Gather gives rank 0 what every rank has, by rank and not empty; the others get nil.
func (g *Group) Gather(b []byte) ([][]byte, error) {
	if g.place.Rank != 0 {
		return nil, g.each(func(p *peer) error { return p.write(b) })
	}
	out := make([][]byte, max(g.place.Size, 1))
	out[0] = b
	late := time.After(g.Timeout)
	for _, p := range g.peers {
		if p == nil {
			continue // rank 0 itself
		}
		var err error
		if out[p.rank], err = g.message(p, late); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// each does one thing with every connection, and says whose failed.
func (g *Group) each(do func(*peer) error) error {
	for _, p := range g.peers {
		if p == nil {
			continue // rank 0 itself
		}
		p.conn.SetWriteDeadline(time.Now().Add(g.Timeout))
		if err := do(p); err != nil {
			return fmt.Errorf("rank %d is lost: %w", p.rank, err)
		}
	}
	return nil
}

// Close ends the connections.
func (g *Group) Close() error {
	g.mu.Lock()
	g.ending = true
	g.mu.Unlock()
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
