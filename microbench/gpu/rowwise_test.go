package gpu

import (
	"errors"
	"strings"
	"testing"

	"bench/cuda/fakedriver"
	"bench/datasets"
	"bench/microbench"
)

func rowwise(kernel string, t datasets.DType, rows, cols int64) datasets.Stream {
	s := datasets.Stream{Kernel: kernel, Type: t, Rows: rows, Cols: cols, Ranks: 1}
	reads, writes := s.Arrays()
	s.SizeBytes = int64(reads+writes) * rows * cols * int64(t.Size())
	return s
}

func TestRowwiseOperatorsAgreeWithReference(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	for _, kernel := range []string{"rms_norm", "layer_norm", "softmax", "gelu", "silu_mul", "rope", "add", "embedding"} {
		if !isRowwise(kernel) {
			t.Error(kernel)
		}
		for _, d := range []datasets.DType{datasets.FP32, datasets.BF16, datasets.FP16} {
			for _, cols := range []int64{8, 1000, 4096} {
				c, err := b.prepareRowwise(rowwise(kernel, d, 5, cols))
				if err != nil {
					t.Fatalf("%s %s, %d columns: %v", kernel, d, cols, err)
				}
				if got, err := c.Check(); err != nil || got.Wrong != 0 || got.Checked == 0 {
					t.Errorf("%s %s, %d columns: %+v, %v", kernel, d, cols, got, err)
				}
				c.Close()
			}
		}
	}
}

func TestRowwiseOperatorsRefuse(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	wrong := rowwise("add", datasets.BF16, 5, 64)
	wrong.SizeBytes++
	for want, w := range map[string]datasets.Stream{
		"not int8":                 rowwise("gelu", datasets.INT8, 2, 64),
		"row of gelu is 12":        rowwise("gelu", datasets.BF16, 2, 12),
		"rows of up to 32768":      rowwise("softmax", datasets.BF16, 2, 40000),
		"rows of up to 16384":      rowwise("softmax", datasets.FP32, 2, 20000),
		"5 rows of 64 elements":    wrong,
		"GB of GPU memory are":     rowwise("add", datasets.FP32, 1<<30, 8192),
		"measured on one GPU, not": func() datasets.Stream { s := rowwise("add", datasets.BF16, 5, 64); s.Ranks = 2; return s }(),
	} {
		_, err := b.prepareRowwise(w)
		var s *microbench.SkipError
		if !errors.As(err, &s) || !strings.Contains(s.Reason, want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}
