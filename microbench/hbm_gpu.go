package microbench

import (
	"slices"

	"bench/datasets"
)

// Sizes that stand in where a GPU hides its own: an A100's L2, and little memory.
const (
	assumedL2     = 40 << 20
	assumedMemory = 16 << 30
)

// gpuStreams are the passes over a GPU's memory, the copies of its engine and
// over the host link, latencies and the launch, all on one GPU.
func (a *axes) gpuStreams() (out []datasets.Workload) {
	if len(a.Ranks) > 0 && !slices.Contains(a.Ranks, 1) {
		return nil // memory is measured on one GPU
	}
	add := func(kernel string, t datasets.DType, size int64) {
		s := datasets.Stream{Kernel: kernel, Type: t, SizeBytes: size, Ranks: 1}
		// Whole lines of the L2 of each array, so that the bytes counted are moved.
		if r, w := s.Arrays(); r+w > 0 {
			unit := int64(r+w) * 128
			s.SizeBytes = max(size/unit*unit, unit)
		}
		out = append(out, s)
	}
	if len(a.SizesBytes) == 0 {
		out = append(out, datasets.Stream{Kernel: "launch", Ranks: 1})
	}
	sizes, fewer := a.gpuSizes()
	for _, size := range sizes {
		add("latency", datasets.I64, size)
	}
	if len(a.DTypes) == 0 {
		for _, size := range fewer {
			add("copy_engine", datasets.INT8, size)
		}
		for _, size := range or(a.SizesBytes, map[Profile][]int64{Quick: {64 << 10, 64 << 20}, Standard: {64 << 10, 1 << 20, 16 << 20, 256 << 20},
			Full: {4 << 10, 64 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20, 1 << 30}}[a.Profile]...) {
			add("host_to_device", datasets.INT8, size)
			add("device_to_host", datasets.INT8, size)
		}
	}
	// The first type is swept; of the others, what their arithmetic changes shows
	// at a few sizes.
	types := or(a.DTypes, map[Profile][]datasets.DType{Quick: {datasets.FP32}, Standard: {datasets.FP32, datasets.FP64, datasets.BF16},
		Full: {datasets.FP32, datasets.FP64, datasets.BF16, datasets.FP16, datasets.FP8, datasets.INT8}}[a.Profile]...)
	for i, t := range types {
		if _, ok := a.dev.PeakFLOPs[t]; !ok && len(a.dev.PeakFLOPs) > 0 || t == datasets.I64 || t == datasets.INT4 {
			continue
		}
		swept := sizes
		if i > 0 && len(a.DTypes) == 0 {
			swept = fewer
		}
		for _, size := range swept {
			add("read", t, size)
			add("write", t, size)
		}
		for _, size := range fewer {
			add("copy", t, size)
			if t != datasets.FP8 && t != datasets.INT8 {
				add("scale", t, size)
				add("triad", t, size)
				add("dot", t, size)
			}
		}
	}
	return out
}

// gpuSizes are the working sets: all for read, write and latency, fewer for the
// rest. They run from a quarter of the L2 to three quarters of memory. Quick
// has two within the L2, and one of which the L2 can hold but a thirty-second.
func (a *axes) gpuSizes() (sizes, fewer []int64) {
	if len(a.SizesBytes) > 0 {
		return a.SizesBytes, a.SizesBytes
	}
	l2, memory := int64(a.dev.Cache(2).SizeBytes.Value), int64(a.dev.MemoryBytes.Value)
	if l2 == 0 {
		l2 = assumedL2
	}
	if memory == 0 {
		memory = assumedMemory
	}
	top := memory / 4 * 3
	if a.Profile == Quick {
		return []int64{l2 / 4, l2 / 2, min(32*l2, top)}, []int64{l2 / 2, min(32*l2, top)}
	}
	for s := l2 / 4; s < top; s *= 2 {
		sizes = append(sizes, s)
		if a.Profile == Full && s*3/2 < top {
			sizes = append(sizes, s*3/2)
		}
	}
	fewer = []int64{l2 / 2, min(32*l2, top)}
	if a.Profile == Full {
		fewer = []int64{l2 / 4, l2 / 2, min(4*l2, top), min(32*l2, top), min(256*l2, top)}
	}
	sizes, fewer = append(sizes, top), append(fewer, top)
	return slices.Compact(sizes), slices.Compact(fewer)
}
