// types.cuh: the narrow types as structs of bits, and their conversions, which
// are defined once, in integer arithmetic that is the same on both sides. On
// the device the instruction does it where every target has one.
#ifndef BENCH_TYPES_CUH
#define BENCH_TYPES_CUH

struct bf16 { unsigned short bits; };
struct fp16 { unsigned short bits; };
struct fp8 { unsigned char bits; };  // E4M3, no infinity (OCP 8-bit Floating Point Specification, 1.0)

DEVICE unsigned float_bits(float v)
{
	unsigned u;
	__builtin_memcpy(&u, &v, 4);
	return u;
}

DEVICE float bits_float(unsigned u)
{
	float v;
	__builtin_memcpy(&v, &u, 4);
	return v;
}

// to_float widens; exact.
DEVICE float to_float(float v) { return v; }
DEVICE float to_float(double v) { return (float)v; }
DEVICE float to_float(bf16 v) { return bits_float((unsigned)v.bits << 16); }
DEVICE float to_float(signed char v) { return (float)v; }

// The value of a sign, an exponent and a fraction: binary16 and E4M3 share it.
// A subnormal is its fraction scaled, which float holds exactly.
DEVICE float widen(unsigned sign, unsigned exponent, unsigned fraction, int fraction_bits, int bias)
{
	float magnitude;
	if (exponent != 0)
		magnitude = bits_float((exponent + 127 - bias) << 23 | fraction << (23 - fraction_bits));
	else
		magnitude = (float)fraction * bits_float((unsigned)(127 + 1 - bias - fraction_bits) << 23);
	return sign ? -magnitude : magnitude;
}

DEVICE float to_float(fp16 v)
{
#if !defined(BENCH_HOST)
	float f;
	asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(v.bits));
	return f;
#else
	unsigned e = v.bits >> 10 & 0x1f, f = v.bits & 0x3ff;
	if (e == 0x1f)
		return bits_float((unsigned)(v.bits >> 15) << 31 | 0x7f800000u | f << 13);
	return widen(v.bits >> 15, e, f, 10, 15);
#endif
}

DEVICE float to_float(fp8 v)
{
	unsigned e = v.bits >> 3 & 0xf, f = v.bits & 7;
	if (e == 15 && f == 7)
		return bits_float(0x7fc00000u);
	return widen(v.bits >> 7, e, f, 3, 7);
}

// Round to nearest, ties to even.
DEVICE bf16 to_bf16(float v)
{
#if !defined(BENCH_HOST)
	bf16 h;
	asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h.bits) : "f"(v));
	return h;
#else
	unsigned u = float_bits(v);
	if ((u & 0x7fffffffu) > 0x7f800000u)
		return bf16{0x7fff};
	return bf16{(unsigned short)((u + 0x7fffu + (u >> 16 & 1)) >> 16)};
#endif
}

// narrow rounds |v| to a format of fraction_bits and bias, to nearest, ties to
// even: the bits of exponent and fraction together. Not for NaN or infinity.
// What rounds above the format's largest comes out above it.
DEVICE unsigned narrow(unsigned magnitude, int fraction_bits, int bias)
{
	int exponent = (int)(magnitude >> 23) - 127 + bias;
	unsigned fraction = (magnitude & 0x7fffffu) | 0x800000u;
	int drop = 23 - fraction_bits;
	if (exponent <= 0) {
		drop += 1 - exponent;
		if (drop > 24)
			return 0;
		exponent = 1;
	}
	unsigned kept = fraction >> drop, rest = fraction & ((1u << drop) - 1), half = 1u << (drop - 1);
	kept += rest > half || (rest == half && (kept & 1));
	// The hidden one adds itself to the exponent where it is there.
	return ((unsigned)(exponent - 1) << fraction_bits) + kept;
}

DEVICE fp16 to_fp16(float v)
{
#if !defined(BENCH_HOST)
	fp16 h;
	asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(v));
	return h;
#else
	unsigned u = float_bits(v), m = u & 0x7fffffffu, sign = u >> 16 & 0x8000u;
	if (m > 0x7f800000u)
		return fp16{0x7fff};
	if (m == 0x7f800000u)
		return fp16{(unsigned short)(sign | 0x7c00u)};
	unsigned bits = narrow(m, 10, 15);
	return fp16{(unsigned short)(sign | (bits > 0x7c00u ? 0x7c00u : bits))};
#endif
}

// What is larger than 448, infinity too, becomes 448: cvt.rn.satfinite, as
// cuBLASLt's and every trainer's conversions do.
DEVICE fp8 to_fp8(float v)
{
	unsigned u = float_bits(v), m = u & 0x7fffffffu, sign = u >> 24 & 0x80u;
	if (m > 0x7f800000u)
		return fp8{0x7f};
	unsigned bits = m == 0x7f800000u ? 0x7eu : narrow(m, 3, 7);
	return fp8{(unsigned char)(sign | (bits > 0x7eu ? 0x7eu : bits))};
}

// Round to nearest, ties to even, and saturate; NaN becomes 0.
DEVICE signed char to_i8(float v)
{
	if (!(v > -128.0f))
		return v <= -128.0f ? -128 : 0;
	if (v >= 127.0f)
		return 127;
#if !defined(BENCH_HOST)
	int i;
	asm("cvt.rni.s32.f32 %0, %1;" : "=r"(i) : "f"(v));
	return (signed char)i;
#else
	return (signed char)__builtin_rintf(v);
#endif
}

// tf32 is a float whose low 13 bits the tensor core does not read; this rounds
// to nearest, ties away from zero: cvt.rna.tf32.f32, the only rounding that
// sm_80 has.
DEVICE float to_tf32(float v)
{
	unsigned u = float_bits(v);
	if ((u & 0x7fffffffu) >= 0x7f800000u)
		return v;
	return bits_float((u + 0x1000u) & ~0x1fffu);
}

// as<T> is the conversion by name, for templates over the element type.
template <typename T> struct converter;
template <> struct converter<float> { DEVICE float from(float v) { return v; } };
template <> struct converter<double> { DEVICE double from(double v) { return v; } };
template <> struct converter<bf16> { DEVICE bf16 from(float v) { return to_bf16(v); } };
template <> struct converter<fp16> { DEVICE fp16 from(float v) { return to_fp16(v); } };
template <> struct converter<fp8> { DEVICE fp8 from(float v) { return to_fp8(v); } };
template <> struct converter<signed char> { DEVICE signed char from(float v) { return to_i8(v); } };
template <typename T, typename F> DEVICE T as(F v) { return converter<T>::from(v); }

#endif
