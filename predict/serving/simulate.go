package serving

import (
	"math"

	"bench/predict/llm"
)

// Coster times a step of an engine.
type Coster interface {
	Time(llm.Batch) (llm.StepTime, error)
}

// Server is an engine on GPUs.
type Server struct {
	Engine Engine
	Cost   Coster
	// CacheTokens fit in the KV cache; 0 is no limit.
	CacheTokens int64
	// Launches of kernels in a step (eager).
	Launches float64
	// Prefill times the steps of the GPUs that compute prompts, of which there are
	// PrefillServers, and TransferS is seconds to send a token's KV cache from them
	// (disaggregated).
	Prefill        Coster
	PrefillServers int
	TransferS      float64
}

// Outcome is what a simulation saw.
type Outcome struct {
	// Requests that were counted, and the seconds from the first's arrival until
	// the last one's end; Tokens they got.
	Requests int
	Seconds  float64
	Tokens   float64
	// TTFT and TPOT of each counted request; ITL holds gaps between tokens, each
	// with how many tokens saw it.
	TTFT, TPOT, Latency []float64
	ITL                 []Gap
	// Busy is seconds of steps by part.
	Parts Parts
	// Running is decoding sequences, on average by time; Steps how many there were,
	// of which DecodeSteps took DecodeS and had no prompt in them.
	Running     float64
	Steps       int
	DecodeS     float64
	DecodeSteps int
	// Launching is seconds of steps in which the device waited for launches.
	Launching float64
	// Queued is the share of the time in which requests waited for KV memory, and
	// Preempted how often a sequence gave up its place.
	Queued    float64
	Preempted int
	// Impossible counts requests that no empty cache would hold.
	Impossible int
}

// Gap is a time between two tokens of a sequence, and how many there were.
type Gap struct{ Seconds, Count float64 }

// Parts is the seconds of a server's steps by what they went to.
type Parts struct {
	// Prefill is prompts: their attention, and their share of all that tokens go
	// through together.
	Prefill float64 `json:"prefill_s"`
	// Weights is products and elementwise work of decoding, KV its attention.
	Weights       float64 `json:"weights_s"`
	KV            float64 `json:"kv_s"`
	Communication float64 `json:"communication_s"`
	Host          float64 `json:"host_s"`
	Idle          float64 `json:"idle_s"`
}

func (p *Parts) add(t llm.StepTime, prompt, host, times float64) {
	p.Prefill += times * (t.PrefillAttention + prompt*(t.Products+t.Elementwise))
	p.Weights += times * (1 - prompt) * (t.Products + t.Elementwise)
	p.KV += times * t.DecodeAttention
	p.Communication += times * t.Communication
	p.Host += times * host
}

// longestLeap is how many equal steps are taken at once; the cache grows by as
// many tokens a sequence, which the step's time follows in a straight line.
const longestLeap = 64

// hostSequences is how many sequences of a step the host's time grows with: 128,
// the most that engines' hosts were fitted to. Steps of more are so long that the
// rest is taken to run beside the device; trtllm-bench's 27,688 tokens/s of
// Llama 3.1 8B at the largest batch leave no room for it.
const hostSequences = 128

// simulation is the state of one server.
type simulation struct {
	Server
	load   Load
	all    []request
	next   int // of all, the next to arrive
	opened int // of all, those whose arrival is known
	free   []float64
	// waiting, partly (prompts that have begun) and running (decoding) are indices
	// of all.
	waiting, partly, running []int
	used                     int64 // blocks of the cache
	now, last, front         float64
	// paused is how long decoding has stood still for prompts.
	paused float64
	err    error
	out    Outcome
}

// Simulate serves a load. Time stands in seconds from the first arrival.
func (s Server) Simulate(l Load) (Outcome, error) {
	if err := l.Validate(); err != nil {
		return Outcome{}, err
	}
	m := &simulation{Server: s, load: l, all: l.requests(), free: make([]float64, max(s.PrefillServers, 1))}
	for range m.all {
		if l.Rate > 0 || m.opened < int(l.Concurrency) {
			m.open(m.all[m.opened].arrival)
		}
	}
	m.run()
	m.finish()
	return m.out, m.err
}

func (m *simulation) blocks(tokens int64) int64 {
	b := max(m.Engine.BlockTokens, 1)
	return (tokens + b - 1) / b
}

func (m *simulation) capacity() int64 {
	if m.CacheTokens == 0 {
		return math.MaxInt64 / 4
	}
	return m.CacheTokens / max(m.Engine.BlockTokens, 1)
}

// held is the blocks of a request: those of its tokens so far, or of all that
// it will have.
func (m *simulation) held(r *request) int64 {
	if m.Engine.Reserves {
		return m.blocks(r.input + r.output)
	}
	return m.blocks(r.cached + r.given)
}

