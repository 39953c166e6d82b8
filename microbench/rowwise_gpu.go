package microbench

import "bench/datasets"

// rowShapes are rows × elements of the row-wise operators: a decode batch and a
// prefill of Llama 3 8B's and 70B's widths, and one that is larger than any L2.
var rowShapes = map[Profile][][2]int64{
	Quick:    {{32, 4096}, {4096, 8192}},
	Standard: {{1, 4096}, {32, 4096}, {256, 8192}, {4096, 4096}, {16384, 8192}},
	Full: {{1, 4096}, {8, 4096}, {32, 4096}, {128, 4096}, {512, 4096}, {2048, 4096}, {8192, 4096}, {32768, 4096},
		{1, 8192}, {8, 8192}, {32, 8192}, {128, 8192}, {512, 8192}, {2048, 8192}, {8192, 8192}, {32768, 8192}},
}

// gpuRowwise are the row-wise operators of a transformer, on one GPU.
func (a *axes) gpuRowwise() (out []datasets.Workload) {
	if len(a.SizesBytes) > 0 {
		return nil // their sizes are rows and columns
	}
	for _, t := range or(a.DTypes, datasets.BF16) {
		if t != datasets.BF16 && t != datasets.FP16 && t != datasets.FP32 {
			continue
		}
		for _, kernel := range []string{"rms_norm", "layer_norm", "softmax", "gelu", "silu_mul", "rope", "add", "embedding"} {
			for _, s := range rowShapes[a.Profile] {
				w := datasets.Stream{Kernel: kernel, Type: t, Rows: s[0], Cols: s[1], Ranks: 1}
				reads, writes := w.Arrays()
				w.SizeBytes = int64(reads+writes) * s[0] * s[1] * int64(t.Size())
				out = append(out, w)
			}
		}
	}
	return out
}
