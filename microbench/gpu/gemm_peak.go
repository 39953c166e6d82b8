package gpu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"bench/cuda"
	"bench/cuda/kernels"
	"bench/datasets"
	"bench/microbench"
)

// peak is a kernel that keeps every SM's multipliers busy from registers or
// shared memory (kernels.Peak).
type peak struct {
	b        *Backend
	kernel   kernels.Peak
	function *cuda.Function
	// a and bt are random operands, zeroA and zeroB zeros for Options.Zeros.
	a, bt, zeroA, zeroB, out cuda.Ptr
	passes                   int64
	blocks                   int
}

func (b *Backend) preparePeak(w datasets.GEMM) (microbench.Case, error) {
	d := b.gpus[0].device
	k, ok := kernels.PeakFor(string(w.Type), d.Major, d.Minor)
	if !ok {
		return nil, skip("gemm/peak %s: compute capability %d.%d has no kernel for it here", w.Type, d.Major, d.Minor)
	}
	p := &peak{b: b, kernel: k, blocks: d.SMs * k.BlocksPerSM}
	pass := k.FLOPs() * int64(p.blocks)
	// An even number: the wgmma kernels count in twos.
	p.passes = w.Ops / pass
	if p.passes < 2 || p.passes%2 != 0 || p.passes*pass != w.Ops {
		return nil, skip("gemm/peak %s: %d FLOP are no even number of passes of %d SMs, which are %d FLOP each", w.Type, w.Ops, d.SMs, pass)
	}
	if p.passes > k.MaxPasses() {
		return nil, skip("gemm/peak %s: %d FLOP are %d passes, of which sums stay exact for %d", w.Type, w.Ops, p.passes, k.MaxPasses())
	}
	var err error
	if p.function, err = b.function(k.File, k.Kernel); err != nil {
		return nil, err
	}
	a, bt := k.Operands()
	arena := b.memory()
	p.a, p.bt = arena.upload(a), arena.upload(bt)
	p.zeroA, p.zeroB = arena.upload(make([]byte, len(a))), arena.upload(make([]byte, len(bt)))
	p.out = arena.alloc(p.bytes())
	if arena.err != nil {
		arena.free()
		return nil, arena.err
	}
	return b.newCase(work{enqueue: p.enqueue, check: p.check, close: arena.free, name: "builtin",
		version: fmt.Sprintf("%s, %s, %d x %d threads", k.Instruction, kernelsText(d.Major, d.Minor), p.blocks, k.Threads)}), nil
}

// bytes of the results.
func (p *peak) bytes() int64 {
	return int64(p.blocks * p.kernel.Tiles * p.kernel.Rows * p.kernel.Columns * p.kernel.OutSize())
}

func (p *peak) launch(s *cuda.Stream, a, bt cuda.Ptr, passes int64) error {
	return s.Launch(p.function, cuda.Launch{Grid: [3]int{p.blocks}, Block: [3]int{p.kernel.Threads}}, p.out, a, bt, int32(passes))
}

func (p *peak) enqueue(s *cuda.Stream, _ int64) error {
	if p.b.options.Zeros {
		return p.launch(s, p.zeroA, p.zeroB, p.passes)
	}
	return p.launch(s, p.a, p.bt, p.passes)
}

// check runs the kernel on random operands, whatever is measured, and compares
// every sum of every block with its exact value. Multiply-adds whose factor is 1 do
// not show that they multiply: with 2 they are Σ 2^i = 2^passes − 1 times the term.
func (p *peak) check() (microbench.Check, error) {
	var out microbench.Check
	if err := p.checkRun(&out, p.a, p.passes, p.passes); err != nil || p.kernel.K > 1 {
		return out, err
	}
	two := p.b.memory()
	defer two.free()
	factor := two.scalar(2)
	if two.err != nil {
		return out, two.err
	}
	return out, p.checkRun(&out, factor, 8, 1<<8-1)
}

// checkRun makes passes and compares with the sums that so many of a factor of 1
// would come to.
func (p *peak) checkRun(out *microbench.Check, a cuda.Ptr, passes, sums int64) error {
	g := p.b.gpus[0]
	if err := errors.Join(g.stream.Fill8(p.out, 0xff, p.bytes()), p.launch(g.stream, a, p.bt, passes), g.wait(answerWithin)); err != nil {
		return err
	}
	raw := make([]byte, p.bytes())
	if err := g.ctx.ToHost(raw, p.out); err != nil {
		return err
	}
	wrong, checked := p.kernel.Wrong(raw, sums)
	out.Wrong += wrong
	out.Checked += checked
	return nil
}

// upload allocates room for bytes and copies them there.
func (m *memory) upload(raw []byte) cuda.Ptr {
	p := m.alloc(int64(len(raw)))
	if m.err == nil {
		m.err = m.ctx.ToDevice(p, raw)
	}
	return p
}

// scalar is the address of a float.
func (m *memory) scalar(v float32) cuda.Ptr {
	return m.upload(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
}
