package child

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime/metrics"
	"testing"

	"bench/microbench"
)

// What a parent or a child sends, broken or made up: it is an error or a message,
// in memory of the message's size.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"call":"open","options":{"a":1}}` + "\n" + `{"call":"prepare","workload":{"columns":{"suite":"gemm","op":"matmul","dtype":"fp32","ranks":1,"m":1,"n":1,"k":1}}}` + "\n" + `{"call":"batch","n":9}` + "\n"))
	f.Add([]byte(`{"timing":{"seconds":"NaN","wall_seconds":1e999},"check":{"max_rel_error":"+Inf"}}` + "\n"))
	f.Add([]byte("rubbish\n{\"call\":\"check\"}\n{\"call\":\"close\"}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := allocated()
		for _, v := range []func() any{func() any { return new(request) }, func() any { return new(reply) }} {
			for r := bufio.NewReader(bytes.NewReader(b)); ; {
				m := v()
				err := readLine(r, m, maxReply)
				if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					break
				}
				if err != nil {
					continue
				}
				if q, ok := m.(*request); ok {
					q.Workload.unwrap()
				}
				if err := writeLine(io.Discard, m); err != nil {
					t.Errorf("%+v cannot be sent on: %v", m, err)
				}
			}
		}
		// A server without a backend refuses all calls, and ends with its input.
		serve(bytes.NewReader(b), io.Discard, func(json.RawMessage) (microbench.Backend, error) { return nil, errors.New("none") }, nil, func(int) {})
		if used := allocated() - before; used > 64<<20+uint64(len(b))<<10 {
			t.Errorf("%d bytes took %d bytes of memory", len(b), used)
		}
	})
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
