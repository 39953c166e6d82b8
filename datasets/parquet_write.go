package datasets

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	// parquet-go's format package has the structures of Parquet's metadata. Its
	// writers are not used: boxing each value of a hundred columns, most of them
	// null, took most of the time.
	"github.com/parquet-go/parquet-go/format"
)

const (
	// rowGroupRows is how many rows a row group holds: what a reader holds in
	// memory at once.
	rowGroupRows = 1 << 14
	// flatRows is how many rows are laid out flat at a time: few enough to stay
	// in a core's cache while a hundred columns are taken from them.
	flatRows = 1 << 8
	// magic begins and ends a file.
	magic = "PAR1"
)

// Writer writes rows to a Parquet file that appears whole when Close returns
// nil, or not at all: rows go to a temporary file in the same folder. Row
// groups are encoded side by side, on all cores.
type Writer struct {
	path    string
	file    *Output
	runID   string
	pending []Row
	// encoders are the idle ones; last is closed when the row group before the
	// next one is in the file.
	encoders chan *encoder
	last     chan struct{}
	failed   atomic.Pointer[error]

	// Of the row group whose turn it is, and of Close.
	out    *bufio.Writer
	offset int64
	footer format.FileMetaData
}

// encoder encodes one row group at a time.
type encoder struct {
	rows    []Row
	records []record
	columns []column
	packer  *packer
}

// CreateFile begins a file at path, whose folder must exist.
func CreateFile(path string, meta Meta, devices []Device) (*Writer, error) {
	m, err := json.Marshal(meta)
	if err != nil {
		return nil, fmt.Errorf("%s: the run's provenance cannot be written: %w", path, err)
	}
	d, err := json.Marshal(devices)
	if err != nil {
		return nil, fmt.Errorf("%s: the run's devices cannot be written: %w", path, err)
	}
	n := runtime.GOMAXPROCS(0)
	encoders := make(chan *encoder, n)
	for range n {
		e, err := newEncoder()
		if err != nil {
			return nil, err
		}
		encoders <- e
	}
	f, err := CreateOutput(path)
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, file: f, runID: meta.ID, encoders: encoders, last: make(chan struct{}), out: bufio.NewWriterSize(f, 1<<20)}
	close(w.last)
	w.footer = format.FileMetaData{Version: 2, Schema: schemaElements(), ColumnOrders: columnOrders(),
		CreatedBy: "bench version " + strconv.Itoa(SchemaVersion), KeyValueMetadata: []format.KeyValue{
			{Key: metaVersion, Value: strconv.Itoa(SchemaVersion)}, {Key: metaMeta, Value: string(m)}, {Key: metaDevices, Value: string(d)}}}
	w.put([]byte(magic))
	return w, nil
}

func newEncoder() (*encoder, error) {
	p, err := newPacker()
	if err != nil {
		return nil, err
	}
	e := &encoder{records: make([]record, flatRows), columns: make([]column, len(fields)), packer: p}
	for i := range fields {
		e.columns[i] = newColumn(&fields[i])
	}
	return e, nil
}

// put writes on. The buffer keeps its first error until it is flushed.
func (w *Writer) put(b []byte) {
	w.out.Write(b)
	w.offset += int64(len(b))
}

// Write appends rows. It does not keep the slice, but until Close the lists
// that the rows hold (samples, flags, predictions) must not be changed. After
// an error the file will not appear; call Abort or Close.
func (w *Writer) Write(rows []Row) error {
	for len(rows) > 0 && w.err() == nil {
		n := min(rowGroupRows-len(w.pending), len(rows))
		w.pending = append(w.pending, rows[:n]...)
		if rows = rows[n:]; len(w.pending) == rowGroupRows {
			w.dispatch()
		}
	}
	return w.err()
}

func (w *Writer) err() error {
	if err := w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (w *Writer) fail(err error) {
	if err != nil {
		err = fmt.Errorf("%s: %w", w.path, err)
		w.failed.CompareAndSwap(nil, &err)
	}
}

// dispatch hands the pending rows to the next idle encoder. Row groups reach
// the file in their order.
func (w *Writer) dispatch() {
	if len(w.pending) == 0 {
		return
	}
	e := <-w.encoders
	e.rows, w.pending = w.pending, e.rows[:0]
	before, done := w.last, make(chan struct{})
	w.last = done
	go func() {
		defer func() { clear(e.rows); w.encoders <- e; close(done) }()
		err := e.encode(w.runID)
		<-before
		if err == nil && w.err() == nil {
			err = w.commit(e)
		}
		w.fail(err)
	}()
}

// encode encodes the rows, some at a time, column by column.
func (e *encoder) encode(runID string) error {
	for i := range e.columns {
		e.columns[i].reset()
	}
	for rows := e.rows; len(rows) > 0; {
		n := min(flatRows, len(rows))
		for i := range n {
			if err := e.records[i].flatten(&rows[i], runID); err != nil {
				return err
			}
		}
		for i := range e.columns {
			if err := e.columns[i].add(e.records[:n], e.packer); err != nil {
				return err
			}
		}
		rows = rows[n:]
	}
	for i := range e.columns {
		if err := e.columns[i].end(e.packer); err != nil {
			return err
		}
	}
	return nil
}

// commit writes an encoded row group.
func (w *Writer) commit(e *encoder) error {
	g := format.RowGroup{NumRows: int64(len(e.rows)), FileOffset: w.offset, Ordinal: int16(len(w.footer.RowGroups))}
	for i := range e.columns {
		c := &e.columns[i]
		g.Columns = append(g.Columns, c.chunk(w.offset))
		g.TotalByteSize += c.uncompressed
		w.put(c.dictionaryPage)
		w.put(c.pages)
	}
	g.TotalCompressedSize = w.offset - g.FileOffset
	w.footer.NumRows += g.NumRows
	w.footer.RowGroups = append(w.footer.RowGroups, g)
	_, err := w.out.Write(nil)
	return err
}

// finish writes the footer.
func (w *Writer) finish() error {
	footer, err := marshal(&w.footer)
	if err != nil {
		return err
	}
	if len(footer) > 1<<31-1 {
		return errors.New("so many rows do not fit one Parquet file: split the run")
	}
	w.put(footer)
	w.put(binary.LittleEndian.AppendUint32(nil, uint32(len(footer))))
	w.put([]byte(magic))
	return w.out.Flush()
}

// Close completes the file: footer, fsync, rename, fsync of the folder. On any
// error the temporary file is removed and path is untouched.
func (w *Writer) Close() error {
	if w.err() == nil {
		w.dispatch()
	}
	<-w.last
	if w.err() == nil {
		w.fail(w.finish())
	}
	if err := w.err(); err != nil {
		w.Abort()
		return err
	}
	w.fail(errors.New("the file is closed"))
	return w.file.Commit()
}

// Abort gives the file up. It does nothing after a successful Close.
func (w *Writer) Abort() {
	w.fail(errors.New("the file was given up"))
	<-w.last
	w.file.Abort()
}

// WriteFile writes a whole run.
func WriteFile(path string, run *Run) error {
	w, err := CreateFile(path, run.Meta, run.Devices)
	if err != nil {
		return err
	}
	_ = w.Write(run.Rows) // Close tells of it
	return w.Close()
}

// parallel calls do for 0 … n−1 on all cores and returns the first error.
func parallel(n int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
