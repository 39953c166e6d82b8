package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFromEnv(t *testing.T) {
	for _, c := range []struct {
		name, env string
		want      Place
		wrong     string
	}{
		{name: "alone", want: Place{Size: 1, Nodes: 1}},
		{name: "torchrun", env: "RANK=3 WORLD_SIZE=16 LOCAL_RANK=3 MASTER_ADDR=n0 MASTER_PORT=1234 TORCHELASTIC_RUN_ID=x LOCAL_WORLD_SIZE=8",
			want: Place{Rank: 3, Size: 16, Local: 3, Nodes: 2, Address: "n0:1234", By: "torchrun", Job: "x"}},
		{name: "torchrun of one", env: "RANK=0 WORLD_SIZE=1 LOCAL_RANK=0", want: Place{Size: 1, By: "torchrun"}},
		{name: "an IPv6 address", env: "RANK=1 WORLD_SIZE=2 LOCAL_RANK=0 MASTER_ADDR=fe80::1",
			want: Place{Rank: 1, Size: 2, Nodes: 1, Address: "[fe80::1]:29500", By: "torchrun"}},
		{name: "slurm", env: "SLURM_PROCID=9 SLURM_STEP_NUM_TASKS=16 SLURM_LOCALID=1 SLURM_JOB_ID=12345 SLURM_STEP_ID=0 SLURM_STEP_NODELIST=gpu[07-08,11] SLURM_STEP_NUM_NODES=3",
			want: Place{Rank: 9, Size: 16, Local: 1, Nodes: 3, Address: "gpu07:22345", By: "slurm", Job: "12345.0"}},
		{name: "a batch script outside srun", env: "SLURM_PROCID=0 SLURM_NTASKS=16 SLURM_LOCALID=0 SLURM_JOB_ID=1 SLURM_JOB_NODELIST=a", want: Place{Size: 1, Nodes: 1}},
		{name: "open mpi on one node", env: "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_RANK=1 OMPI_COMM_WORLD_LOCAL_SIZE=2 PMIX_NAMESPACE=j",
			want: Place{Rank: 1, Size: 2, Local: 1, Nodes: 1, Address: "127.0.0.1:29500", By: "open-mpi", Job: "j"}},
		{name: "open mpi on two nodes", env: "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_RANK=0 OMPI_COMM_WORLD_LOCAL_SIZE=1", wrong: "MASTER_ADDR"},
		{name: "no address", env: "RANK=1 WORLD_SIZE=2 LOCAL_RANK=0", wrong: "MASTER_ADDR"},
		{name: "a word for a rank", env: "RANK=one WORLD_SIZE=2 LOCAL_RANK=0", wrong: `RANK is "one"`},
		{name: "a rank too many", env: "RANK=2 WORLD_SIZE=2 LOCAL_RANK=0 MASTER_ADDR=a", wrong: "that cannot be"},
		{name: "a bad port", env: "RANK=1 WORLD_SIZE=2 LOCAL_RANK=0 MASTER_ADDR=a MASTER_PORT=99999", wrong: "MASTER_PORT"},
		{name: "no nodes", env: "SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2 SLURM_LOCALID=0 SLURM_JOB_ID=1", wrong: "MASTER_ADDR"},
	} {
		env := map[string]string{}
		for _, kv := range strings.Fields(c.env) {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = v
		}
		got, err := FromEnv(func(k string) string { return env[k] })
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestFirstNode(t *testing.T) {
	for list, want := range map[string]string{"a": "a", "a,b": "a", "n[1-3]": "n1", "n[07,09-11],m": "n07", "n[1-2]-ib,x": "n1-ib", "x,n[1-2]": "x", "": "", "n[": "", "n[1-2]-[3-4]": ""} {
		if got, err := firstNode(list); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", list, got, err)
		}
	}
}

// freePort is one that nothing listens at now.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func TestGroup(t *testing.T) {
	const size = 5
	address := "127.0.0.1:" + freePort(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	// A stranger who speaks another language is shown the door.
	go func() {
		for ctx.Err() == nil {
			if c, err := net.Dial("tcp", address); err == nil {
				c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
				c.Close()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	var all sync.WaitGroup
	for rank := range size {
		all.Go(func() {
			g, err := Join(ctx, Place{Rank: rank, Size: size, Address: address, By: "torchrun", Job: "j"})
			if err != nil {
				t.Errorf("rank %d: %v", rank, err)
				return
			}
			defer g.Close()
			for round := range 3 {
				b, err := g.Broadcast([]byte(fmt.Sprint("round ", round, " of rank ", rank)))
				if want := fmt.Sprint("round ", round, " of rank 0"); err != nil || string(b) != want {
					t.Errorf("rank %d got %q, %v", rank, b, err)
				}
				got, err := g.Gather([]byte{byte(rank), byte(round)})
				if err != nil || rank != 0 && got != nil {
					t.Errorf("rank %d gathered %v, %v", rank, got, err)
				}
				for r := range got {
					if len(got[r]) != 2 || got[r][0] != byte(r) || got[r][1] != byte(round) {
						t.Errorf("from rank %d came %v", r, got[r])
					}
				}
			}
		})
	}
	all.Wait()
}

func TestAMissingRankIsNamed(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// This one belongs to another run: it is not admitted.
		if g, err := Join(ctx, Place{Rank: 2, Size: 3, Address: address, Job: "other"}); err == nil {
			t.Errorf("a rank of another run was admitted: %+v", g)
		}
	}()
	_, err := Join(ctx, Place{Rank: 0, Size: 3, Address: address, Job: "mine"})
	if err == nil || !strings.Contains(err.Error(), "2 of 3 ranks did not come (rank 1, 2)") {
		t.Errorf("got %v", err)
	}
	<-done
}

func TestALostRankIsNamed(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	go func() {
		if g, err := Join(ctx, Place{Rank: 1, Size: 2, Address: address}); err == nil {
			g.Close() // dies
		}
	}()
	g, err := Join(ctx, Place{Rank: 0, Size: 2, Address: address})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.Gather(nil); err == nil || !strings.Contains(err.Error(), "rank 1 is lost") {
		t.Errorf("got %v", err)
	}
}

// joined are the groups of two ranks.
func joined(t *testing.T) (zero, one *Group) {
	t.Helper()
	address := "127.0.0.1:" + freePort(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var all sync.WaitGroup
	var errs [2]error
	all.Go(func() { zero, errs[0] = Join(ctx, Place{Rank: 0, Size: 2, Address: address}) })
	all.Go(func() { one, errs[1] = Join(ctx, Place{Rank: 1, Size: 2, Address: address}) })
	all.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { zero.Close(); one.Close() })
	return zero, one
}

// A rank that can't go on says why to all, and nobody takes the end for a loss.
func TestAgree(t *testing.T) {
	for _, c := range []struct{ zero, one, want string }{
		{"", "", ""}, {"", "no libcuda", "rank 1: no libcuda"}, {"no driver", "no libcuda", "rank 0: no driver"},
	} {
		zero, one := joined(t)
		lost := make(chan error, 2)
		zero.OnLost(func(err error) { lost <- err })
		one.OnLost(func(err error) { lost <- err })
		ask := func(s string) (err error) {
			if s != "" {
				err = errors.New(s)
			}
			return err
		}
		var all sync.WaitGroup
		for g, mine := range map[*Group]error{zero: ask(c.zero), one: ask(c.one)} {
			all.Go(func() {
				err := g.Agree(mine)
				if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
					t.Errorf("%+v: %v", c, err)
				}
				if err == nil && g == zero {
					if err := g.Dismiss(); err != nil {
						t.Errorf("dismissal: %v", err)
					}
				} else if err == nil {
					_, err = g.Broadcast(nil)
					if err != io.EOF {
						t.Errorf("dismissed: %v", err)
					}
				}
				g.Close()
			})
		}
		all.Wait()
		select {
		case err := <-lost:
			t.Errorf("%+v: lost: %v", c, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// The end of a rank is told at once, to one who waits for something else.
func TestOnLost(t *testing.T) {
	zero, one := joined(t)
	lost := make(chan error, 1)
	one.OnLost(func(err error) { lost <- err })
	zero.peers[1].conn.Close() // as when the process is killed
	select {
	case err := <-lost:
		if err.Error() != "rank 0 is lost: it has ended" {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
	}
	if _, err := one.Broadcast(nil); err == nil || !strings.Contains(err.Error(), "rank 0 is lost") {
		t.Errorf("afterwards: %v", err)
	}
}
