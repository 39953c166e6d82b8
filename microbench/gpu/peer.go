package gpu

import (
	"bytes"
	"errors"
	"math/rand/v2"

	"bench/cuda"
	"bench/datasets"
	"bench/microbench"
)

// preparePeer is a copy from one GPU's memory to another's by a copy engine, half
// of w.SizeBytes each way round. GPUs that cannot reach each other are refused:
// the driver would copy by way of the host, which is another path.
func (b *Backend) preparePeer(w datasets.Stream) (microbench.Case, error) {
	i, j, err := w.Peers()
	if err != nil {
		return nil, err
	}
	if max(i, j) >= len(b.gpus) {
		return nil, skip("hbm peer: a copy from GPU %d to GPU %d, and this run has %d GPUs", i, j, len(b.gpus))
	}
	if err := b.open(max(i, j) + 1); err != nil {
		return nil, err
	}
	from, to := b.gpus[i], b.gpus[j]
	can, err := from.device.CanAccessPeer(to.device)
	if err != nil {
		return nil, err
	}
	if !can {
		return nil, skip("hbm peer: %s cannot reach the memory of %s", from, to)
	}
	if err := errors.Join(from.ctx.EnablePeer(to.ctx), to.ctx.EnablePeer(from.ctx)); err != nil {
		return nil, err
	}
	half := w.SizeBytes / 2
	source, target := from.memory(), to.memory()
	src, dst := source.alloc(half), target.alloc(half)
	free := func() error { return errors.Join(source.free(), target.free()) }
	if err := errors.Join(source.err, target.err); err != nil {
		return nil, errors.Join(err, free())
	}
	copyOver := func(s *cuda.Stream, _ int64) error { return s.CopyPeer(dst, to.ctx, src, from.ctx, half) }
	return b.newCase(work{
		gpus:    []*gpu{from}, // the source's stream takes the copy
		enqueue: copyOver, close: free, name: "cuMemcpyPeerAsync", version: cuda.VersionText(b.driver.Version()),
		check: func() (microbench.Check, error) { return checkPeer(from, to, src, dst, half, copyOver) },
	}), nil
}

// checkPeer copies a random pattern, which stands at both ends and wherever a
// window falls, and compares the windows bit by bit.
func checkPeer(from, to *gpu, src, dst cuda.Ptr, size int64, copyOver func(*cuda.Stream, int64) error) (microbench.Check, error) {
	var out microbench.Check
	var want [][]byte
	random := rand.NewChaCha8([32]byte{1})
	parts := windows(size, 1)
	for _, p := range parts {
		b := make([]byte, p[1])
		random.Read(b)
		if err := from.ctx.ToDevice(src+cuda.Ptr(p[0]), b); err != nil {
			return out, err
		}
		want = append(want, b)
	}
	if err := to.stream.Fill8(dst, 0, size); err != nil {
		return out, err
	}
	if err := to.wait(answerWithin); err != nil {
		return out, err
	}
	if err := copyOver(from.stream, 0); err != nil {
		return out, err
	}
	if err := from.wait(answerWithin); err != nil {
		return out, err
	}
	for i, p := range parts {
		got := make([]byte, p[1])
		if err := to.ctx.ToHost(got, dst+cuda.Ptr(p[0])); err != nil {
			return out, err
		}
		out.Checked += p[1]
		if bytes.Equal(got, want[i]) {
			continue
		}
		out.MaxRelError = 1
		for k := range got {
			if got[k] != want[i][k] {
				out.Wrong++
			}
		}
	}
	return out, nil
}