// open says when the next request arrives, and when it can be scheduled.
// Disaggregated prompts are computed first, in the order of their arrival, on
// whichever of the GPUs for them is free first, and their cache is sent over.
func (m *simulation) open(at float64) {
	if m.opened == len(m.all) {
		return
	}
	r := &m.all[m.opened]
	m.opened++
	// The front end takes requests in one after the other, so that those that come
	// together do not enter the same step.
	m.front = max(m.front, at) + m.Engine.HostRequestS
	r.arrival, r.ready = at, m.front
	if m.Engine.Policy != Disaggregated {
		return
	}
	t, err := m.Prefill.Time(llm.Batch{Chunks: []llm.Chunk{{Query: r.left, Context: r.input, Last: true}}})
	if err != nil {
		m.err = err
	}
	soonest := 0
	for i, f := range m.free {
		if f < m.free[soonest] {
			soonest = i
		}
	}
	r.first = max(r.ready, m.free[soonest]) + t.Total() + m.Engine.HostStepS
	m.free[soonest] = r.first
	r.ready = r.first + m.TransferS*float64(r.input)
	r.left, r.given = 0, 1
}

func (m *simulation) arrive() {
	for m.next < m.opened && m.all[m.next].ready <= m.now {
		r := &m.all[m.next]
		switch {
		case m.blocks(r.input+r.output) > m.capacity():
			m.out.Impossible++
			r.end = math.NaN()
			m.place()
		default:
			m.waiting = append(m.waiting, m.next)
		}
		m.next++
	}
}

// place is one of a closed loop that has come free.
func (m *simulation) place() {
	if m.load.Rate == 0 {
		m.open(m.now)
	}
}

func (m *simulation) run() {
	for m.err == nil {
		m.arrive()
		if len(m.waiting)+len(m.running)+len(m.partly) == 0 {
			if m.next == m.opened {
				return
			}
			m.out.Parts.Idle += m.all[m.next].ready - m.now
			m.now = m.all[m.next].ready
			continue
		}
		m.step()
	}
}

// step chooses what the next step takes, takes as many equal ones as nothing
// interrupts, and settles what ended.
func (m *simulation) step() {
	var b llm.Batch
	budget := max(m.Engine.Budget, 1)
	decoding := m.running
	alone := m.Engine.Policy == PrefillFirst || m.Engine.Policy == Static
	if alone && (len(m.partly) > 0 || len(m.waiting) > 0 && m.admits(m.waiting[0])) {
		decoding = nil
	}
	budget -= int64(len(decoding))
	took := m.prompts(&b, budget)
	if len(b.Chunks) == 0 {
		decoding = m.running // nothing could be let in
	}
	b.Decode = int64(len(decoding))
	for _, i := range decoding {
		b.Context += m.all[i].cached + m.all[i].given
	}
	steps := int64(1)
	if len(b.Chunks) == 0 {
		steps = m.leap()
		b.Context += b.Decode * (steps - 1) / 2
	}
	t, err := m.Cost.Time(b)
	if err != nil {
		m.err = err
		return
	}
	device := t.Total()
	seconds := device
	if floor := m.Launches * m.Engine.LaunchS; m.Engine.Eager && floor > device {
		seconds = floor
		m.out.Launching += float64(steps) * floor
	}
	seconds += m.Engine.HostStepS + m.Engine.HostTokenS*float64(min(b.Decode, hostSequences))
	n := float64(steps)
	prompt := 0.0
	if tokens := b.Tokens(); tokens > 0 {
		prompt = float64(tokens-b.Decode) / float64(tokens)
	}
	m.out.Parts.add(t, prompt, seconds-device, n)
	m.out.Steps += int(steps)
	if len(b.Chunks) == 0 {
		m.out.DecodeSteps += int(steps)
		m.out.DecodeS += n * seconds
	}
	m.out.Running += n * seconds * float64(b.Decode)
	if len(m.waiting) > 0 {
		m.out.Queued += n * seconds
	}
	m.now += n * seconds
	m.last = seconds
	m.settle(decoding, took, steps, seconds)
}

// admits says whether a waiting request has room in the cache now.
func (m *simulation) admits(i int) bool {
	r := &m.all[i]
	if int64(len(m.running)+len(m.partly)) >= m.Engine.MaxBatch || m.Engine.Policy == Static && !m.filling() {
		return false
	}
	need := m.blocks(r.input + r.given)
	if m.Engine.Reserves {
		need = m.blocks(r.input + r.output)
	}
	return m.used+need <= m.capacity()
}

