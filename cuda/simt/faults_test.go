package simt

import (
	"strings"
	"testing"
)

func faults(t *testing.T) *Host {
	path, err := compile("simt/testdata/faults.cu", true)
	return open(t, path, err)
}

// A fault that a GPU would hide, hang on or crash by is found in every order.
func TestFaultsAreReported(t *testing.T) {
	h := faults(t)
	for _, c := range []struct {
		kernel string
		blocks uint32
		want   string // of every order's error, or "" where there is none
	}{
		{"fine", 3, "race: it writes"}, // its blocks write the same words
		{"fine", 1, ""},
		{"fine_warp", 1, ""},
		{"fine_atomic", 3, ""},
		{"fine_named", 1, ""},
		{"race_shared", 1, "race"},
		{"race_war", 1, "race"},
		{"race_warps", 1, "it reads byte"},
		{"race_global", 1, "race: it writes byte 0 of a global array that thread"},
		{"race_blocks", 2, "race: it writes byte 0 of a global array that thread 0 of block"},
		{"race_blocks", 1, ""},
		{"race_atomic", 1, "race"},
		{"race_shuffle", 1, "race"},
		{"bounds_read", 1, "out of bounds: it reads 4 bytes at byte"},
		{"bounds_write", 1, "out of bounds: it writes 4 bytes"},
		{"bounds_index", 1, "faults.cu:"},
		{"bounds_null", 1, "which is in no allocation"},
		{"bounds_dynamic", 1, "of 128 bytes of dynamic shared memory"},
		{"misaligned", 1, "misaligned"},
		{"unwritten", 1, "which no thread of its block has written"},
		{"diverge_lines", 1, "barrier divergence: some threads wait at faults.cu:"},
		{"diverge_leave", 1, "barrier divergence:"},
		{"diverge_warp", 1, "divergence within a warp"},
		{"diverge_mask", 1, "is not in the mask 0xff00"},
		{"deadlock_warp", 1, "deadlock in block (0,0,0)"},
		{"deadlock_named", 1, "32 at faults.cu:"},
		{"shuffle_absent", 1, "a shuffle reads lane 20"},
	} {
		for _, h.Order = range Orders {
			out, in := NewBuffer[int32](t, h, 64), NewBuffer[int32](t, h, 64)
			err := h.Launch(c.kernel, Dim3{c.blocks}, Dim3{64}, 128, out, in, int32(64))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%s x%d, %v: %v", c.kernel, c.blocks, h.Order, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), c.kernel+": ")):
				t.Errorf("%s x%d, %v: %v, want %q", c.kernel, c.blocks, h.Order, err, c.want)
			}
		}
	}
}

// Blocks that hand results over by a fence and an atomic are ordered, and
// without the fence they are not.
func TestLastBlock(t *testing.T) {
	h := faults(t)
	for _, h.Order = range Orders {
		out, partial, count := NewBuffer[int32](t, h, 1), NewBuffer[int32](t, h, 256), NewBuffer[uint32](t, h, 1)
		if err := h.Launch("fine_last_block", Dim3{4}, Dim3{64}, 0, out, partial, count); err != nil {
			t.Fatal(err)
		}
		if out.Data[0] != 256 || count.Data[0] != 0 {
			t.Errorf("%v: sum %d, count %d", h.Order, out.Data[0], count.Data[0])
		}
		if err := h.Launch("race_last_block", Dim3{4}, Dim3{64}, 0, out, partial, count); err == nil || !strings.Contains(err.Error(), "race") {
			t.Errorf("%v: %v, want a race", h.Order, err)
		}
	}
}

func TestLaunchRefusesWhatCUDAWould(t *testing.T) {
	h := faults(t)
	b := NewBuffer[int32](t, h, 64)
	for _, c := range []struct {
		name        string
		grid, block Dim3
		shared      int
		args        []any
		want        string
	}{
		{"no_such", Dim3{1}, Dim3{1}, 0, nil, "there is no kernel no_such"},
		{"fine", Dim3{1}, Dim3{64}, 0, []any{b}, "fine takes 3 arguments, not 1"},
		{"fine", Dim3{1}, Dim3{64}, 0, []any{b, b, 64}, "argument 2 is a int"},
		{"fine", Dim3{1}, Dim3{2048}, 0, []any{b, b, int32(64)}, "cannot be launched"},
		{"fine", Dim3{1}, Dim3{64}, 1 << 20, []any{b, b, int32(64)}, "cannot be launched"},
		{"fine", Dim3{1, 70000}, Dim3{64}, 0, []any{b, b, int32(64)}, "cannot be launched"},
	} {
		if err := h.Launch(c.name, c.grid, c.block, c.shared, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v %v: %v, want %q", c.name, c.grid, c.block, err, c.want)
		}
	}
}
