package datasets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"

	// parquet-go is the Parquet writer and reader; its column writers are used
	// directly, since its reflection over rows of a hundred mostly null columns
	// takes most of the time.
	"github.com/parquet-go/parquet-go"
)

const (
	// rowGroupRows is how many rows a row group holds: what a reader holds in
	// memory at once.
	rowGroupRows = 1 << 15
	// batchRows is how many rows are laid out flat at a time.
	batchRows = 1 << 12
	// maxDictionary is where a column of many texts stops using a dictionary.
	maxDictionary = 1 << 20
)

// Writer writes rows to a Parquet file that appears whole when Close returns
// nil, or not at all: rows go to a temporary file in the same folder.
type Writer struct {
	path    string
	file    *os.File
	out     *parquet.GenericWriter[any]
	group   *parquet.ConcurrentRowGroupWriter
	columns []*parquet.ColumnWriter
	runID   string
	records []record
	pending []Row
	inGroup int
	err     error
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
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("%s: the folder cannot be written to: %w", path, err)
	}
	w := &Writer{path: path, file: f, runID: meta.ID}
	w.out = newParquetWriter(f, string(m), string(d))
	w.group = w.out.BeginRowGroup()
	w.columns = w.group.ColumnWriters()
	return w, nil
}

func newParquetWriter(f io.Writer, meta, devices string) *parquet.GenericWriter[any] {
	return parquet.NewGenericWriter[any](f, parquetSchema,
		parquet.KeyValueMetadata(metaVersion, strconv.Itoa(SchemaVersion)),
		parquet.KeyValueMetadata(metaMeta, meta),
		parquet.KeyValueMetadata(metaDevices, devices),
		parquet.DictionaryMaxBytes(maxDictionary),
		parquet.CreatedBy("bench", strconv.Itoa(SchemaVersion), "parquet-go"))
}

// Write appends rows. It does not keep the slice. After an error the file will
// not appear; call Abort or Close.
func (w *Writer) Write(rows []Row) error {
	for len(rows) > 0 && w.err == nil {
		if len(w.pending) == 0 && len(rows) >= batchRows {
			w.err = w.batch(rows[:batchRows])
			rows = rows[batchRows:]
			continue
		}
		n := min(batchRows-len(w.pending), len(rows))
		w.pending = append(w.pending, rows[:n]...)
		rows = rows[n:]
		if len(w.pending) == batchRows {
			w.err = w.flushPending()
		}
	}
	return w.err
}

func (w *Writer) flushPending() error {
	err := w.batch(w.pending)
	clear(w.pending)
	w.pending = w.pending[:0]
	return err
}

// batch lays rows out flat, then writes column by column, on all cores.
func (w *Writer) batch(rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	if len(w.records) < len(rows) {
		w.records = make([]record, batchRows)
	}
	records := w.records[:len(rows)]
	const slice = 256
	err := parallel((len(rows)+slice-1)/slice, func(i int) error {
		for j := i * slice; j < min((i+1)*slice, len(rows)); j++ {
			if err := records[j].flatten(&rows[j], w.runID); err != nil {
				return fmt.Errorf("%s: %w", w.path, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = parallel(len(fields), func(i int) error {
		return writeColumn(w.columns[i], &fields[i], i, records)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", w.path, err)
	}
	if w.inGroup += len(rows); w.inGroup >= rowGroupRows {
		return w.commit()
	}
	return nil
}

// commit ends the row group.
func (w *Writer) commit() error {
	if w.inGroup == 0 {
		return nil
	}
	w.inGroup = 0
	// Compressing the last pages is most of the work, and Commit alone would
	// do it on one core.
	err := parallel(len(w.columns), func(i int) error { return w.columns[i].Flush() })
	if err == nil {
		_, err = w.group.Commit()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", w.path, err)
	}
	return nil
}

// Close completes the file: footer, fsync, rename, fsync of the folder. On any
// error the temporary file is removed and path is untouched.
func (w *Writer) Close() error {
	if w.err == nil {
		w.err = w.flushPending()
	}
	if w.err == nil {
		w.err = w.commit()
	}
	if w.err == nil {
		if err := w.out.Close(); err != nil {
			w.err = fmt.Errorf("%s: %w", w.path, err)
		}
	}
	if w.err != nil {
		w.Abort()
		return w.err
	}
	if w.err = publish(w.file, w.path); w.err != nil {
		return w.err
	}
	w.err = errors.New("the file is closed")
	return nil
}

// Abort gives the file up. It does nothing after a successful Close.
func (w *Writer) Abort() {
	if w.err == nil {
		w.err = errors.New("the file was given up")
	}
	w.file.Close()
	os.Remove(w.file.Name())
}

// publish makes a temporary file appear at path, durably.
func publish(f *os.File, path string) error {
	// CreateTemp makes files that only the owner can read.
	err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("%s could not be written: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename or a new file in the folder survive a crash.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// WriteFile writes a whole run.
func WriteFile(path string, run *Run) error {
	w, err := CreateFile(path, run.Meta, run.Devices)
	if err != nil {
		return err
	}
	w.Write(run.Rows)
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

// values are buffers between records and column writers.
var values = sync.Pool{New: func() any { v := make([]parquet.Value, 0, 2048); return &v }}

func writeColumn(to *parquet.ColumnWriter, f *field, at int, records []record) error {
	buffer := values.Get().(*[]parquet.Value)
	defer values.Put(buffer)
	v := (*buffer)[:0]
	level := f.maxLevel()
	null := parquet.NullValue().Level(0, 0, at)
	for i := range records {
		r := &records[i]
		if f.null(r) {
			v = append(v, null)
		} else {
			switch {
			case f.integer != nil:
				v = append(v, parquet.Int64Value(*f.integer(r)).Level(0, level, at))
			case f.float != nil:
				v = append(v, parquet.DoubleValue(*f.float(r)).Level(0, level, at))
			case f.flag != nil:
				v = append(v, parquet.BooleanValue(*f.flag(r)).Level(0, level, at))
			case f.text != nil:
				v = append(v, textValue(*f.text(r)).Level(0, level, at))
			case f.floats != nil:
				for j, x := range *f.floats(r) {
					v = append(v, parquet.DoubleValue(x).Level(min(j, 1), level, at))
				}
			default:
				for j, s := range *f.texts(r) {
					v = append(v, textValue(s).Level(min(j, 1), level, at))
				}
			}
		}
		if len(v) >= 1024 || i == len(records)-1 {
			if _, err := to.WriteRowValues(v); err != nil {
				*buffer = v
				return fmt.Errorf("column %s: %w", f.name, err)
			}
			v = v[:0]
		}
	}
	*buffer = v
	return nil
}

// textValue points at the string's bytes, which the column writer copies. Text
// that is not UTF-8, which Parquet's strings must be, is mended.
func textValue(s string) parquet.Value {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}
