package main

import (
	"testing"

	"bench/microbench/session"
)

// Words of the command line.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"cuda:0,1", "cuda:-1", "cuda:", "64KiB", "1e30 GB", "-1", "all", "9223372036854775808", "1,2,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseSize(s); err == nil && n < 0 {
			t.Errorf("size %q is %d", s, n)
		}
		if n, err := parseRows(s); err == nil && n < -1 {
			t.Errorf("rows %q is %d", s, n)
		}
		if kind, gpus, err := session.ParseDevice(s); err == nil {
			seen := map[int]bool{}
			for _, g := range gpus {
				if g < 0 || seen[g] || kind != "cuda" {
					t.Errorf("device %q is %s %v", s, kind, gpus)
				}
				seen[g] = true
			}
		}
	})
}
