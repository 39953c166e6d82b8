package datasets

import (
	"iter"
	"runtime"
	"sync"
)

// Batch is the rows of one row group of a file.
type Batch struct {
	// File says where they came from: its path, provenance and devices. It may
	// be closed by the time the batch is seen, so nothing can be read from it.
	File *File
	Rows []Row
}

// Scanner reads many files in bounded memory: a few row groups of 16,384 rows
// for each core, however many files there are. The zero value reads all of
// everything and stops at the first file that cannot be read.
type Scanner struct {
	// Columns are those to read (File.Batches); all where there are none.
	Columns []string
	// Whole, where not nil, says of which files Runs reads the rows; of the others a
	// run has its provenance and devices alone.
	Whole func(*File) bool
	// Broken, where not nil, is told of each file that cannot be read, which is
	// then passed over; what was read of it before it broke stays read. It is
	// called by one goroutine at a time, in the order of the files.
	Broken func(error)
}

// Scan reads the named columns of every file that paths name, as Paths finds
// them, and stops at the first file that cannot be read.
func Scan(paths []string, columns ...string) iter.Seq2[Batch, error] {
	return (&Scanner{Columns: columns}).Rows(paths)
}

// Files opens the files that paths name, in order, each closed again when the
// next one is asked for.
func (s *Scanner) Files(paths []string) iter.Seq2[*File, error] {
	return inOrder(s, paths, func(f *File, yield func(*File) bool) error { yield(f); return nil })
}

// Rows reads the files that paths name, in order, a row group at a time. The
// rows belong to the caller. After an error there are no more.
func (s *Scanner) Rows(paths []string) iter.Seq2[Batch, error] {
	return inOrder(s, paths, func(f *File, yield func(Batch) bool) error {
		for rows, err := range f.Batches(s.Columns...) {
			if err != nil {
				return err
			}
			if !yield(Batch{f, rows}) {
				return nil
			}
		}
		return nil
	})
}

// MoreRowsThan reports whether the files that paths name hold more than n rows.
// It reads no more files than it takes to know, and tells Broken nothing.
func (s *Scanner) MoreRowsThan(n int64, paths []string) (bool, error) {
	quiet := Scanner{}
	if s.Broken != nil {
		quiet.Broken = func(error) {}
	}
	rows := int64(0)
	for f, err := range quiet.Files(paths) {
		if err != nil {
			return false, err
		}
		if rows += f.NumRows; rows > n {
			return true, nil
		}
	}
	return false, nil
}

// Runs reads the files that paths name, each as a run.
func (s *Scanner) Runs(paths []string) ([]*Run, error) {
	var runs []*Run
	whole := inOrder(s, paths, func(f *File, yield func(*Run) bool) error {
		if s.Whole != nil && !s.Whole(f) {
			yield(&Run{Meta: f.Meta, Devices: f.Devices, Path: f.Path})
			return nil
		}
		run, err := f.readAll(s.Columns)
		if err == nil {
			run.Path = f.Path
			yield(run)
		}
		return err
	})
	for run, err := range whole {
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// inOrder reads a file on each core, ahead of the one whose turn it is, and
// yields what they give in the order of the files.
func inOrder[T any](s *Scanner, paths []string, read func(f *File, yield func(T) bool) error) iter.Seq2[T, error] {
	type item struct {
		value T
		err   error
	}
	return func(yield func(T, error) bool) {
		var none T
		files, err := Paths(paths)
		if err != nil {
			yield(none, err)
			return
		}
		stop := make(chan struct{})
		var all sync.WaitGroup
		defer all.Wait()
		defer close(stop)
		one := func(path string, out chan<- item) {
			defer close(out)
			send := func(i item) bool {
				select {
				case out <- i:
					return true
				case <-stop:
					return false
				}
			}
			f, err := OpenFile(path)
			if err == nil {
				defer f.Close()
				if err = f.checkPartition(); err == nil {
					err = read(f, func(v T) bool { return send(item{value: v}) })
				}
			}
			if err != nil {
				send(item{err: err})
			}
		}
		turns := make(chan chan item, runtime.GOMAXPROCS(0)) // files that are read or wait for their turn
		all.Go(func() {
			defer close(turns)
			for _, path := range files {
				out := make(chan item)
				select {
				case turns <- out:
					all.Go(func() { one(path, out) })
				case <-stop:
					return
				}
			}
		})
		for out := range turns {
			for i := range out {
				if i.err != nil && s.Broken != nil {
					s.Broken(i.err)
					continue
				}
				if !yield(i.value, i.err) || i.err != nil {
					return
				}
			}
		}
	}
}
