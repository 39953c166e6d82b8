package nccl

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bench/cuda"
)

// stub builds the stand-in; cgo's own compiler is there wherever tests run.
func stub(t *testing.T, flags ...string) string {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, "libnccl.so.2")
	out, err := exec.Command("cc", append([]string{"-shared", "-fPIC", "-DSTUB_FOLDER=\"" + folder + "\"", "-o", path, "testdata/stub.c"}, flags...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("the stand-in does not build: %v\n%s", err, out)
	}
	return path
}

func TestCommunicators(t *testing.T) {
	t.Setenv("BENCH_LIBNCCL", stub(t))
	l, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if l.Version() != "2.22.3" || !strings.HasSuffix(l.Path(), "libnccl.so.2") {
		t.Errorf("version %s of %s", l.Version(), l.Path())
	}
	id, err := l.UniqueID()
	if err != nil || id[0] != 7 || id[127] != 7 {
		t.Errorf("the ID is %v, %v", id, err)
	}
	comms, err := l.InitAll([]int{0, 3})
	if err != nil || len(comms) != 2 {
		t.Fatal(comms, err)
	}
	if err := comms[0].AsyncError(); err != nil {
		t.Errorf("work in progress is no error: %v", err)
	}
	if err := comms[1].AsyncError(); err == nil || !strings.Contains(err.Error(), "unhandled system error") {
		t.Errorf("a peer's death gives %v", err)
	}
	if _, err := l.InitAll(nil); err == nil {
		t.Error("no GPU makes a communicator")
	}
	for _, c := range comms {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Every kind reaches its own function within one group, which is ended even
// where a call in it fails.
func TestEnqueueIsOneGroup(t *testing.T) {
	path := stub(t)
	folder := filepath.Dir(path)
	t.Setenv("BENCH_LIBNCCL", path)
	l, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	comms, err := l.InitAll([]int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	s := &cuda.Stream{}
	var calls []Call
	for i, kind := range []Kind{AllReduce, AllGather, ReduceScatter, Broadcast, Send, Recv} {
		calls = append(calls, Call{Kind: kind, Comm: comms[i%2], Stream: s, From: 64, To: 128, Count: int64(i + 1), Type: Bfloat16, Peer: i})
	}
	if err := l.Enqueue(calls...); err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"ncclAllGather", "ncclGroupEnd"} {
		if err := os.WriteFile(filepath.Join(folder, "fail"), []byte(call), 0o600); err != nil {
			t.Fatal(err)
		}
		var e *Error
		if err := l.Enqueue(calls...); !errors.As(err, &e) || e.Call != call || e.Code != 2 {
			t.Errorf("%s fails as %v", call, err)
		}
	}
	b, err := os.ReadFile(filepath.Join(folder, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	want := `ncclAllReduce count=1 type=9 peer=0 group=1
ncclAllGather count=2 type=9 peer=0 group=1
ncclReduceScatter count=3 type=9 peer=0 group=1
ncclBroadcast count=4 type=9 peer=3 group=1
ncclSend count=5 type=9 peer=4 group=1
ncclRecv count=6 type=9 peer=5 group=1
ncclGroupEnd count=0 type=0 peer=0 group=0
`
	failed := "ncclAllReduce count=1 type=9 peer=0 group=1\nncclAllGather count=2 type=9 peer=0 group=1\nncclGroupEnd count=0 type=0 peer=0 group=0\n"
	if _, after, ok := strings.Cut(got, "ncclCommInitAll count=2 type=0 peer=1 group=0\n"); !ok || after != want+failed+want {
		t.Errorf("the library was asked\n%s", got)
	}
}

func TestMissing(t *testing.T) {
	var m *cuda.MissingError
	t.Setenv("BENCH_LIBNCCL", stub(t, "-DncclGroupEnd=old"))
	if _, err := Open(); !errors.As(err, &m) || !strings.Contains(err.Error(), "ncclGroupEnd") {
		t.Errorf("a missing function gives %v", err)
	}
	t.Setenv("BENCH_LIBNCCL", "/nowhere/libnccl.so.2")
	if _, err := Open(); !errors.As(err, &m) || !strings.Contains(err.Error(), "/nowhere/libnccl.so.2") {
		t.Errorf("a missing library gives %v", err)
	}
	t.Setenv("BENCH_LIBNCCL", "libnccl.so.2")
	if _, err := Open(); err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Errorf("a relative override gives %v", err)
	}
}
