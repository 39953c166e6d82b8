package datasets

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

const (
	// rowGroupRows is how many rows a row group holds: what a reader holds in
	// memory at once.
	rowGroupRows = 1 << 14
	// flatRows is how many rows are laid out flat at a time: few enough to stay
	// in a core's cache while a hundred columns are taken from them.
	flatRows = 1 << 8
	// pageValues is how many elements of lists are handed over at a time: a page ends
	// between two hand-overs, and shall not hold the samples of a whole row group.
	pageValues = 1 << 15
	// maxDictionary is where a column of many texts stops using a dictionary.
	maxDictionary = 1 << 20
)

// Writer writes rows to a Parquet file that appears whole when Close returns
// nil, or not at all: rows go to a temporary file in the same folder.
type Writer struct {
	path    string
	file    *Output
	runID   string
	out     *parquet.GenericWriter[any]
	records []record
	values  [][]parquet.Value // of each column, used again
	rows    int               // in the open row group
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
	f, err := CreateOutput(path)
	if err != nil {
		return nil, err
	}
	version := strconv.Itoa(SchemaVersion)
	options := []parquet.WriterOption{schema, parquet.CreatedBy("bench", version, ""), parquet.DataPageVersion(2),
		parquet.KeyValueMetadata(metaVersion, version), parquet.KeyValueMetadata(metaMeta, string(m)), parquet.KeyValueMetadata(metaDevices, string(d)),
		// ZSTD at its fastest: a few per cent larger than its default, for half the time.
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.PageBufferSize(1 << 20), parquet.WriteBufferSize(1 << 20), parquet.DictionaryMaxBytes(maxDictionary)}
	for i := range fields {
		// The bounds of a list's elements help no reader, nor do those of keys.
		if f := &fields[i]; f.list() || f.text != nil && !f.dict {
			options = append(options, parquet.SkipPageBounds(schema.Columns()[i]...))
		}
	}
	values := make([][]parquet.Value, len(fields))
	for i := range values {
		values[i] = make([]parquet.Value, 0, flatRows)
	}
	return &Writer{path: path, file: f, runID: meta.ID, records: make([]record, flatRows), values: values,
		out: parquet.NewGenericWriter[any](f, options...)}, nil
}

// Write appends rows. It keeps nothing of them. After an error the file will not
// appear; call Abort or Close.
func (w *Writer) Write(rows []Row) error {
	for len(rows) > 0 && w.err == nil {
		n := min(flatRows, rowGroupRows-w.rows, len(rows))
		w.fail(w.write(rows[:n]))
		rows = rows[n:]
		if w.rows += n; w.rows == rowGroupRows && w.err == nil {
			w.fail(w.flush())
			w.rows = 0
		}
	}
	return w.err
}

func (w *Writer) fail(err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("%s: %w", w.path, err)
	}
}

// write hands rows to the column writers, flatRows at most.
func (w *Writer) write(rows []Row) error {
	records := w.records[:len(rows)]
	const part = flatRows / 8
	err := parallel((len(rows)+part-1)/part, func(i int) error {
		for j := i * part; j < min((i+1)*part, len(rows)); j++ {
			if err := records[j].flatten(&rows[j], w.runID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	columns := w.out.ColumnWriters()
	return parallel(len(columns), func(i int) error {
		err := fields[i].write(columns[i], records, w.values[i][:0])
		if err != nil {
			err = fmt.Errorf("column %s: %w", fields[i].name, err)
		}
		return err
	})
}

// flush ends the row group. Its columns are compressed side by side.
func (w *Writer) flush() error {
	columns := w.out.ColumnWriters()
	return errors.Join(parallel(len(columns), func(i int) error { return columns[i].Flush() }), w.out.Flush())
}

// write hands the column's values in some records, flatRows at most, to its writer.
// A value has the column's highest definition level; null is the zero of Value.
func (f *field) write(to *parquet.ColumnWriter, records []record, v []parquet.Value) error {
	there := func(x parquet.Value) { v = append(v, x.Level(0, 1, 0)) }
	for i := range records {
		r := &records[i]
		// Most values of most columns are null, which is seen first.
		if f.null(r) {
			v = append(v, parquet.Value{})
			continue
		}
		switch {
		case f.integer != nil:
			there(parquet.Int64Value(*f.integer(r)))
		case f.float != nil:
			there(parquet.DoubleValue(*f.float(r)))
		case f.flag != nil:
			there(parquet.BooleanValue(*f.flag(r)))
		case f.text != nil:
			there(textValue(*f.text(r)))
		default:
			if f.floats != nil {
				for j, x := range *f.floats(r) {
					v = append(v, parquet.DoubleValue(x).Level(min(j, 1), 2, 0))
				}
			} else {
				for j, x := range *f.texts(r) {
					v = append(v, textValue(x).Level(min(j, 1), 2, 0))
				}
			}
			if size := len(v) * 8; size > maxPageBytes {
				return fmt.Errorf("a row of %d MB is too large to be read again", size>>20)
			}
			if len(v) > pageValues {
				if _, err := to.WriteRowValues(v); err != nil {
					return err
				}
				v = v[:0]
			}
		}
	}
	_, err := to.WriteRowValues(v)
	return err
}

// textValue is a text, whose bytes the column writers copy. Text that is not UTF-8,
// which Parquet's strings must be, is mended.
func textValue(s string) parquet.Value {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// Close completes the file: footer, fsync, rename, fsync of the folder. On any
// error the temporary file is removed and path is untouched.
func (w *Writer) Close() error {
	if w.err == nil {
		w.fail(errors.Join(w.flush(), w.out.Close()))
	}
	if w.err != nil {
		w.Abort()
		return w.err
	}
	w.err = errors.New("the file is closed")
	return w.file.Commit()
}

// Abort gives the file up. It does nothing after a successful Close.
func (w *Writer) Abort() {
	w.fail(errors.New("the file was given up"))
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
