package gate

import (
	"bytes"
	"testing"
	"time"
)

func FuzzReadWaivers(f *testing.F) {
	f.Add("2026-03-01 gemm/matmul fp8 * # driver\n", "gemm/matmul fp8 m=1")
	f.Add("2026-03-01 ********************a # x\n# c\n\n", "gemm/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add("9999-12-31 [a-\\] # x", "")
	f.Fuzz(func(t *testing.T, text, key string) {
		waivers, err := ReadWaivers(bytes.NewReader([]byte(text)), "w", time.Unix(0, 0))
		if err != nil {
			return
		}
		begun := time.Now()
		for i := range waivers {
			if w := &waivers[i]; w.Pattern == "" || w.Reason == "" {
				t.Errorf("%+v", w)
			}
			waivers[i].Matches(key)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%q matched %q for %s", text, key, took)
		}
	})
}

func FuzzReadKnown(f *testing.F) {
	f.Add([]byte(published[:min(len(published), 2000)]))
	f.Add([]byte("device,tier,tool,suite,op,dtype,regime,n,p50,p90,p99,max\nd,t,x,s,o,d,r,1,1,1,1,1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		known, err := ReadKnown(bytes.NewReader(b), "k")
		if err != nil {
			return
		}
		for _, k := range known {
			if !(k.P50 > 0 && k.P90 > 0 && k.P99 > 0 && k.Max > 0) || k.N < 1 {
				t.Errorf("%+v", k)
			}
		}
	})
}
