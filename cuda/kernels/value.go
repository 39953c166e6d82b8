package kernels

import (
	"math"
	"math/bits"
)

// Value is element i of what bench_fill_* writes with a scale of 1: uniform in
// [-1, 1), a multiple of 2^-23, by SplitMix64 at position i of the seed (hash.cuh).
func Value(seed uint64, i int64) float64 {
	return float64(int64(hash(seed, uint64(i))>>40)-1<<23) / (1 << 23)
}

// BF16 rounds to bfloat16, to nearest, ties to even.
func BF16(v float32) uint16 {
	u := math.Float32bits(v)
	if v != v {
		return 0x7fff
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// FromBF16 widens.
func FromBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// FP16 rounds to IEEE binary16, to nearest, ties to even.
func FP16(v float32) uint16 {
	if v != v {
		return 0x7fff
	}
	return uint16(narrow(float64(v), 10, 15, 0x7c00, 0x7c00, 0x8000))
}

// FromFP16 widens.
func FromFP16(b uint16) float32 {
	if b&0x7c00 == 0x7c00 {
		if b&0x3ff != 0 {
			return float32(math.NaN())
		}
		return float32(math.Copysign(math.Inf(1), float64(int16(b))))
	}
	return widen(uint32(b), 10, 15, 0x8000)
}

// FP8 rounds to E4M3, to nearest, ties to even; what is larger than 448 becomes
// 448.
func FP8(v float32) uint8 {
	if v != v {
		return 0x7f
	}
	return uint8(narrow(float64(v), 3, 7, 0x7e, 0x7e, 0x80))
}

// FromFP8 widens.
func FromFP8(b uint8) float32 {
	if b&0x7f == 0x7f {
		return float32(math.NaN())
	}
	return widen(uint32(b), 3, 7, 0x80)
}

// INT8 rounds to nearest, ties to even, and saturates; NaN becomes 0.
func INT8(v float32) int8 {
	if v != v {
		return 0
	}
	return int8(math.RoundToEven(math.Max(-128, math.Min(127, float64(v)))))
}

// TF32 rounds to 10 bits of fraction, to nearest, ties away from zero.
func TF32(v float32) float32 {
	u := math.Float32bits(v)
	if u&0x7f800000 == 0x7f800000 {
		return v
	}
	return math.Float32frombits((u + 0x1000) &^ 0x1fff)
}

// narrow goes by the step between neighbours at |v|, in double, in which every
// float is exact: a way other than the kernels' own to the same bits. What
// rounds above `largest` becomes `over`.
func narrow(v float64, fractionBits, bias int, largest, over, sign uint32) uint32 {
	s := uint32(0)
	if math.Signbit(v) {
		s = sign
	}
	m := math.Abs(v)
	if math.IsInf(m, 0) {
		return s | over
	}
	if m == 0 {
		return s // Frexp gives it the exponent 0
	}
	_, e := math.Frexp(m) // m = f·2^e, f in [0.5, 1)
	e = max(e-1, 1-bias)
	steps := math.RoundToEven(math.Ldexp(m, fractionBits-e))
	bits := uint64(steps) + uint64(e-1+bias)<<fractionBits
	if bits > uint64(largest) {
		return s | over
	}
	return s | uint32(bits)
}

func widen(b uint32, fractionBits, bias int, sign uint32) float32 {
	e, f := int(b&(sign-1))>>fractionBits, float64(b&(1<<fractionBits-1))
	if e > 0 {
		f += float64(int(1) << fractionBits)
	} else {
		e = 1
	}
	v := math.Ldexp(f, e-bias-fractionBits)
	if b&sign != 0 {
		v = math.Copysign(v, -1)
	}
	return float32(v)
}

// hash is hash64 of hash.cuh.
func hash(seed, i uint64) uint64 {
	z := seed + (i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// ShuffledHalfBits is half the bits of the Feistel network that permutes n
// numbers: bench_chain's argument.
func ShuffledHalfBits(n int64) int { return max(1, (bits.Len64(uint64(max(n-1, 0)))+1)/2) }

// Shuffled is the line that comes i-th in bench_chain's cycle of n (latency.cu).
func Shuffled(i, n int64, seed uint64) int64 {
	half := ShuffledHalfBits(n)
	mask := uint64(1)<<half - 1
	for v := uint64(i); ; {
		left, right := v>>half, v&mask
		for round := range uint64(4) {
			left, right = right, left^hash(seed+round, right)&mask
		}
		if v = left<<half | right; v < uint64(n) {
			return int64(v)
		}
	}
}
