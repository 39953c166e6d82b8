package datasets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// File is an open Parquet file of rows.
type File struct {
	// Path is as it was opened.
	Path    string
	Meta    Meta
	Devices []Device
	// NumRows is how many rows the file holds.
	NumRows int64

	parquet *parquet.File
	closer  io.Closer
}

// OpenFile opens a file and reads its metadata. A file that is truncated,
// foreign (not written by bench), or of a newer schema version is refused in
// one sentence that names it.
func OpenFile(path string) (*File, error) {
	f, err := openRegular(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	out, err := newFile(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	out.closer = f
	return out, nil
}

func newFile(path string, r io.ReaderAt, size int64) (*File, error) {
	file, err := OpenParquet(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &File{Path: path, NumRows: file.NumRows(), parquet: file}
	for i, g := range file.RowGroups() {
		if n := g.NumRows(); n > maxGroupRows {
			return nil, fmt.Errorf("%s: %w: row group %d claims %d rows", path, errCorrupt, i, n)
		}
	}
	found := map[string]string{}
	for _, kv := range file.Metadata().KeyValueMetadata {
		found[kv.Key] = kv.Value
	}
	version, ok := found[metaVersion]
	if !ok {
		return nil, fmt.Errorf("%s: this Parquet file was not written by bench: use bench import for other tools' files", path)
	}
	n, err := strconv.Atoi(version)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%s: %w: its schema version is %.20q", path, errCorrupt, version)
	}
	if n > SchemaVersion {
		return nil, fmt.Errorf("%s: the file has schema version %d, and this bench reads up to %d: use a newer bench", path, n, SchemaVersion)
	}
	if err := errors.Join(json.Unmarshal([]byte(found[metaMeta]), &f.Meta), json.Unmarshal([]byte(found[metaDevices]), &f.Devices)); err != nil {
		return nil, fmt.Errorf("%s: %w: its provenance is unreadable", path, errCorrupt)
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// WorkloadColumns are the columns that a row's Workload is rebuilt from.
func WorkloadColumns() []string {
	names := []string{"suite"}
	for _, c := range workloadColumns {
		names = append(names, c.name)
	}
	return names
}

// TierColumns are the columns that a tier's Prediction is rebuilt from.
func TierColumns(t Tier) []string {
	var names []string
	for _, f := range tierFields(0, string(t)) {
		names = append(names, f.name)
	}
	return names
}

// maxGroupRows bounds the rows of a row group, which are held at once.
const maxGroupRows = 8 * rowGroupRows

// Batches reads the file a row group (16,384 rows) at a time, with
// only the named columns, or all if none is named. What a column that is not
// read holds stays zero; without all WorkloadColumns a row has no, or a wrong,
// workload. The batches belong to the caller. After an error there are no more.
func (f *File) Batches(columns ...string) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		for _, c := range columns {
			if _, ok := fieldIndex[c]; !ok {
				yield(nil, fmt.Errorf("%s: there is no column %q", f.Path, c))
				return
			}
		}
		var records []record
		for g := range f.parquet.RowGroups() {
			rows, err := f.rowGroup(g, columns, &records)
			if err != nil {
				yield(nil, fmt.Errorf("%s: %w", f.Path, err))
				return
			}
			if !yield(rows, nil) {
				return
			}
		}
	}
}

func (f *File) rowGroup(group int, columns []string, reuse *[]record) ([]Row, error) {
	n := int(f.parquet.RowGroups()[group].NumRows())
	if cap(*reuse) < n {
		*reuse = make([]record, n)
	}
	records := (*reuse)[:n]
	rows := make([]Row, n)
	for i := range records {
		records[i] = record{row: &rows[i]}
	}
	err := parallel(len(fields), func(i int) error {
		of := &fields[i]
		if of.derived || len(columns) > 0 && !slices.Contains(columns, of.name) {
			return nil
		}
		leaf, err := of.leaf(f.parquet)
		if err == nil && leaf != nil {
			err = f.readColumn(group, leaf, of, records)
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", of.name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range records {
		if err := records[i].restore(); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// readColumn fills one field of all records of a row group.
func (f *File) readColumn(group int, leaf *parquet.Column, of *field, records []record) error {
	row := 0 // the rows that have begun
	_, top := of.levels()
	var dictionary []string
	err := ParquetPages(f.parquet, group, leaf, func(page parquet.Page) error {
		levels, repeats := page.DefinitionLevels(), page.RepetitionLevels()
		if !of.list() && bytes.IndexByte(levels, byte(top)) < 0 {
			row += len(levels) // all null, as most columns of one suite are
			return nil
		}
		var integers []int64
		var numbers []float64
		var flags, plain []byte
		var places []int32
		var offsets []uint32
		var words []string
		data, count := page.Data(), 0
		switch {
		case of.integer != nil:
			integers = data.Int64()
			count = len(integers)
		case of.float != nil:
			numbers = data.Double()
			count = len(numbers)
		case of.floats != nil: // the lists share one array
			numbers = slices.Clone(data.Double())
			count = len(numbers)
		case of.flag != nil:
			flags = data.Boolean()
			count = 8 * len(flags)
		case page.Dictionary() != nil:
			places = data.Int32()
			count = len(places)
			if d := page.Dictionary(); dictionary == nil {
				dictionary = make([]string, d.Len())
				for i := range dictionary {
					dictionary[i] = string(d.Index(int32(i)).ByteArray())
				}
			}
		default:
			plain, offsets = data.ByteArray()
			count = len(offsets) - 1
		}
		if of.texts != nil {
			words = make([]string, 0, min(count, len(levels)))
		}
		start, at := 0, 0
		for i, level := range levels {
			if len(repeats) == 0 || repeats[i] == 0 {
				if row++; row > len(records) {
					return corrupt("it has more rows than its row group")
				}
				start = at
			} else if row == 0 {
				return corrupt("it begins inside a row")
			}
			if int(level) != top {
				continue
			}
			if at >= count {
				return corrupt("it has fewer values than it says")
			}
			r := &records[row-1]
			if of.seen != nil {
				of.seen(r)
			}
			switch {
			case of.integer != nil:
				*of.integer(r) = integers[at]
			case of.float != nil:
				*of.float(r) = numbers[at]
			case of.floats != nil: // cut off, so that appending cannot reach into the next
				*of.floats(r) = numbers[start : at+1 : at+1]
			case of.flag != nil:
				*of.flag(r) = flags[at/8]>>(at%8)&1 == 1
			default:
				var s string
				if places != nil {
					s = dictionary[places[at]]
				} else {
					s = string(plain[offsets[at]:offsets[at+1]])
				}
				if of.text != nil {
					*of.text(r) = s
				} else {
					words = append(words, s)
					*of.texts(r) = words[start : at+1 : at+1]
				}
			}
			at++
		}
		return nil
	})
	if err == nil && row != len(records) {
		err = corrupt("it holds %d rows of %d", row, len(records))
	}
	return err
}

// ReadFile reads a whole run.
func ReadFile(path string) (*Run, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.readAll(nil)
}

func (f *File) readAll(columns []string) (*Run, error) {
	run := &Run{Meta: f.Meta, Devices: f.Devices}
	for rows, err := range f.Batches(columns...) {
		if err != nil {
			return nil, err
		}
		if run.Rows == nil {
			run.Rows = rows
			continue
		}
		run.Rows = append(run.Rows, rows...)
	}
	return run, nil
}

// Paths lists the Parquet files that paths name: files, and everything ending
// in .parquet under folders, flat or Hive-partitioned (suite=gemm/…), in
// lexical order. A hidden file or folder is no data. It is an error if a
// folder holds none.
func Paths(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, p)
			continue
		}
		before := len(out)
		err = filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if path != p && strings.HasPrefix(d.Name(), ".") {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if !d.IsDir() && strings.EqualFold(filepath.Ext(path), ".parquet") {
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(out) == before {
			return nil, fmt.Errorf("%s holds no .parquet file", p)
		}
	}
	return out, nil
}

// ReadPaths reads every run that paths name, as Paths finds them, with all its
// rows. Where that is too much for memory there is Scan.
func ReadPaths(paths []string) ([]*Run, error) { return new(Scanner).Runs(paths) }
