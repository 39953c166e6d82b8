package datasets

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Trace is a recorded routing: which experts each token of a real model chose.
//
// Its file is plain text. The first line is
//
//	bench-routing 1 experts=8 top_k=2
//
// and every further line is one token: top_k different experts from 0 to
// experts−1, the first choice first, with one space between. Lines that begin
// with # and empty lines say nothing. Nothing else is allowed.
type Trace struct {
	Experts, TopK int64
	// Choices holds TopK experts a token.
	Choices []int32
	// SHA256 is the checksum of the whole file, in hexadecimal.
	SHA256 string
}

// Bounds of what a trace may declare; a real router has a few hundred experts.
const (
	maxTraceExperts = 1 << 16
	maxTraceTopK    = 1 << 10
)

// Tokens is how many tokens were recorded.
func (t *Trace) Tokens() int64 { return int64(len(t.Choices)) / max(t.TopK, 1) }

// Routing is the rule that replays the trace.
func (t *Trace) Routing() Routing {
	return Routing{Rule: RouteTrace, TraceSHA256: t.SHA256, Trace: t.Choices}
}

// ReadTrace reads a trace and checks every line; an error names the line.
// Memory is in proportion to the bytes read.
func ReadTrace(r io.Reader) (*Trace, error) {
	sum := sha256.New()
	lines := bufio.NewScanner(io.TeeReader(r, sum))
	lines.Buffer(make([]byte, 0, 4096), 16*maxTraceTopK)
	t := new(Trace)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		if t.Experts == 0 {
			if err := t.header(line); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			continue
		}
		if err := t.token(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, fmt.Errorf("line %d: too long to be a token's experts", n+1)
		}
		return nil, err
	}
	if t.Experts == 0 {
		return nil, errors.New(`no routing trace: the first line must be like "bench-routing 1 experts=8 top_k=2"`)
	}
	if len(t.Choices) == 0 {
		return nil, errors.New("the routing trace holds no tokens")
	}
	t.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return t, nil
}

// ReadTraceFile is ReadTrace of a file; errors name it.
func ReadTraceFile(path string) (*Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("routing trace: %w", err)
	}
	defer f.Close()
	t, err := ReadTrace(f)
	if err != nil {
		return nil, fmt.Errorf("routing trace %s: %w", path, err)
	}
	return t, nil
}

func (t *Trace) header(line string) error {
	var version int
	var rest string
	n, _ := fmt.Sscanf(line, "bench-routing %d experts=%d top_k=%d%s", &version, &t.Experts, &t.TopK, &rest)
	switch {
	case n < 1:
		return fmt.Errorf("%.40q is no header: it must be like \"bench-routing 1 experts=8 top_k=2\"", line)
	case version != 1:
		return fmt.Errorf("version %d of the format is not known, only 1", version)
	case n != 3:
		return fmt.Errorf("%.60q must be like \"bench-routing 1 experts=8 top_k=2\"", line)
	case t.Experts < 1 || t.Experts > maxTraceExperts:
		return fmt.Errorf("experts is %d, and must lie between 1 and %d", t.Experts, maxTraceExperts)
	case t.TopK < 1 || t.TopK > min(t.Experts, maxTraceTopK):
		return fmt.Errorf("top_k is %d, and must lie between 1 and %d", t.TopK, min(t.Experts, maxTraceTopK))
	}
	return nil
}

func (t *Trace) token(line string) error {
	start, found := len(t.Choices), int64(0)
	for field := range strings.SplitSeq(line, " ") {
		e, err := strconv.ParseInt(field, 10, 32)
		if err != nil {
			return fmt.Errorf("%.20q is not an expert's number", field)
		}
		if found++; found > t.TopK {
			break
		}
		t.Choices = append(t.Choices, int32(e))
	}
	if found != t.TopK {
		return fmt.Errorf("%d experts are needed, and there are %s", t.TopK, map[bool]string{true: "more", false: strconv.FormatInt(found, 10)}[found > t.TopK])
	}
	return checkChoices(t.Choices[start:], t.Experts)
}

// WriteTo writes the trace's file. The checksum of what was written is not
// stored in t.
func (t *Trace) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "bench-routing 1 experts=%d top_k=%d\n", t.Experts, t.TopK)
	for i, e := range t.Choices {
		b.Write(strconv.AppendInt(b.AvailableBuffer(), int64(e), 10))
		if (int64(i)+1)%max(t.TopK, 1) == 0 {
			b.WriteByte('\n')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.WriteTo(w)
}
