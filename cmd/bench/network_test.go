package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bench/cuda/fakedriver"
	"bench/cuda/simt"
)

// manyVerbs is a night's work: everything but a run over several processes.
const manyVerbs = `
set -e
bench devices >devices
bench run --device host --suite hbm,gemm,allreduce --size 16KiB --dtype fp32 --time 400ms --out results >run || [ $? -eq 3 ]
bench predict gemm --device h100-sxm --m 64 --n 64 --k 64 --dtype bf16 >predict
bench report results -o report.html
bench report results --format md >report
bench export results --format json >export
bench compare results/*.parquet results/*.parquet >compare
bench gate results --baseline results >gate || [ $? -eq 4 ] || [ $? -eq 1 ]
bench claims >claims
`

// Nothing is sent anywhere: no verb makes a socket, and in a network namespace in
// which there is no other address than its own, which is down, all work.
func TestNothingIsSentAnywhere(t *testing.T) {
	folder := realRun(t)
	needStrace(t)
	namespace := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if c := (&exec.Cmd{Path: "/bin/true", SysProcAttr: namespace}); c.Run() != nil && c.Process == nil {
		t.Log("no network namespace can be made, which needs root: with this machine's network")
		namespace = nil
	}
	if calls := network(t, namespace, folder, "sh", "-c", manyVerbs); calls != "" {
		t.Errorf("the calls of the network:\n%s", calls)
	}
}

func made(t *testing.T, folder string) string {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// network runs a command and returns its system calls that concern the network, a
// line each.
func network(t *testing.T, namespace *syscall.SysProcAttr, folder, name string, args ...string) string {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	c := exec.Command("strace", append([]string{"--seccomp-bpf", "-f", "-o", log, "-e", "trace=%network", name}, args...)...)
	c.Dir, c.SysProcAttr = made(t, folder), namespace
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var calls strings.Builder
	for line := range strings.Lines(string(b)) {
		// strace's ??? is a process that was killed before its call was begun.
		if !strings.Contains(line, " +++ ") && !strings.Contains(line, " --- ") && !strings.Contains(line, " ???( <unfinished ...>") {
			calls.WriteString(line)
		}
	}
	return calls.String()
}

// loopback is how Go finds out which protocols the kernel knows (net, ipsock_posix.go):
// it takes any port of this machine's own, and does not listen.
var loopback = regexp.MustCompile(`bind\(.*htons\(0\).*"(::1|::ffff:127\.0\.0\.1|127\.0\.0\.1)"`)

// Processes that measure together speak at the one address that their launcher gave.
// They have no NCCL, which they tell each other, and so end soon.
func TestJoinSpeaksAtOneAddress(t *testing.T) {
	folder := realRun(t)
	needStrace(t)
	path, err := simt.Compile(false)
	if err != nil {
		t.Skip(err)
	}
	truth := fakedriver.Truth{Name: "NVIDIA Test (simulated)", Devices: 2, MemoryBytes: 2 << 30, L2Bytes: 1 << 20, SIMT: path}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	calls := network(t, nil, folder, "sh", "-c", fmt.Sprintf(`
export BENCH_LIBCUDA=%s BENCH_LIBNCCL=/nowhere/libnccl.so.2 WORLD_SIZE=2 LOCAL_WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=%s
RANK=1 LOCAL_RANK=1 bench run --join --size 64KiB --dtype fp32 --time 200ms >other 2>&1 &
RANK=0 LOCAL_RANK=0 bench run --join --size 64KiB --dtype fp32 --time 200ms >one 2>&1 || [ $? -eq 3 ]
wait`, fakedriver.Driver(t, truth), port))
	seen := map[string]int{}
	for line := range strings.Lines(calls) {
		if !strings.Contains(line, "bind(") && !strings.Contains(line, "connect(") || strings.Contains(line, "resumed>") {
			continue
		}
		if loopback.MatchString(line) {
			continue
		}
		if want := `htons(` + port + `), sin_addr=inet_addr("127.0.0.1")`; !strings.Contains(line, want) {
			t.Errorf("not at 127.0.0.1:%s: %s", port, line)
		}
		seen[regexp.MustCompile(`bind|connect`).FindString(line)]++
	}
	if seen["bind"] == 0 || seen["connect"] == 0 {
		one, _ := os.ReadFile(filepath.Join(folder, "one"))
		t.Errorf("the processes did not speak: %v\n%s\n%s", seen, calls, one)
	}
}
