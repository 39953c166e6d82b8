package child

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
)

// Replies cross the pipe in frames: frameMark, the length in four bytes, the bytes.
// What a library writes there is then told from a reply by its first byte, and
// nobody waits for the rest of a message that never comes.
const frameMark = "\x00reply\x00"

// replyWriter puts each write into a frame, in one write.
type replyWriter struct{ *os.File }

func (w replyWriter) Write(b []byte) (int, error) {
	if _, err := w.File.Write(append(binary.BigEndian.AppendUint32([]byte(frameMark), uint32(len(b))), b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// replyReader reads what frames hold. At the first byte that is in no frame it
// fails, and rubbish is how that begins.
type replyReader struct {
	*bufio.Reader
	io.Closer
	left    int64 // of the frame
	rubbish atomic.Pointer[string]
}

func (r *replyReader) Read(b []byte) (int, error) {
	for r.left == 0 {
		if _, err := r.Peek(1); err != nil {
			return 0, err
		}
		const shown = 40
		there, _ := r.Peek(min(r.Buffered(), shown))
		if said := string(there); !strings.HasPrefix(said, frameMark[:min(len(said), len(frameMark))]) {
			said, _, _ = strings.Cut(said, frameMark)
			r.rubbish.Store(&said)
			return 0, errors.New("no reply")
		}
		var head [len(frameMark) + 4]byte
		if _, err := io.ReadFull(r.Reader, head[:]); err != nil {
			return 0, err
		}
		r.left = int64(binary.BigEndian.Uint32(head[len(frameMark):]))
	}
	n, err := r.Reader.Read(b[:min(int64(len(b)), r.left)])
	r.left -= int64(n)
	return n, err
}
