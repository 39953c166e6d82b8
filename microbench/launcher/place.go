// Package launcher finds out which of several processes this one is, as
// torchrun, Slurm or Open MPI tell it, and joins them over TCP for what a
// collective needs beside its data: the communicator's ID, the steps of a case,
// and the times of every rank.
package launcher

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Place is a process's place among those of a run.
type Place struct {
	// Rank of Size processes, Local its number on its node.
	Rank, Size, Local int
	// Nodes is how many nodes they are spread over.
	Nodes int
	// Address is where rank 0 listens, "host:port".
	Address string
	// By is who started the processes: "torchrun", "slurm", "open-mpi", or ""
	// where there is this one alone.
	By string
	// Job tells this run's processes from another's that uses the same port.
	Job string
}

// Alone reports whether there is nobody to join.
func (p Place) Alone() bool { return p.Size <= 1 }

// defaultPort is torchrun's.
const defaultPort = 29500

// FromEnv reads the place from the environment. One process alone gives a Place
// of size 1. A launcher's variables that contradict each other, or leave out what
// is needed, are an error of one sentence.
//
// torchrun sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT
// (PyTorch, "torchrun", environment variables); a Slurm step SLURM_PROCID,
// SLURM_STEP_NUM_TASKS, SLURM_LOCALID and SLURM_STEP_NODELIST (srun(1)), while a
// batch script outside srun is one process whatever it has reserved; Open MPI
// OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK and _LOCAL_SIZE (mpirun(1)).
func FromEnv(get func(string) string) (Place, error) {
	p, err := place(get)
	if err != nil || p.Alone() {
		return p, err
	}
	if p.Rank < 0 || p.Rank >= p.Size || p.Local < 0 || p.Local > p.Rank {
		return Place{}, fmt.Errorf("%s says that this is rank %d of %d, and %d on its node: that cannot be", p.By, p.Rank, p.Size, p.Local)
	}
	if p.Size > 1<<16 {
		return Place{}, fmt.Errorf("%s says that there are %d ranks: at most %d are taken", p.By, p.Size, 1<<16)
	}
	return p, nil
}

func place(get func(string) string) (Place, error) {
	switch {
	case get("RANK") != "" && get("WORLD_SIZE") != "":
		return torchrun(get)
	case get("SLURM_PROCID") != "" && get("SLURM_STEP_NUM_TASKS") != "":
		return slurm(get)
	case get("OMPI_COMM_WORLD_RANK") != "" && get("OMPI_COMM_WORLD_SIZE") != "":
		return openMPI(get)
	}
	return Place{Size: 1, Nodes: 1}, nil
}

func torchrun(get func(string) string) (Place, error) {
	p := Place{By: "torchrun", Job: get("TORCHELASTIC_RUN_ID")}
	if err := numbers(get, []string{"RANK", "WORLD_SIZE", "LOCAL_RANK"}, &p.Rank, &p.Size, &p.Local); err != nil || p.Size == 1 {
		return p, err
	}
	p.Nodes = p.perNode(get("LOCAL_WORLD_SIZE"))
	return p.at(get, get("MASTER_ADDR"), defaultPort)
}

func slurm(get func(string) string) (Place, error) {
	p := Place{By: "slurm", Job: get("SLURM_JOB_ID") + "." + get("SLURM_STEP_ID")}
	if err := numbers(get, []string{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"}, &p.Rank, &p.Size, &p.Local); err != nil || p.Size == 1 {
		return p, err
	}
	host := get("MASTER_ADDR")
	if host == "" {
		list := get("SLURM_STEP_NODELIST")
		if list == "" {
			list = get("SLURM_JOB_NODELIST")
		}
		var err error
		if host, err = firstNode(list); err != nil {
			return p, err
		}
	}
	p.Nodes, _ = strconv.Atoi(get("SLURM_STEP_NUM_NODES"))
	p.Nodes = max(p.Nodes, 1)
	// Jobs that share a node must not share a port.
	job, _ := strconv.Atoi(get("SLURM_JOB_ID"))
	return p.at(get, host, 20000+job%10000)
}

func openMPI(get func(string) string) (Place, error) {
	p := Place{By: "open-mpi", Job: get("PMIX_NAMESPACE")}
	if err := numbers(get, []string{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"}, &p.Rank, &p.Size, &p.Local); err != nil || p.Size == 1 {
		return p, err
	}
	host := get("MASTER_ADDR")
	if host == "" && get("OMPI_COMM_WORLD_LOCAL_SIZE") == get("OMPI_COMM_WORLD_SIZE") {
		host = "127.0.0.1" // every rank is on this node
	}
	if host == "" {
		return p, fmt.Errorf("mpirun does not say where rank 0 runs: add -x MASTER_ADDR=HOST of rank 0 to mpirun")
	}
	p.Nodes = p.perNode(get("OMPI_COMM_WORLD_LOCAL_SIZE"))
	return p.at(get, host, defaultPort)
}

// perNode is how many nodes there are with so many ranks each; 1 where it is not
// said.
func (p Place) perNode(ranks string) int {
	n, err := strconv.Atoi(ranks)
	if err != nil || n < 1 {
		return 1
	}
	return (p.Size + n - 1) / n
}

// at completes the place with rank 0's address; MASTER_PORT goes before port.
func (p Place) at(get func(string) string, host string, port int) (Place, error) {
	if host == "" {
		return p, fmt.Errorf("%s does not say where rank 0 runs: set MASTER_ADDR", p.By)
	}
	if s := get("MASTER_PORT"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 65535 {
			return p, fmt.Errorf("MASTER_PORT is %q, and must be a port from 1 to 65535", s)
		}
		port = n
	}
	p.Address = net.JoinHostPort(host, strconv.Itoa(port))
	if _, _, err := net.SplitHostPort(p.Address); err != nil {
		return p, fmt.Errorf("rank 0's host is %q, which is no name of a host: set MASTER_ADDR", host)
	}
	return p, nil
}

// numbers reads variables into the values, in order.
func numbers(get func(string) string, names []string, to ...*int) error {
	for i, name := range names {
		n, err := strconv.Atoi(get(name))
		if err != nil {
			return fmt.Errorf("%s is %q, and must be a number", name, get(name))
		}
		*to[i] = n
	}
	return nil
}

// firstNode is the first host of a Slurm list such as "gpu[01-04,07],login"
// (scontrol(1), "hostlist expressions").
func firstNode(list string) (string, error) {
	if i := strings.IndexAny(list, ",["); i >= 0 && list[i] == '[' {
		inside, after, ok := strings.Cut(list[i+1:], "]")
		first := inside
		if j := strings.IndexAny(inside, ",-"); j >= 0 {
			first = inside[:j]
		}
		suffix, _, _ := strings.Cut(after, ",")
		if !ok || first == "" || strings.ContainsAny(suffix, "[]") {
			return "", fmt.Errorf("the node list %q cannot be read: set MASTER_ADDR to the host of rank 0", list)
		}
		return list[:i] + first + suffix, nil
	}
	first, _, _ := strings.Cut(list, ",")
	if strings.ContainsAny(first, "[]") || strings.ContainsFunc(first, func(r rune) bool { return r <= ' ' || r == utf8.RuneError }) {
		return "", fmt.Errorf("the node list %q cannot be read: set MASTER_ADDR to the host of rank 0", list)
	}
	if first == "" {
		return "", fmt.Errorf("slurm does not say which nodes the step runs on: set MASTER_ADDR to the host of rank 0")
	}
	return first, nil
}
