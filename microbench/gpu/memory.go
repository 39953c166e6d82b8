package gpu

import (
	"errors"

	"bench/cuda"
	"bench/datasets"
)

// reserve is memory that is never handed out: kernels' local memory, cuBLASLt's
// and NCCL's own buffers live on it.
const reserve = 512 << 20

// memory is an arena: what one case allocates on one GPU. After the first
// error, allocations return 0 and err says why.
type memory struct {
	ctx  *cuda.Context
	ptrs []cuda.Ptr
	err  error
}

// memory is an arena on the first GPU.
func (b *Backend) memory() *memory { return b.gpus[0].memory() }

func (g *gpu) memory() *memory { return &memory{ctx: g.ctx} }

// alloc allocates device memory, aligned to 256 bytes at least. What does not fit
// beside the reserve is a *SkipError naming both sizes.
func (m *memory) alloc(bytes int64) cuda.Ptr {
	if m.err != nil {
		return 0
	}
	free, total, err := m.ctx.MemInfo()
	if err != nil {
		m.err = err
		return 0
	}
	if bytes > free-reserve {
		m.err = skip("%.2f GB of GPU memory are needed in one piece, and %.2f GB of %.2f GB are free, of which %.2f GB are left alone",
			float64(bytes)/1e9, float64(free)/1e9, float64(total)/1e9, reserve/1e9)
		return 0
	}
	p, err := m.ctx.Alloc(max(bytes, 1))
	if err != nil {
		if e := (*cuda.Error)(nil); errors.As(err, &e) && e.OutOfMemory() {
			err = skip("%.2f GB of GPU memory were refused though %.2f GB of %.2f GB are free: %v",
				float64(bytes)/1e9, float64(free)/1e9, float64(total)/1e9, err)
		}
		m.err = err
		return 0
	}
	m.ptrs = append(m.ptrs, p)
	return p
}

// free gives everything back and returns the first error.
func (m *memory) free() error {
	var first error
	for _, p := range m.ptrs {
		if err := m.ctx.Free(p); err != nil && first == nil {
			first = err
		}
	}
	m.ptrs = nil
	return first
}

// available is how many bytes a case may still allocate on the first GPU.
func (b *Backend) available() int64 {
	free, _, err := b.ctx.MemInfo()
	if err != nil {
		return 0
	}
	return max(0, free-reserve)
}

// fill sets n elements of a type to scale times random numbers in [−1, 1), which
// the same seed repeats (kernels.Value), or to zeros with Options.Zeros; it waits.
func (b *Backend) fill(p cuda.Ptr, t datasets.DType, n int64, seed uint64, scale float64) error {
	return b.gpus[0].fill(p, t, n, seed, scale, b.options.Zeros)
}

// fillNames are the types' names in the kernels; TF32 operands are FP32 numbers.
var fillNames = map[datasets.DType]string{datasets.FP64: "f64", datasets.FP32: "f32", datasets.TF32: "f32",
	datasets.BF16: "bf16", datasets.FP16: "fp16", datasets.FP8: "fp8", datasets.INT8: "i8"}

func (g *gpu) fill(p cuda.Ptr, t datasets.DType, n int64, seed uint64, scale float64, zeros bool) error {
	name, ok := fillNames[t]
	if !ok {
		return skip("no kernel fills operands of %s", t)
	}
	if zeros {
		if err := g.stream.Fill8(p, 0, int64(float64(n)*t.Size())); err != nil {
			return err
		}
		return g.stream.Sync()
	}
	f, err := g.function("fill", "bench_fill_"+name)
	if err != nil {
		return err
	}
	if err := g.stream.Launch(f, g.everySM(), p, n, seed, float32(scale)); err != nil {
		return err
	}
	return g.stream.Sync()
}

// everySM is a launch for kernels that stride over all elements, whatever the
// grid: 8 blocks of 256 threads an SM, which fill it.
func (g *gpu) everySM() cuda.Launch {
	return cuda.Launch{Grid: [3]int{8 * g.device.SMs}, Block: [3]int{256}}
}

// maxCopies bounds the copies of small operands, and with them the nodes of a
// graph over all.
const maxCopies = 1024

// blocks is how many copies of what an iteration touches a case rotates
// through, so that a cold operand is not in L2 any more when its turn comes: as
// many as make three times the L2; 1 where the operands are hot. No more than
// half the free memory's are made: where that is one, see work.flush.
func (b *Backend) blocks(cache datasets.Cache, touchedBytes int64) int64 {
	if cache != datasets.Cold || touchedBytes <= 0 {
		return 1
	}
	want := (3*b.gpus[0].device.L2Bytes + touchedBytes - 1) / touchedBytes
	fit := b.available() / 2 / touchedBytes
	return max(1, min(want, fit, maxCopies))
}
