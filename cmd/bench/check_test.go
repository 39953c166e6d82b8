package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bench/reports/verdict"
)

// posts are results as people paste them (EXPECTED.md there), which are not part of
// this repository.
const posts = "../../../shared/data/posts"

// check runs the verb, and returns its exit code, its JSON, and its text.
func check(t *testing.T, args ...string) (int, verdict.Result, string) {
	t.Helper()
	var text, js, stderr bytes.Buffer
	code := run(append([]string{"check"}, args...), &text, &stderr)
	if again := run(append([]string{"check", "--format", "json"}, args...), &js, &stderr); again != code {
		t.Errorf("%v: exit %d as text and %d as JSON", args, code, again)
	}
	var r verdict.Result
	if err := json.Unmarshal(js.Bytes(), &r); err != nil {
		t.Fatalf("%v: %v; %s", args, err, stderr.String())
	}
	for line := range strings.Lines(text.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("%v: a line of %d columns: %s", args, n, line)
		}
	}
	return code, r, text.String()
}

func TestPosts(t *testing.T) {
	if _, err := os.Stat(posts); err != nil {
		t.Skip("no posts here: ", err)
	}
	const ok, slow, cant = 0, 1, 4
	for _, p := range []struct {
		file  string
		flags string
		code  int
		// says is a pattern of the text, and findings how many of the worst verdict.
		says     string
		findings int
	}{
		{"h200-8gpu-all_reduce.txt", "", ok, `475 GB/s at 4 GiB(?s:.*)assumed: all_reduce`, 1},
		{"a100-3nodes-4nics.txt", "", cant, `8 × 200\s+Gb: 1\d\d GB/s, 4 × 200 Gb: 9\d GB/s(?s:.*)--nics`, 1},
		{"a100-3nodes-4nics.txt", "--nics 4x200", ok, `96 GB/s`, 1},
		{"a100-3nodes-4nics.txt", "--nics 8x200", slow, `96 GB/s`, 1},
		{"h100-peer-copy.txt", "", ok, `377 GB/s`, 2},
		{"a100-alltoall-old-table.txt", "", ok, `239 GB/s at 8 GiB`, 1},
		{"h100-2nodes-44.txt", "", slow, `SLOW 9×: 44.3 GB/s(?s:.*)even one card of 400\s+Gb a node gives 48(?s:.*)8 × 400 Gb`, 1},
		{"h100-2nodes-150-allreduce.txt", "", slow, `150 GB/s(?s:.*)assumed: DGX H100's 8 × 400 Gb network cards`, 1},
		{"h100-2nodes-390-allreduce.txt", "", ok, `390 GB/s`, 1},
		{"h100-2nodes-five-operations.txt", "", slow, `SLOW \(5 slow\)`, 5},
		{"h100-allgather-350.txt", "", ok, `350 GB/s`, 1},
		{"a100-pcie-three.txt", "", ok, `20 GB/s`, 1},
		{"two-runs-without-mpi.txt", "", cant, `built without MPI=1(?s:.*)--op`, 1},
		{"mpi-tag-indented.txt", "", slow, `16 × H100 80GB HBM3, 2 nodes · all_to_all`, 1},
		{"v100-no-hash.txt", "", slow, `2 wrong values`, 1},
		{"mi300x-8gpu-all-reduce.txt", "", cant, `8 × MI300X, one node · all_reduce`, 1},
		{"allgather-no-rank-lines.txt", "", cant, `2 ranks(?s:.*)`, 1},
		{"nvbandwidth-quoted.txt", "", cant, `--device`, 2},
		{"nvbandwidth-quoted.txt", "--device h100-sxm", slow, `SLOW \S+: 35.2 GB/s`, 1},
		{"nvbandwidth-two-sizes.txt", "", slow, `20 GiB(?s:.*)16.5 GB/s(?s:.*)512 MiB(?s:.*)25.1 GB/s`, 1},
		{"babelstream-a100.txt", "", ok, `triad(?s:.*)1725 GB/s`, 5},
		{"llama-bench-h100-slow.txt", "", slow, `66 tokens/s(?s:.*)at\s+most 821 tokens/s`, 1},
		{"vllm-serve-block.txt", "", cant, `--model(?s:.*)--device(?s:.*)--tp`, 1},
		{"sglang-serve-block.txt", "--device h100-sxm", slow, `44 % of the dense bf16\s+peak(?s:.*)TTFT is queueing`, 1},
		{"trtllm-bench-8b-h100.txt", "--device h100-sxm", slow, `6957 output tokens/s(?s:.*)28 output tokens a request came, and the data set's name says 128`, 1},
		{"llama-bench-nkvo.txt", "", ok, `RTX 3090 Ti(?s:.*)nkvo=0(?s:.*)nkvo=1`, 1},
	} {
		args := append([]string{filepath.Join(posts, p.file)}, strings.Fields(p.flags)...)
		code, r, text := check(t, args...)
		worst := 0
		for _, f := range r.Findings {
			if f.Verdict == r.Verdict {
				worst++
			}
		}
		if code != p.code || worst != p.findings || !regexp.MustCompile(p.says).MatchString(text) || r.Schema != "bench.check/1" {
			t.Errorf("%s %s: exit %d, want %d; %d findings of %q, want %d; says %s\n%s", p.file, p.flags, code, p.code, worst, r.Verdict, p.findings, p.says, text)
		}
	}
}
