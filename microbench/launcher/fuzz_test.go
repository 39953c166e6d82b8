package launcher

import (
	"bufio"
	"bytes"
	"net"
	"strings"
	"testing"
)

// The environment as lines of NAME=value.
func FuzzFromEnv(f *testing.F) {
	f.Add("RANK=1\nWORLD_SIZE=2\nLOCAL_RANK=0\nMASTER_ADDR=h\nMASTER_PORT=1\nLOCAL_WORLD_SIZE=0")
	f.Add("SLURM_PROCID=1\nSLURM_STEP_NUM_TASKS=4\nSLURM_LOCALID=0\nSLURM_STEP_NODELIST=gpu[01-04,07],x\nSLURM_JOB_ID=-7")
	f.Add("OMPI_COMM_WORLD_RANK=0\nOMPI_COMM_WORLD_SIZE=-2\nOMPI_COMM_WORLD_LOCAL_RANK=0\nOMPI_COMM_WORLD_LOCAL_SIZE=-2")
	f.Add("SLURM_PROCID=1\nSLURM_STEP_NUM_TASKS=4\nSLURM_LOCALID=0\nSLURM_STEP_NODELIST=gpu\xce\xc9]") // found by fuzzing
	f.Add("RANK=1\nWORLD_SIZE=2\nLOCAL_RANK=0\nMASTER_ADDR=a]")
	f.Fuzz(func(t *testing.T, env string) {
		vars := map[string]string{}
		for line := range strings.SplitSeq(env, "\n") {
			k, v, _ := strings.Cut(line, "=")
			vars[k] = v
		}
		p, err := FromEnv(func(k string) string { return vars[k] })
		if err != nil {
			return
		}
		if p.Alone() {
			return
		}
		if p.Rank < 0 || p.Rank >= p.Size || p.Size > 1<<16 || p.Local < 0 || p.Nodes < 1 {
			t.Errorf("%+v", p)
		}
		if _, port, err := net.SplitHostPort(p.Address); err != nil || port == "" || strings.HasPrefix(port, "-") {
			t.Errorf("%+v: %v", p, err)
		}
	})
}

// A stranger's bytes at rank 0's port.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02ab"))
	f.Add([]byte("\xff\xff\xff\xffab"))
	f.Add([]byte("\x00\x00\x00\x18bench-launcher 1\nx\n2\n1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &peer{in: bufio.NewReader(bytes.NewReader(b))}
		for {
			m, err := p.read(1024)
			if err != nil {
				return
			}
			if len(m) > 1024 {
				t.Fatalf("%d bytes", len(m))
			}
		}
	})
}
