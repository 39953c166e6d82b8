package datasets

import "fmt"

// DType is the element type of a workload's operands.
type DType string

// The element types, named as the field names them. FP8 is E4M3, FP4
// E2M1.
const (
	FP64 DType = "fp64"
	FP32 DType = "fp32"
	TF32 DType = "tf32"
	BF16 DType = "bf16"
	FP16 DType = "fp16"
	FP8  DType = "fp8"
	INT8 DType = "int8"
	FP4  DType = "fp4"
	INT4 DType = "int4"
	I64  DType = "int64"
)

// DTypes lists every known element type.
var DTypes = []DType{FP64, FP32, TF32, BF16, FP16, FP8, INT8, FP4, INT4, I64}

// Size is the width of one element in bytes (0.5 for four bits), and 0 for an
// unknown type.
func (d DType) Size() float64 {
	switch d {
	case FP64, I64:
		return 8
	case FP32, TF32:
		return 4
	case BF16, FP16:
		return 2
	case FP8, INT8:
		return 1
	case FP4, INT4:
		return 0.5
	}
	return 0
}

// OutSize is the width in bytes of one element of a product's result: 8-bit
// and 4-bit products are accumulated wide and stored in 16 bits, as cuBLASLt
// and vLLM do on the GPU, except that int8 products are stored as int32.
func (d DType) OutSize() float64 {
	switch d {
	case FP8, FP4, INT4:
		return 2
	case INT8:
		return 4
	}
	return d.Size()
}

// ParseDType reads a type's name. The error names the known ones.
func ParseDType(s string) (DType, error) {
	for _, d := range DTypes {
		if string(d) == s {
			return d, nil
		}
	}
	return "", fmt.Errorf("unknown data type %q: use one of %v", s, DTypes)
}
