package kernels

import (
	"math"
	"testing"
)

// Zero has no exponent to be found, and a sign to be kept.
func TestZeroIsZeroInEveryType(t *testing.T) {
	minus := float32(math.Copysign(0, -1))
	if FP16(0) != 0 || FP8(0) != 0 || BF16(0) != 0 || INT8(0) != 0 {
		t.Errorf("0 is %#x, %#x, %#x, %d", FP16(0), FP8(0), BF16(0), INT8(0))
	}
	if FP16(minus) != 0x8000 || FP8(minus) != 0x80 || BF16(minus) != 0x8000 {
		t.Errorf("-0 is %#x, %#x, %#x", FP16(minus), FP8(minus), BF16(minus))
	}
}
