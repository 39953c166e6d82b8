package host

/*
#include "layer.h"
*/
import "C"

import "unsafe"

// Views of a prepared case for the tests, which may not use cgo themselves.

func setISA(c *layerCase, isa ISA) { (*C.layer_arg)(c.arg).ops = C.vector_ops_of(C.int(isa)) }

func layerCopies(c *layerCase) int64 { return int64((*C.layer_arg)(c.arg).copies) }

func layerOut(c *layerCase, n int64) []float32 {
	return unsafe.Slice((*float32)((*C.layer_arg)(c.arg).out), n)
}

// layerDown is the down projection of the first copy, as it lies in memory.
func layerDown(c *layerCase, n int64) []float32 {
	a := (*C.layer_arg)(c.arg)
	return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.base), a.experts.down.offset)), n)
}

// swapPlaces exchanges the gathered rows' experts 0 and 1 behind the check's
// back: the weights in memory change places, their definition does not.
func swapPlaces(c *layerCase) {
	a := (*C.moe_arg)(c.arg)
	m := a.experts.down
	n := int64(C.matrix_elements(&m))
	w := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.base), m.offset)), 2*n)
	for i := range n {
		w[i], w[n+i] = w[n+i], w[i]
	}
}
