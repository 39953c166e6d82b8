package gpu

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"unsafe"

	"bench/cuda"
	"bench/datasets"
	"bench/microbench"
)

// transfer is a copy that a copy engine makes: within the GPU, or to or from
// pinned host memory.
type transfer struct {
	b     *Backend
	w     datasets.Stream
	bytes int64
	// host is the pinned memory, nil for copy_engine.
	host     unsafe.Pointer
	from, to cuda.Ptr
}

func (b *Backend) prepareCopy(w datasets.Stream) (microbench.Case, error) {
	c := &transfer{b: b, w: w, bytes: w.SizeBytes}
	memory := b.memory()
	if w.Kernel == "copy_engine" {
		c.bytes /= 2
		c.from = memory.alloc(c.bytes)
	}
	c.to = memory.alloc(c.bytes)
	free := func() error { return errors.Join(memory.free(), b.ctx.FreeHost(c.host)) }
	if memory.err != nil {
		return nil, errors.Join(memory.err, free())
	}
	if w.Kernel != "copy_engine" {
		var err error
		if c.host, err = b.ctx.AllocHost(max(c.bytes, 1)); err != nil {
			if e := (*cuda.Error)(nil); errors.As(err, &e) && e.OutOfMemory() {
				err = skip("hbm %s: %.2f GB of pinned host memory were refused: %v", w.Kernel, float64(c.bytes)/1e9, err)
			}
			return nil, errors.Join(err, free())
		}
	}
	name := map[string]string{"copy_engine": "cuMemcpyDtoDAsync", "host_to_device": "cuMemcpyHtoDAsync", "device_to_host": "cuMemcpyDtoHAsync"}[w.Kernel]
	return b.newCase(work{enqueue: c.enqueue, check: c.check, close: free, name: name, version: cuda.VersionText(b.driver.Version())}), nil
}

func (c *transfer) enqueue(s *cuda.Stream, _ int64) error {
	switch c.w.Kernel {
	case "host_to_device":
		return s.CopyToDevice(c.to, c.host, c.bytes)
	case "device_to_host":
		return s.CopyToHost(c.host, c.to, c.bytes)
	}
	return s.Copy(c.to, c.from, c.bytes)
}

// check copies random bytes and compares them: within the GPU by the sum of all
// and in windows, from and to the host in windows, the ends among them.
func (c *transfer) check() (microbench.Check, error) {
	var out microbench.Check
	b, random := c.b, rand.NewChaCha8([32]byte{2})
	parts := windows(c.bytes, 1)
	host := unsafe.Slice((*byte)(c.host), c.bytes*int64(boolInt(c.host != nil)))
	var want [][]byte
	for _, p := range parts {
		part := make([]byte, p[1])
		random.Read(part)
		var err error
		switch c.w.Kernel {
		case "host_to_device":
			copy(host[p[0]:], part)
		case "device_to_host":
			err = b.ctx.ToDevice(c.to+cuda.Ptr(p[0]), part)
		default:
			err = b.ctx.ToDevice(c.from+cuda.Ptr(p[0]), part)
		}
		if err != nil {
			return out, err
		}
		want = append(want, part)
	}
	if c.w.Kernel == "device_to_host" {
		clear(host)
	} else if err := b.stream.Fill8(c.to, 0, c.bytes); err != nil {
		return out, err
	}
	if err := c.enqueue(b.stream, 0); err != nil {
		return out, err
	}
	if err := b.gpus[0].wait(answerWithin); err != nil {
		return out, err
	}
	for i, p := range parts {
		got := make([]byte, p[1])
		if c.w.Kernel == "device_to_host" {
			copy(got, host[p[0]:])
		} else if err := b.ctx.ToHost(got, c.to+cuda.Ptr(p[0])); err != nil {
			return out, err
		}
		out.Checked += p[1]
		if !bytes.Equal(got, want[i]) {
			out.MaxRelError = 1
			for k := range got {
				out.Wrong += int64(boolInt(got[k] != want[i][k]))
			}
		}
	}
	if c.w.Kernel != "copy_engine" {
		return out, nil
	}
	from, err := b.checksum(c.from, c.bytes)
	if err != nil {
		return out, err
	}
	to, err := b.checksum(c.to, c.bytes)
	out.Wrong += int64(boolInt(from != to))
	return out, err
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
