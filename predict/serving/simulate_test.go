package serving

import (
	"testing"

	"bench/predict/llm"
)

// steady takes 1 s for each token of a prompt and 10 s for a step that decodes,
// whatever the batch.
type steady struct{}

func (steady) Time(b llm.Batch) (llm.StepTime, error) {
	var t llm.StepTime
	for _, c := range b.Chunks {
		t.PrefillAttention += float64(c.Query)
	}
	if b.Decode > 0 {
		t.Products = 10
	}
	return t, nil
}

func simulate(t *testing.T, e Engine, s Server, l Load) Outcome {
	t.Helper()
	s.Engine, s.Cost, s.Prefill = e, steady{}, steady{}
	o, err := s.Simulate(l)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func list(t *testing.T, what string, got []float64, want ...float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
		return
	}
	for i := range got {
		near(t, what, got[i], want[i], 1e-9)
	}
}

// Two prompts of 4 tokens and 3 tokens out at once. Mixed, 4 tokens a step: the
// first prompt takes 4 s; then 3 tokens of the second beside a decoding token, 13 s;
// its last one beside the first's last, 11 s: the first ends at 28 s. The second,
// first token at 28 s, decodes twice: 48 s.
// Prefill first: both prompts, 4 s each, then two steps of both: 28 s.
func TestPolicies(t *testing.T) {
	l := Load{Input: 4, Output: 3, Concurrency: 2, Requests: 2, InStep: true}
	o := simulate(t, Engine{Policy: Mixed, Budget: 4, MaxBatch: 8}, Server{}, l)
	list(t, "mixed TTFT", o.TTFT, 4, 28)
	list(t, "mixed TPOT", o.TPOT, 12, 10)
	near(t, "mixed seconds", o.Seconds, 48, 1e-9)
	o = simulate(t, Engine{Policy: PrefillFirst, Budget: 4, MaxBatch: 8}, Server{}, l)
	list(t, "prefill first TTFT", o.TTFT, 4, 8)
	list(t, "prefill first TPOT", o.TPOT, 12, 10)
	// Whole prompts: the second waits until the first leaves it the whole budget.
	o = simulate(t, Engine{Policy: WholePrompts, Budget: 4, MaxBatch: 8}, Server{}, l)
	list(t, "whole TTFT", o.TTFT, 4, 28)
	o = simulate(t, Engine{Policy: WholePrompts, Budget: 5, MaxBatch: 8}, Server{}, l)
	list(t, "whole TTFT with room", o.TTFT, 4, 18)
	// Static with one place: the second request waits for the first's end at 24 s.
	o = simulate(t, Engine{Policy: Static, Budget: 8, MaxBatch: 1}, Server{}, l)
	list(t, "static TTFT", o.TTFT, 4, 28)
	// Prefill on two servers of their own: 4 s each, and 0.5 s a token to send.
	o = simulate(t, Engine{Policy: Disaggregated, Budget: 8, MaxBatch: 8}, Server{PrefillServers: 2, TransferS: 0.5}, l)
	list(t, "disaggregated TTFT", o.TTFT, 4, 4)
	near(t, "disaggregated seconds", o.Seconds, 4+2+20, 1e-9)
	o = simulate(t, Engine{Policy: Disaggregated, Budget: 8, MaxBatch: 8}, Server{PrefillServers: 1, TransferS: 0.5}, l)
	list(t, "one prefill server TTFT", o.TTFT, 4, 8)
}

// A cached half of the prompt halves its time, eager launches are a floor, and the
// host's times add up.
func TestHost(t *testing.T) {
	l := Load{Input: 4, Output: 2, Concurrency: 1, Requests: 1, Cached: 0.5}
	o := simulate(t, Engine{Policy: Mixed, Budget: 8, MaxBatch: 8}, Server{}, l)
	list(t, "cached TTFT", o.TTFT, 2)
	l.Cached = 0
	o = simulate(t, Engine{Policy: Mixed, Budget: 8, MaxBatch: 8, HostStepS: 1, HostTokenS: 3, HostRequestS: 5}, Server{}, l)
	list(t, "host TTFT", o.TTFT, 5+4+1)
	list(t, "host TPOT", o.TPOT, 10+1+3)
	o = simulate(t, Engine{Policy: Mixed, Budget: 8, MaxBatch: 8, Eager: true, LaunchS: 2}, Server{Launches: 30}, l)
	list(t, "eager TTFT", o.TTFT, 60)
	list(t, "eager TPOT", o.TPOT, 60)
}

// Capacity: 8 tokens hold one request of 4 + 4. Where the engine reserves, the
// second waits; where not, both enter, and the later one is preempted and computes
// its prompt again. A request that never fits is said.
func TestCapacity(t *testing.T) {
	l := Load{Input: 4, Output: 4, Concurrency: 2, Requests: 2}
	o := simulate(t, Engine{Policy: Mixed, Budget: 64, MaxBatch: 8, BlockTokens: 1, Reserves: true}, Server{CacheTokens: 8}, l)
	list(t, "reserved TTFT", o.TTFT, 4, 4+30+4)
	if o.Preempted != 0 || o.Queued == 0 {
		t.Errorf("reserved: %d preempted, queued %g", o.Preempted, o.Queued)
	}
	o = simulate(t, Engine{Policy: Mixed, Budget: 64, MaxBatch: 8, BlockTokens: 1}, Server{CacheTokens: 11}, l)
	if o.Preempted != 1 || o.Requests != 2 || o.Tokens != 8 {
		t.Errorf("%d preempted, %d requests, %g tokens", o.Preempted, o.Requests, o.Tokens)
	}
	l.Input = 9
	if o = simulate(t, Engine{Policy: Mixed, Budget: 64, MaxBatch: 8, BlockTokens: 1}, Server{CacheTokens: 8}, l); o.Impossible != 2 {
		t.Errorf("%d impossible", o.Impossible)
	}
}

// Little's law: requests in the system are the rate times the time in it. At a low
// rate nobody waits: a prompt of 1 s and one more token of 10 s.
func TestOpenLoop(t *testing.T) {
	e := Engine{Policy: Mixed, Budget: 64, MaxBatch: 64}
	o := simulate(t, e, Server{}, Load{Input: 1, Output: 2, Rate: 1e-4, Requests: 2000})
	sum := 0.0
	for _, x := range o.Latency {
		sum += x
	}
	near(t, "latency", sum/2000, 11, 0.01)
	near(t, "rate", 2000/o.Seconds, 1e-4, 0.1)
	// A load beyond what a server can take: its tokens, not the rate, decide.
	o = simulate(t, Engine{Policy: Mixed, Budget: 64, MaxBatch: 4}, Server{}, Load{Input: 1, Output: 100, Rate: 1, Requests: 400})
	near(t, "saturated tokens/s", o.Tokens/o.Seconds, 0.4, 0.05)
}

func BenchmarkSimulate(b *testing.B) {
	s := Server{Engine: Engine{Policy: Mixed, Budget: 8192, MaxBatch: 256, BlockTokens: 16}, Cost: steady{}}
	for b.Loop() {
		if _, err := s.Simulate(Load{Input: 1024, Output: 1024, Concurrency: 64, Requests: 1000}); err != nil {
			b.Fatal(err)
		}
	}
}
