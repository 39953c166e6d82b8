package gpu

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"

	"bench/cuda"
	"bench/datasets"
	"bench/microbench"
)

// Operands of collectives are small whole numbers, so that every sum is exact in
// every type and an answer is right to the last bit or wrong.

// period is after how many elements a rank's numbers repeat: a prime, so that an
// element of another place, chunk or rank is hardly ever the right one.
const period = 65521

// number is element i of a rank's operand. With so many ranks the sum of all
// stays at or below 255, which bf16, with 8 bits, holds exactly; int8 to 127.
func number(t datasets.DType, ranks, rank int, i int64) int {
	most := 255
	if t == datasets.INT8 {
		most = 127
	}
	i %= period
	return int((i*7+i/13+int64(rank)*5)%int64(max(2, min(8, most/max(ranks, 1)+1)))) & 7
}

// encode appends a small whole number as an element.
func encode(b []byte, t datasets.DType, v int) []byte {
	switch t {
	case datasets.FP64:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(v)))
	case datasets.FP32:
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
	case datasets.BF16:
		return binary.LittleEndian.AppendUint16(b, uint16(math.Float32bits(float32(v))>>16))
	case datasets.FP16:
		if v == 0 {
			return append(b, 0, 0)
		}
		e := bits.Len(uint(v)) - 1
		return binary.LittleEndian.AppendUint16(b, uint16((e+15)<<10|(v<<10>>e)&0x3ff))
	}
	return append(b, byte(v))
}

// fill writes a rank's operand of so many bytes: one period from the host, and
// the rest copied on the device from what is there.
func (c *collective) fill(r *rank, size int64) error {
	t := c.w.Type
	var block []byte
	for i := int64(0); i < period && int64(len(block)) < size; i++ {
		block = encode(block, t, number(t, c.w.Ranks, r.number, i))
	}
	if err := r.ctx.ToDevice(r.from, block); err != nil {
		return err
	}
	for have := int64(len(block)); have < size; {
		n := min(have, size-have)
		if err := r.stream.Copy(r.from+cuda.Ptr(have), r.from, n); err != nil {
			return err
		}
		have += n
	}
	return r.stream.Sync()
}

// expected is element i of a rank's result.
func (c *collective) expected(rank int, i int64) int {
	w := c.w
	value := func(rank int, i int64) int { return number(w.Type, w.Ranks, rank, i) }
	sum := func(i int64) (s int) {
		for r := range w.Ranks {
			s += value(r, i)
		}
		return s
	}
	switch w.Kind {
	case "all_reduce":
		return sum(i)
	case "all_gather":
		return value(int(i/c.chunk), i%c.chunk)
	case "reduce_scatter":
		return sum(int64(rank)*c.chunk + i)
	case "broadcast":
		return value(0, i)
	case "all_to_all":
		return value(int(i/c.chunk), int64(rank)*c.chunk+i%c.chunk)
	}
	return value((rank+w.Ranks-1)%w.Ranks, i) // send_recv
}

// A result of up to wholeBytes is looked at whole, a larger one in checkWindows
// windows, the first and the last element among them.
const (
	wholeBytes   = 16 << 20
	checkWindows = 64
)

// windows are the parts of a result of so many bytes to look at, as offset and
// length, in whole elements.
func windows(size, element int64) (out [][2]int64) {
	if size <= wholeBytes {
		return [][2]int64{{0, size}}
	}
	length := int64(wholeBytes / checkWindows)
	for i := range int64(checkWindows) {
		at := (size - length) / (checkWindows - 1) * i / element * element
		if i == checkWindows-1 {
			at = size - length
		}
		out = append(out, [2]int64{at, length})
	}
	return out
}

// verify runs the collective once on fresh operands and compares every rank's
// result, bit by bit.
func (c *collective) verify() (microbench.Check, error) {
	var out microbench.Check
	if err := c.lib.Enqueue(c.calls...); err != nil {
		return out, err // there is nothing to wait for
	}
	if err := c.wait(); err != nil {
		return out, err
	}
	element := int64(c.w.Type.Size())
	for _, r := range c.ranks {
		size := c.w.SizeBytes
		if c.w.Kind == "reduce_scatter" {
			size /= int64(c.w.Ranks)
		}
		for _, window := range windows(size, element) {
			got := make([]byte, window[1])
			if err := r.ctx.ToHost(got, r.to+cuda.Ptr(window[0])); err != nil {
				return out, err
			}
			var want []byte
			for i := int64(0); i < window[1]; i += element {
				want = encode(want[:0], c.w.Type, c.expected(r.number, (window[0]+i)/element))
				out.Checked++
				if !bytes.Equal(got[i:i+element], want) {
					out.Wrong++
					out.MaxRelError = 1 // there is no being nearly right
				}
			}
		}
	}
	return out, nil
}
