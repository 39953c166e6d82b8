package datasets

// Widths are the bytes of an element of a product's operands, with the share of
// the scales that lie beside a block of elements.
type Widths struct{ Activation, Weight, Result float64 }

// formats are the quantised forms whose widths are not those of the type that is
// multiplied in: 0 is the type's. Scales that a whole row, column or tensor
// shares are not counted, nor those of int4 weights, whose groups differ from
// library to library (16 bits for 128 weights are 3 % more).
var formats = map[string]Widths{
	"": {}, "fp8_dynamic": {}, "fp8_static": {},
	// 32-bit scales of 128 × 128 weights and of 128 activations of a token
	// (DeepSeek-AI, "DeepSeek-V3", 2024, section 3.3.2).
	"fp8_block": {Activation: 1 + 4./128, Weight: 1 + 4./(128*128)},
	"int8_wo":   {Weight: 1},
	"int4_wo":   {Weight: 0.5},
	"w4afp8":    {Weight: 0.5},
	// An 8-bit exponent for 32 elements (Open Compute Project, "OCP Microscaling
	// Formats", 2023, section 5.2).
	"w4a16_mxfp4":             {Weight: 0.5 + 1./32},
	"w4a8_mxfp4_mxfp8":        {Activation: 1 + 1./32, Weight: 0.5 + 1./32},
	"w4a8_mxfp4_mxfp8_trtllm": {Activation: 1 + 1./32, Weight: 0.5 + 1./32},
	// An 8-bit scale for 16 elements (NVIDIA, "Introducing NVFP4", 2025).
	"nvfp4": {Activation: 0.5 + 1./16, Weight: 0.5 + 1./16},
	// SmoothQuant's int8 products give 16 bits.
	"sq": {Result: 2},
}

// knownFormat reports whether a form's widths are known, so that a product of it
// can be held against a peak.
func knownFormat(format string) bool {
	_, known := formats[format]
	return known
}

// WidthsOf is the widths of a product of the type and quantised form. Those of a
// form that is not known are the type's.
func WidthsOf(t DType, format string) Widths {
	w := formats[format]
	for _, side := range []struct {
		of    *float64
		plain float64
	}{{&w.Activation, t.Size()}, {&w.Weight, t.Size()}, {&w.Result, t.OutSize()}} {
		if *side.of == 0 {
			*side.of = side.plain
		}
	}
	return w
}
