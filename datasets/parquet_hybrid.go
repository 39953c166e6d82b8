package datasets

import "encoding/binary"

// appendHybrid appends numbers below 2^width in the hybrid of run lengths and
// bit packing (Apache Parquet, Encodings.md, "RLE / Bit-Packing Hybrid"):
// eight alike or more are a run, others are packed in groups of eight.
func appendHybrid[T uint8 | uint32](b []byte, v []T, width uint) []byte {
	for len(v) > 0 {
		run := 1
		for run < len(v) && v[run] == v[0] {
			run++
		}
		if run >= 8 || run == len(v) {
			b = appendRun(b, run, uint32(v[0]), width)
			v = v[run:]
			continue
		}
		n := 8
		for n < len(v) && !eightAlike(v[n:]) {
			n += 8
		}
		b = binary.AppendUvarint(b, uint64((n+7)/8)<<1|1)
		n = min(n, len(v))
		b = appendPacked(b, v[:n], width)
		v = v[n:]
	}
	return b
}

// appendRun appends n times one number.
func appendRun(b []byte, n int, v uint32, width uint) []byte {
	b = binary.AppendUvarint(b, uint64(n)<<1)
	for i := uint(0); i < width; i += 8 {
		b = append(b, byte(v>>i))
	}
	return b
}

func eightAlike[T uint8 | uint32](v []T) bool {
	return len(v) >= 8 && v[1] == v[0] && v[2] == v[0] && v[3] == v[0] && v[4] == v[0] && v[5] == v[0] && v[6] == v[0] && v[7] == v[0]
}

// appendPacked packs numbers from the lowest bit on, width bytes for every
// eight numbers; zeros fill up the last eight.
func appendPacked[T uint8 | uint32](b []byte, v []T, width uint) []byte {
	for len(v) >= 8 && width <= 8 { // eight numbers fit one word
		g := v[:8]
		w := uint64(g[0]) | uint64(g[1])<<width | uint64(g[2])<<(2*width) | uint64(g[3])<<(3*width) |
			uint64(g[4])<<(4*width) | uint64(g[5])<<(5*width) | uint64(g[6])<<(6*width) | uint64(g[7])<<(7*width)
		b = binary.LittleEndian.AppendUint64(b, w)
		b = b[:len(b)-8+int(width)]
		v = v[8:]
	}
	acc, bits := uint64(0), uint(0)
	for i := 0; i < (len(v)+7)/8*8; i++ {
		if i < len(v) {
			acc |= uint64(v[i]) << bits
		}
		for bits += width; bits >= 8; bits -= 8 {
			b = append(b, byte(acc))
			acc >>= 8
		}
	}
	return b
}
