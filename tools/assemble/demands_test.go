package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sass is cuobjdump's text of a function whose instructions are given; "back N" is
// a branch to instruction N.
func sass(name string, instructions ...string) string {
	text := "\t\tFunction : " + name + "\n\t.headerflags\t@\"EF_CUDA_SM80\"\n"
	for i, in := range instructions {
		var to int
		if n, _ := fmt.Sscanf(in, "back %d", &to); n == 1 {
			in = fmt.Sprintf("@P0 BRA 0x%x", 16*to)
		}
		text += fmt.Sprintf("        /*%04x*/                   %s ;    /* 0x000000fffff17435 */\n", 16*i, in)
	}
	return text
}

func times(n int, instruction string) []string { return slices.Repeat([]string{instruction}, n) }

func body(parts ...[]string) []string { return slices.Concat(parts...) }

// Each kernel as it should be passes; tampered with, it is refused by what was done to it.
func TestHotLoopsThatCostTheCeilingAreRefused(t *testing.T) {
	mma := times(32, "HMMA.16816.F32.BF16 R4, R8, R12, R4")
	end := []string{"IADD3 R0, R0, 0x1, RZ", "ISETP.GE.AND P0, PT, R0, R1, PT", "back 0", "EXIT", "BRA 0x9990"}
	gmma := times(32, "HGMMA.64x256x16.F32.BF16 R24, gdesc[UR4], R24")
	load, store := times(4, "LDG.E.128.STRONG.GPU R4, [R2.64]"), times(4, "STG.E.128 [R2.64], R4")
	for _, c := range []struct {
		name         string
		instructions []string
		kernel       kernel
		want         string // of the one fault, or "" for none
	}{
		{"bench_peak_mma_bf16", body(mma, end), kernel{}, ""},
		{"bench_peak_mma_bf16", body(mma, times(1, "MOV R1, R2"), end), kernel{}, "32 of the 36 instructions of its hot loop are of the tensor cores, fewer than 90 %"},
		{"bench_peak_mma_bf16", times(40, "EXIT"), kernel{}, "0 of the 0 instructions"},
		{"bench_peak_mma_bf16", body(mma, end), kernel{spills: 8}, "8 bytes of registers are spilled"},
		{"bench_peak_mma_bf16", body(mma, end), kernel{cpuS: 4.9}, ""},
		{"bench_peak_mma_bf16", body(mma, end), kernel{cpuS: 12}, "ptxas takes 12.0 CPU s an entry of its file, more than 5"},
		{"bench_peak_mma_bf16", body(mma, times(1, "LDL R1, [R2]"), end[1:]), kernel{}, "uses local memory (LDL)"},
		{"bench_peak_wgmma_bf16", body(gmma, times(15, "MOV R1, R2"), times(100, "NOP"), end), kernel{}, ""},
		{"bench_peak_wgmma_bf16", body(gmma, times(100, "MOV R1, R2"), end), kernel{}, "more than 2 % of their cycles"},
		{"bench_peak_wgmma_bf16", body(gmma, end), kernel{serialized: true}, "has serialized its wgmma"},
		{"bench_peak_vector_fp32", body(times(256, "FFMA R1, R2, R3, R1"), end), kernel{}, ""},
		{"bench_peak_vector_fp32", body(times(128, "FFMA R1, R2, R3, R1"), end), kernel{}, "128 of the 131 instructions of its hot loop are FFMA"},
		{"bench_attention_bf16_d64", body(mma[:2], times(50, "FMUL R1, R2, R3"), end), kernel{}, ""},
		{"bench_attention_bf16_d64", body(times(50, "FFMA R1, R2, R3, R1"), end), kernel{}, "no instruction of the tensor cores"},
		{"bench_copy", body(load, store, end), kernel{}, ""},
		{"bench_copy", body(load, store[1:], times(1, "STG.E [R2.64], R4"), end), kernel{}, "7 loads and stores of 128 bits and 1 others"},
		{"bench_copy", body(times(8, "LDG.E.64 R4, [R2.64]"), end), kernel{}, "0 loads and stores of 128 bits and 8 others"},
		{"bench_checksum", body(times(8, "LDG.E.64 R4, [R2.64]"), end), kernel{}, ""},
	} {
		k := c.kernel
		k.name, k.loop = c.name, hotLoops(sass("bench_other", "EXIT") + sass(c.name, c.instructions...))[c.name]
		got := k.faults()
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s, loop of %v: faults %q, want %q", c.name, k.loop, got, c.want)
		}
	}
}

// The hot loop is one that holds no other, even where the one that holds it has more
// of everything, and one with two ways back to its start is the longer.
func TestHotLoopIsInnermost(t *testing.T) {
	inner := body(times(10, "LDG.E.64 R4, [R2.64]"), times(4, "LDG.E.128 R4, [R2.64]"), []string{"back 10"},
		times(3, "LDG.E.128 R4, [R2.64]"), []string{"back 0", "EXIT"})
	if got := hotLoop(sass("f", inner...)); got.String() != "4 LDG.128, 1 BRA" {
		t.Errorf("hot loop %v", got)
	}
	if got := hotLoop(sass("f", body(times(2, "LDG.E.128 R4, [R2.64]"), []string{"back 0"}, times(2, "LDG.E.128 R4, [R2.64]"), []string{"back 0"})...)); got.String() != "4 LDG.128, 2 BRA" {
		t.Errorf("hot loop %v", got)
	}
	if got := hotLoop(sass("f", "EXIT", "back 1", "NOP")); got.String() != "none" {
		t.Errorf("the padding's branch to itself is taken for a loop: %v", got)
	}
}

// A file that ptxas and cuobjdump really read, where they are.
func TestAssembles(t *testing.T) {
	tools, err := find()
	if err != nil {
		t.Skipf("%v (CUDA_TOOLS=DIR after ../shared/bin/cuda-tools DIR)", err)
	}
	tools.cache = t.TempDir()
	for _, arch := range []string{"sm_80", "sm_90a"} {
		kernels, err := tools.assemble("../../cuda/kernels/ptx/sentinel."+arch+".ptx", arch)
		if err != nil {
			t.Fatal(err)
		}
		again, err := tools.assemble("../../cuda/kernels/ptx/sentinel."+arch+".ptx", arch)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(kernels) {
			t.Errorf("kept: %v, %v; want %v", again, err, kernels)
		}
		if len(kernels) != 1 || kernels[0].name != "bench_sentinel" || kernels[0].registers < 1 || kernels[0].cpuS <= 0 || len(kernels[0].loop) == 0 || kernels[0].faults() != nil {
			t.Errorf("%s: %+v", arch, kernels)
		}
	}
	if _, err := tools.assemble("demands.go", "sm_80"); err == nil || !strings.Contains(err.Error(), "ptxas demands.go") {
		t.Errorf("assembling what is no PTX: %v", err)
	}
}