// prompts adds chunks of prompts to the step, begun ones first, and returns
// whose they are.
func (m *simulation) prompts(b *llm.Batch, budget int64) []int {
	var took []int
	take := func(i int, whole bool) bool {
		r := &m.all[i]
		n := min(r.left, budget)
		if n < 1 || whole && n < r.left && len(took) > 0 {
			return false
		}
		budget -= n
		context := r.input + r.given - r.left + n
		b.Chunks = append(b.Chunks, llm.Chunk{Query: n, Context: context, Last: n == r.left})
		r.left -= n
		took = append(took, i)
		return true
	}
	// A prompt longer than the whole budget is cut in any case.
	whole := m.Engine.Policy == WholePrompts
	for _, i := range m.partly {
		if !take(i, false) {
			return took
		}
	}
	for len(m.waiting) > 0 && m.admits(m.waiting[0]) {
		i := m.waiting[0]
		r := &m.all[i]
		if m.Engine.Policy == Disaggregated {
			m.waiting = m.waiting[1:]
			m.used += m.held(r)
			m.running = append(m.running, i)
			continue
		}
		if !take(i, whole) {
			break
		}
		m.waiting = m.waiting[1:]
		if m.Engine.Reserves {
			m.used += m.blocks(r.input + r.output)
		} else {
			m.used += m.blocks(r.input + r.given)
		}
		r.cached = r.input + r.given
		r.again = r.given > 0
		m.partly = append(m.partly, i)
	}
	return took
}

// filling reports a static batch that no sequence of has a token yet.
func (m *simulation) filling() bool {
	for _, i := range m.running {
		if m.all[i].given > 1 {
			return false
		}
	}
	return true
}

// leap is how many decode steps nothing interrupts: until the first sequence
// ends, a request arrives, or the cache is full.
func (m *simulation) leap() int64 {
	n := int64(longestLeap)
	for _, i := range m.running {
		n = min(n, m.all[i].output-m.all[i].given)
	}
	if m.next < m.opened {
		// One arrives meanwhile, after about so many steps.
		n = min(n, int64(math.Ceil((m.all[m.next].ready-m.now)/max(m.last, 1e-6))))
	}
	if !m.Engine.Reserves && m.CacheTokens > 0 {
		each := int64(len(m.running))
		free := (m.capacity() - m.used) * max(m.Engine.BlockTokens, 1)
		if each > 0 && free < each*n {
			n = max(min(n, free/each), 1)
		}
	}
	return max(n, 1)
}

// settle gives the step's tokens, ends sequences, and moves prompts that are
// whole to the running.
func (m *simulation) settle(decoding, took []int, steps int64, seconds float64) {
	if len(decoding) == 0 && len(m.running) > 0 {
		m.paused += float64(steps) * seconds
	}
	if len(decoding) > 0 {
		even := steps
		if m.paused > 0 {
			m.out.ITL = append(m.out.ITL, Gap{seconds + m.paused, float64(len(decoding))})
			m.paused, even = 0, even-1
		}
		m.out.ITL = append(m.out.ITL, Gap{seconds, float64(even) * float64(len(decoding))})
		kept := m.running[:0]
		for _, i := range m.running {
			r := &m.all[i]
			before := m.held(r)
			r.given += steps
			if r.given >= r.output {
				m.used -= before
				m.ends(r)
				continue
			}
			m.used += m.held(r) - before
			kept = append(kept, i)
		}
		m.running = kept
	}
	if len(took) > 0 {
		kept := m.partly[:0]
		for _, i := range m.partly {
			r := &m.all[i]
			if r.left > 0 {
				kept = append(kept, i)
				continue
			}
			before := m.held0(r)
			if !r.again {
				r.first = m.now
			}
			r.cached = r.input
			r.given++
			if r.given >= r.output {
				m.used -= before
				m.ends(r)
				continue
			}
			m.used += m.held(r) - before
			m.running = append(m.running, i)
		}
		m.partly = kept
	}
	for !m.Engine.Reserves && m.used > m.capacity() && len(m.running) > 1 {
		m.preempt()
	}
}

// held0 is the blocks that a prompt took as it was let in.
func (m *simulation) held0(r *request) int64 {
	if m.Engine.Reserves {
		return m.blocks(r.input + r.output)
	}
	return m.blocks(r.cached)
}

// preempt puts the sequence that came last back in front of the queue; its
// tokens are computed again.
func (m *simulation) preempt() {
	i := m.running[len(m.running)-1]
	m.running = m.running[:len(m.running)-1]
	r := &m.all[i]
	m.used -= m.held(r)
	r.left = r.input + r.given
	m.waiting = append([]int{i}, m.waiting...)
	m.out.Preempted++
}

func (m *simulation) ends(r *request) {
	r.end = m.now
	m.place()
}

// finish works out what the requests saw.
func (m *simulation) finish() {
	o := &m.out
	from := int(m.load.Warmup * float64(len(m.all)))
	begin, end := math.Inf(1), 0.0
	for _, r := range m.all[from:] {
		if math.IsNaN(r.end) || r.end == 0 {
			continue
		}
		o.Requests++
		o.Tokens += float64(r.output)
		o.TTFT = append(o.TTFT, r.first-r.arrival)
		if r.cut {
			continue
		}
		o.Latency = append(o.Latency, r.end-r.arrival)
		if r.output > 1 {
			o.TPOT = append(o.TPOT, (r.end-r.first)/float64(r.output-1))
		}
		begin, end = min(begin, r.arrival), max(end, r.end)
	}
	o.Seconds = end - begin
	if m.now > 0 {
		o.Running /= m.now
		o.Queued /= m.now
	}
}
