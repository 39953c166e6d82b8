package importers

import (
	"strings"
	"testing"
)

// Reports made up for the test, in the forms of the tools. 512 tokens a second are
// 1.953125 ms a token.
func TestServeBench(t *testing.T) {
	const dir, nobody = "testdata/serve_", " isl=512 osl=128 concurrency=100 requests=100"
	vllm := " bf16 model=qwen3-8b isl=1024 osl=128 rate=4 requests=100 tp=2 pp=1 dp=1 ep=1 etp=1 ranks=2"
	run, _ := check(t, "serve-bench", dir+"vllm.txt", []seen{
		{"serve/output_token" + vllm, 1.953125e-3, "unknown", 3}, {"serve/ttft" + vllm, 0.08, "unknown", 3},
		{"serve/tpot" + vllm, 0.01, "unknown", 3}, {"serve/itl" + vllm, 0.0105, "unknown", 3}}, 0)
	if s := run.Rows[0].Measurement.Stack.Library; s != "vllm" {
		t.Errorf("stack %q", s)
	}
	// The second line's 80 requests in 10 s are not 2 a second.
	sglang := " bf16 model=llama-3.1-8b isl=1024 osl=128 concurrency=8 requests=80 tp=1 pp=1 dp=1 ep=1 etp=1 ranks=1"
	check(t, "serve-bench", dir+"sglang.jsonl", []seen{{"serve/output_token" + sglang, 1. / 1024, "unknown", 1},
		{"serve/ttft" + sglang, 0.05, "unknown", 1}, {"serve/tpot" + sglang, 0.0075, "unknown", 1}}, 1)
	check(t, "serve-bench", dir+"genai.csv", []seen{{"serve/output_token bf16" + nobody, 1. / 1600, "unknown", 2}, {"serve/ttft bf16" + nobody, 0.04, "unknown", 2},
		{"serve/tpot bf16" + nobody, 0.01, "unknown", 2}, {"serve/request bf16" + nobody, 1.31, "unknown", 2}}, 0)
	check(t, "serve-bench", dir+"table.txt", []seen{{"serve/output_token bf16" + nobody, 1. / 1600, "unknown", 2},
		{"serve/ttft bf16" + nobody, 0.04, "unknown", 2}, {"serve/tpot bf16" + nobody, 0.01, "unknown", 2}}, 0)
	aiperf := " fp8 model=qwen3-32b isl=512 osl=128 concurrency=16 requests=100"
	check(t, "serve-bench", dir+"aiperf.json", []seen{{"serve/ttft" + aiperf, 0.04, "unknown", 1}, {"serve/tpot" + aiperf, 0.01, "unknown", 1}}, 0)
	// 6400 − 1280 tokens in and 1280 out a second, of 10 requests.
	trt := " bf16 model=llama-3.1-70b isl=512 osl=128 concurrency=1000 requests=1000 tp=4 pp=1 dp=1 ep=1 etp=1 ranks=4"
	run, report := check(t, "serve-bench", dir+"trtllm.txt", []seen{{"serve/output_token" + trt, 1. / 1280, "unknown", 4}, {"serve/request" + trt, 5, "unknown", 4}}, 0)
	if s := run.Rows[0].Measurement.Stack.Name(); s != "trtllm 1.0.0" {
		t.Errorf("stack %q", s)
	}
	if n := report.Files[0].Notes; len(n) != 2 || !strings.HasPrefix(n[0], "128 output tokens a request came, and the data set's name says 256") {
		t.Errorf("notes %q", n)
	}
}

// Two blocks in one file are two reports.
func TestServeBenchTwoBlocks(t *testing.T) {
	block := "Successful requests: 10\nBenchmark duration (s): 5\nTotal input tokens: 1000\nTotal generated tokens: 100\nRequest throughput (req/s): 2\nMean TTFT (ms): 20\n"
	b, err := readData(serveBench, "x.txt", []byte(block+strings.ReplaceAll(block, "20", "40")))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.rows) != 2 || b.rows[0].Measurement.TimeS != 0.02 || b.rows[1].Measurement.TimeS != 0.04 {
		t.Errorf("%d rows: %+v", len(b.rows), b.rows)
	}
}
