// Package reference holds, in double precision and by definition, what the
// kernels of a transformer's layer compute: their tests and the checks of a
// measured case compare with it.
package reference

import "math"

// RMSNorm is x / sqrt(mean(x²) + epsilon) · gain (Zhang and Sennrich, "Root
// Mean Square Layer Normalization", 2019).
func RMSNorm(x, gain []float64, epsilon float64) []float64 {
	square := 0.0
	for _, v := range x {
		square += v * v
	}
	by := 1 / math.Sqrt(square/float64(len(x))+epsilon)
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v * by * gain[i]
	}
	return y
}

// LayerNorm is (x − mean) / sqrt(variance + epsilon) · gain + bias (Ba, Kiros
// and Hinton, "Layer Normalization", 2016).
func LayerNorm(x, gain, bias []float64, epsilon float64) []float64 {
	n, mean, square := float64(len(x)), 0.0, 0.0
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		square += (v - mean) * (v - mean)
	}
	by := 1 / math.Sqrt(square/n+epsilon)
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = (v-mean)*by*gain[i] + bias[i]
	}
	return y
}

// Softmax is e^x / Σ e^x.
func Softmax(x []float64) []float64 {
	high, sum := math.Inf(-1), 0.0
	for _, v := range x {
		high = max(high, v)
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = math.Exp(v - high)
		sum += y[i]
	}
	for i := range y {
		y[i] /= sum
	}
	return y
}

// SiLU is x · sigmoid(x).
func SiLU(x float64) float64 { return x / (1 + math.Exp(-x)) }

// GELU in its tanh form (Hendrycks and Gimpel, "Gaussian Error Linear Units",
// 2016, section 2).
func GELU(x float64) float64 {
	return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

// RoPEBase is the base of the rotary embedding's angles.
const RoPEBase = 10000

// Angles are the rotary embedding's for one position: position · base^(−i/half)
// for each of half pairs (Su et al., "RoFormer", 2021, section 3.2.2).
func Angles(position int64, half int) []float64 {
	a := make([]float64, half)
	for i := range a {
		a[i] = float64(position) * math.Pow(RoPEBase, -float64(i)/float64(half))
	}
	return a
}

// Rotate turns each pair (i, i + half) of a head by its angle.
func Rotate(x, angles []float64) []float64 {
	half := len(x) / 2
	y := make([]float64, len(x))
	for i, a := range angles[:half] {
		sin, cos := math.Sincos(a)
		y[i] = x[i]*cos - x[i+half]*sin
		y[i+half] = x[i+half]*cos + x[i]*sin
	}
	return y
}

// Dot is Σ a·b.
func Dot(a, b []float64) float64 {
	s := 0.0
	for i, v := range a {
		s += v * b[i]
	}
	return s
}

// Attention is softmax(q·Kᵀ/√d)·V for one query head over context positions,
// whose keys and values the functions give.
func Attention(q []float64, context int, key, value func(position int) []float64) []float64 {
	scores := make([]float64, context)
	for t := range scores {
		scores[t] = Dot(q, key(t)) / math.Sqrt(float64(len(q)))
	}
	out := make([]float64, len(q))
	for t, p := range Softmax(scores) {
		for i, v := range value(t) {
			out[i] += p * v
		}
	}
	return out
}

// TopK are the k largest logits' indices, in falling order; of equal ones the
// lower index comes first.
func TopK(logits []float64, k int) []int32 {
	var out []int32
	taken := make([]bool, len(logits))
	for range k {
		best := -1
		for i, v := range logits {
			if !taken[i] && (best < 0 || v > logits[best]) {
				best = i
			}
		}
		taken[best] = true
		out = append(out, int32(best))
	}
	return out
}

// Shares are the softmax over the chosen logits alone.
func Shares(logits []float64, chosen []int32) []float64 {
	x := make([]float64, len(chosen))
	for i, e := range chosen {
		x[i] = logits[e]
	}
	return Softmax(x)
}
