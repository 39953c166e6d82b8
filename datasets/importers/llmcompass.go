package importers

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"bench/datasets"
)

// llmcompass reads the measurements of Princeton's LLMCompass
// (github.com/PrincetonUniversity/LLMCompass, ae/figure5): comma-separated
// text without a header, FP16, hot operands, one operator a file, which its
// name tells: OPERATOR_DEVICE.csv.
//
//	matmul     M, K, N, time with its unit ("0.1900ms"), rate ("101.7124Tflops")
//	softmax    rows, columns, throughput
//	layernorm  rows, columns, throughput
//	gelu       elements, throughput
//
// A throughput is in 10^9 elements a second (plot_softmax.py labels its axis
// so). The data bear it out twice: 2 bytes in and 2 out an element give at most
// 1.56 TB/s on an A100 of 2.04 TB/s; and only with 10^9 are the small times
// whole multiples of 2^-22 s, the step of the clock (Python's time.time())
// that took them, or half way between where the median had two middles. A time is therefore the host's and includes a launch. The
// rate of a matmul must agree with its time, or the record is refused.
// LLMCompass calls its A100 the 80 GB one (hardware_model/device.py).
var llmcompass = format{
	name:       "llmcompass",
	about:      "operator measurements of Princeton LLMCompass, text: matmul, softmax, layernorm, gelu",
	extensions: []string{".csv", ".txt"},
	read:       readLLMCompass,
}

func readLLMCompass(b *batch, data []byte) error {
	name := strings.TrimSuffix(filepath.Base(b.file), filepath.Ext(b.file))
	operator, device, _ := strings.Cut(name, "_")
	var read func(fields []string) (datasets.Workload, float64, error)
	switch strings.ToLower(operator) {
	case "matmul":
		read = compassMatmul
	case "softmax":
		read = compassRowwise("softmax")
	case "layernorm":
		read = compassRowwise("layer_norm")
	case "gelu":
		read = compassGELU
	default:
		return fmt.Errorf("the file's name must be OPERATOR_DEVICE.csv with matmul, softmax, layernorm or gelu, and begins with %q", clip(operator))
	}
	for i, line := range b.lines(data) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Split(line, ",")
		for j := range fields {
			fields[j] = strings.TrimSpace(fields[j])
		}
		w, seconds, err := read(fields)
		if err != nil {
			b.refuse(int64(i+1), err.Error(), "not a line of "+operator)
			continue
		}
		b.add(observation{record: int64(i + 1), workload: w, device: device, timeS: seconds})
	}
	return nil
}

// counts reads the first n fields as whole numbers above zero.
func counts(fields []string, n int) ([]int64, error) {
	out := make([]int64, n)
	for i := range out {
		v, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil || v < 1 || v > maxCount {
			return nil, fmt.Errorf("field %d is no count: %q", i+1, clip(fields[i]))
		}
		out[i] = v
	}
	return out, nil
}

// quantity reads a number that carries its unit.
func quantity(field string, units map[string]float64) (float64, error) {
	for unit, factor := range units {
		digits, ok := strings.CutSuffix(field, unit)
		if v, err := strconv.ParseFloat(digits, 64); ok && err == nil {
			return v * factor, nil
		}
	}
	return 0, fmt.Errorf("no number with a known unit: %q", clip(field))
}

func compassMatmul(fields []string) (datasets.Workload, float64, error) {
	if len(fields) != 5 {
		return nil, 0, fmt.Errorf("%d fields, and M, K, N, time, rate are needed", len(fields))
	}
	n, err := counts(fields, 3)
	if err != nil {
		return nil, 0, err
	}
	seconds, err := quantity(fields[3], map[string]float64{"ms": 1e-3, "us": 1e-6, "ns": 1e-9})
	if err != nil {
		return nil, 0, err
	}
	rate, err := quantity(fields[4], map[string]float64{"Tflops": 1e12, "Gflops": 1e9})
	if err != nil {
		return nil, 0, err
	}
	w := datasets.GEMM{Kernel: "matmul", Type: datasets.FP16, M: n[0], K: n[1], N: n[2], Ranks: 1, Cache: datasets.Hot}
	// Both are printed to four decimals, a few tenths of a percent of the
	// shortest times.
	if got := w.FLOPs() / seconds; math.Abs(got/rate-1) > 0.01 {
		return nil, 0, fmt.Errorf("%s and %s contradict each other: 2·M·N·K over the time is %.4g Tflops", fields[3], fields[4], got/1e12)
	}
	return w, seconds, nil
}

// throughput turns 10^9 elements a second into seconds.
func throughput(field string, elements float64) (float64, error) {
	v, err := strconv.ParseFloat(field, 64)
	if err != nil || !(v > 0) {
		return 0, fmt.Errorf("no throughput above zero: %q", clip(field))
	}
	return elements / (v * 1e9), nil
}

func compassRowwise(kernel string) func([]string) (datasets.Workload, float64, error) {
	return func(fields []string) (datasets.Workload, float64, error) {
		if len(fields) != 3 {
			return nil, 0, fmt.Errorf("%d fields, and rows, columns, throughput are needed", len(fields))
		}
		n, err := counts(fields, 2)
		if err != nil {
			return nil, 0, err
		}
		seconds, err := throughput(fields[2], float64(n[0])*float64(n[1]))
		return rowwise(kernel, datasets.FP16, n[0], n[1]), seconds, err
	}
}

func compassGELU(fields []string) (datasets.Workload, float64, error) {
	if len(fields) != 2 {
		return nil, 0, fmt.Errorf("%d fields, and elements, throughput are needed", len(fields))
	}
	n, err := counts(fields, 1)
	if err != nil {
		return nil, 0, err
	}
	seconds, err := throughput(fields[1], float64(n[0]))
	return rowwise("gelu", datasets.FP16, 1, n[0]), seconds, err
}
