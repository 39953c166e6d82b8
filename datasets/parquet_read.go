package datasets

import (
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

	"github.com/parquet-go/parquet-go/format"
)

// File is an open Parquet file of rows.
type File struct {
	// Path is as it was opened.
	Path    string
	Meta    Meta
	Devices []Device
	// NumRows is how many rows the file holds.
	NumRows int64

	file   io.ReaderAt
	closer io.Closer
	footer *format.FileMetaData
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
	footer, err := readFooter(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &File{Path: path, NumRows: footer.NumRows, file: r, footer: footer}
	found := map[string]string{}
	for _, kv := range footer.KeyValueMetadata {
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

// Batches reads the file a row group (16,384 rows) at a time, with
// only the named columns, or all if none is named. What a column that is not
// read holds stays zero; without all WorkloadColumns a row has no, or a wrong,
// workload. The batches belong to the caller. After an error there are no more.
func (f *File) Batches(columns ...string) iter.Seq2[[]Row, error] { return f.batches(nil, columns) }

// batches is Batches but for row groups that hold none of the texts (Scanner).
func (f *File) batches(where map[string][]string, columns []string) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		if err := unknownColumn(f.Path, columns); err != nil {
			yield(nil, err)
			return
		}
		var records []record
		for g := range f.footer.RowGroups {
			if !mayHold(&f.footer.RowGroups[g], where) {
				continue
			}
			rows, err := f.rowGroup(&f.footer.RowGroups[g], columns, &records)
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

func (f *File) rowGroup(g *format.RowGroup, columns []string, reuse *[]record) ([]Row, error) {
	n := int(g.NumRows)
	if cap(*reuse) < n {
		*reuse = make([]record, n)
	}
	records := (*reuse)[:n]
	rows := make([]Row, n)
	for i := range records {
		records[i] = record{row: &rows[i]}
	}
	var wanted []*format.ColumnMetaData
	var into []*field
	for i := range g.Columns {
		c := &g.Columns[i].MetaData
		if len(c.PathInSchema) == 0 {
			continue
		}
		at, known := fieldIndex[c.PathInSchema[0]]
		if !known || fields[at].derived || len(columns) > 0 && !slices.Contains(columns, fields[at].name) {
			continue
		}
		if slices.Contains(into, &fields[at]) {
			return nil, corrupt("it has column %s twice", fields[at].name)
		}
		wanted, into = append(wanted, c), append(into, &fields[at])
	}
	err := parallel(len(wanted), func(i int) error {
		return readColumn(f.file, wanted[i], into[i], records)
	})
	if err != nil {
		return nil, err
	}
	const slice = 512
	return rows, parallel((n+slice-1)/slice, func(i int) error {
		for j := i * slice; j < min((i+1)*slice, n); j++ {
			if err := records[j].restore(); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReadFile reads a whole run.
func ReadFile(path string) (*Run, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.readAll(nil, nil)
}

func (f *File) readAll(where map[string][]string, columns []string) (*Run, error) {
	run := &Run{Meta: f.Meta, Devices: f.Devices}
	for rows, err := range f.batches(where, columns) {
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
