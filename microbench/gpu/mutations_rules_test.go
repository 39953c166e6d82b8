package gpu

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bench/cuda/simt"
	"bench/microbench/mutation"
)

// unseen are the places where a rule's fault cannot show, or does not on the workloads
// here: how the code begins there, and why. All others must be seen.
var unseen = map[string]string{
	"for (int s = 0; s < strands; s++) high = max(":                                                       sameSoftmax,
	"for (int s = 0; s < splits; s++) high = max(":                                                        sameSoftmax,
	"for (unsigned w = 1; w < blockDim.x / 32; w++) v = max(":                                             sameSoftmax,
	"for (int j = 0; j < r.N; j++) high = max(":                                                           sameSoftmax,
	"for (int i = 0; i < ROW_HOLD; i++) #pragma unroll for (int j = 0; j < r.N; j++) high = max(":         sameSoftmax,
	"for (int i = 0; i < ROW_HOLD; i++) #pragma unroll for (int j = 0; j < r.N; j++) // Rounded":          "the layers here are too narrow for a thread's fourth vector",
	"__syncthreads(); if (lane_id() == 0) room[threadIdx.x / 32] = v; __syncthreads(); v = room[0];":      "no kernel takes a maximum after another reduction",
	"__syncthreads(); // The strands' parts":                                                              "no workload here has a split without a tile",
	"for (int pass = 0; pass < SENTINEL_PASSES":                                                           "the values come to their fixed point in the first pass",
	"for (int k = 0; k < SENTINEL_FMAS":                                                                   "the values come to their fixed point sooner",
	"for (int i = 0; i < 4; i++) #pragma unroll for (int t = 0; t < peak_tiles; t++) fb[t][i] = b[(8 * t": neverSet,
	"for (int t = 0; t < peak_tiles; t++) fb[t][i] = b[(8 * t":                                            neverSet,
}

const (
	sameSoftmax = "a softmax is the same relative to another maximum"
	neverSet    = "a register that is never set is undefined, and the host's compiler gives it the value of the other branch"
)

// withRules adds what rules make of the kernels and of the headers that the list puts
// faults into. On is all workloads of the kernel's faults, as allOf names it.
func withRules(list []mutation.Mutation) []mutation.Mutation {
	root, err := simt.Root()
	if err != nil {
		panic(err)
	}
	files := map[string]string{}
	for _, m := range list {
		file := m.File
		if file == "" {
			file = m.Kernel + ".cu"
		}
		files[file] = m.Kernel
	}
	for _, file := range sortedKeys(files) {
		text, err := os.ReadFile(filepath.Join(root, "cuda", "kernels", file))
		if err != nil {
			panic(err)
		}
		list = append(list, mutation.ByRule(files[file], file, string(text), allOf+files[file], sortedKeys(unseen)...)...)
	}
	return list
}

// allOf begins the name of all workloads of a kernel's faults.
const allOf = "all of "

// further are workloads for the rules alone.
var further = map[string][]string{"routing": {"moe wide"}, "grouped": {"moe wide"}, "stream": {"read int8"}, "rowwise": {"decode"}, "attention": {"attention narrow long"}}

// workloadsOn are the workloads of a mutation.
func workloadsOn(on string) (out []mutationWorkload) {
	kernel, all := strings.CutPrefix(on, allOf)
	if !all {
		return mutationWorkloads()[on]
	}
	names := map[string]bool{}
	for _, m := range mutations {
		names[m.On] = m.Kernel == kernel && !strings.HasPrefix(m.On, allOf) || names[m.On]
	}
	for _, name := range further[kernel] {
		names[name] = true
	}
	byName := mutationWorkloads()
	for _, name := range sortedKeys(names) {
		if names[name] {
			out = append(out, byName[name]...)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
