// Package session is a run from its devices to its file: which backend measures
// which part of the plan, the journal that keeps each finished case, how a run that
// was stopped goes on, and the processes that measure. It never sees a prediction:
// whoever called Measure adds those before Write.
package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bench/datasets"
	"bench/microbench"
	"bench/probes"

	// humanize: sizes as people write them.
	"github.com/dustin/go-humanize"
)

// NothingError says why nothing can be measured.
type NothingError struct{ Err error }

func (e *NothingError) Error() string { return e.Err.Error() }
func (e *NothingError) Unwrap() error { return e.Err }

// FailedError says what went wrong in a run that did measure.
type FailedError struct{ Err error }

func (e *FailedError) Error() string { return e.Err.Error() }
func (e *FailedError) Unwrap() error { return e.Err }

func nothing(format string, args ...any) error { return &NothingError{fmt.Errorf(format, args...)} }
func failed(format string, args ...any) error  { return &FailedError{fmt.Errorf(format, args...)} }

// Session is one run. Its calls are Resume where a run goes on, Open, Begin,
// Measure, Write, and always Close.
type Session struct {
	// Warn hears warnings, each a sentence. OnCase hears of every finished case, and
	// OnPart of each part that begins where there are several.
	Warn   func(format string, args ...any)
	OnCase func(microbench.Progress)
	OnPart func(title string)

	// Target and Parts are there after Open.
	Target *Target
	Parts  []Part

	folder   string
	journal  *datasets.Journal
	resumed  *datasets.JournalHeader
	header   datasets.JournalHeader
	done     []datasets.Row
	governor string
	rows     []datasets.Row
	notes    []string
}

// Resume opens the journal of a run that was stopped, and returns the command line
// that began it.
func (s *Session) Resume(path string) (command []string, err error) {
	j, header, rows, torn, err := datasets.OpenJournal(path)
	if err != nil {
		return nil, err
	}
	s.journal, s.resumed, s.done = j, &header, rows
	if torn {
		s.Warn("the case that was being written when the run stopped is measured again")
	}
	if len(header.Meta.Command) < 2 {
		return nil, fmt.Errorf("%s: the journal does not say which command began it", path)
	}
	return header.Meta.Command, nil
}

// Open starts the backend and plans the parts.
func (s *Session) Open(t TargetOptions, o microbench.Options) (err error) {
	if s.Target, err = openTarget(t); err != nil {
		return err
	}
	o.Processes, o.Nodes = t.Place.Size, t.Place.Nodes
	s.Parts, err = s.Target.parts(o)
	return err
}

// Begin checks that the results can be kept in the folder, and begins the journal
// there; a run that goes on keeps its own journal and folder. What the caller knows
// of the run is in meta: program, command, profile, and a name for the host if it
// has one of its own.
func (s *Session) Begin(folder string, meta datasets.Meta) error {
	h := probes.ThisHost()
	s.governor = h.Governor.Value
	if err := s.describe(&meta, &h); err != nil {
		return err
	}
	s.header = datasets.JournalHeader{Meta: meta, Devices: s.Target.distinct(), PlanHash: s.planHash()}
	if s.resumed != nil {
		folder = filepath.Dir(s.journal.Path())
		s.header.Meta.Command = s.resumed.Meta.Command
		if err := s.checkResumed(); err != nil {
			return fmt.Errorf("%s: %w", s.journal.Path(), err)
		}
		s.header = *s.resumed
	}
	if err := checkFolder(folder); err != nil {
		return err
	}
	s.folder = folder
	if s.resumed == nil {
		var err error
		if s.journal, err = datasets.CreateJournal(filepath.Join(folder, meta.ID+".journal"), s.header); err != nil {
			return err
		}
	}
	return s.Target.lockClocks(s.Warn)
}

// checkResumed refuses to go on where the rows could not stand in one file.
func (s *Session) checkResumed() error {
	for i := range s.done {
		if id := s.done[i].DeviceUUID; id != "" && !slices.Contains(s.Target.uuids, id) {
			return fmt.Errorf("the run was begun on GPU %s, and this one has %s", id, strings.Join(s.Target.uuids, ", "))
		}
	}
	if err := microbench.CheckResume(*s.resumed, s.header); err != nil {
		return err
	}
	for i := range s.done {
		if !slices.ContainsFunc(s.Parts, func(p Part) bool { return p.owns(&s.done[i]) }) {
			return fmt.Errorf("the case %s is of no part of the plan", s.done[i].Workload.Key())
		}
	}
	for i := range s.Parts {
		if err := microbench.CheckKept(s.Parts[i].Plan, s.Parts[i].of(s.done)); err != nil {
			return err
		}
	}
	return nil
}

// Measure measures every part and returns the run. A part that stops, as when a GPU
// is lost, does not keep the others from being measured; an interruption does. Rows
// of a run that stopped are in the journal, and the error says how to go on.
func (s *Session) Measure(ctx context.Context) (*datasets.Run, error) {
	err := s.measureParts(ctx)
	if s.journal.Restored() > 0 {
		s.Warn("warning: %s was removed while the run went on, and was written again", s.journal.Path())
	}
	switch {
	case errors.Is(err, microbench.ErrInterrupted):
		return nil, failed("interrupted: %s", s.kept())
	case err != nil && len(s.rows) == 0:
		return nil, nothing("stopped: %w; %s", err, s.kept())
	case err != nil:
		return nil, failed("stopped: %w; %s", err, s.kept())
	}
	run := &datasets.Run{Meta: s.header.Meta, Devices: s.header.Devices, Rows: s.rows}
	run.Meta.Notes = append(run.Meta.Notes, s.notes...)
	run.Meta.EndUnixS = time.Now().Unix()
	if run.Meta.EndUnixS < run.Meta.StartUnixS {
		run.Meta.EndUnixS = run.Meta.StartUnixS
		run.Meta.Notes = append(run.Meta.Notes, "the time of day was put back while the run went on: when it ended is not known (no measured time depends on it)")
	}
	return run, nil
}

func (s *Session) measureParts(ctx context.Context) error {
	var errs []error
	before := 0
	for i := range s.Parts {
		p := &s.Parts[i]
		if len(s.Parts) > 1 && s.OnPart != nil {
			s.OnPart(p.Title)
		}
		err := s.measurePart(ctx, p, before)
		before += len(p.Plan.Workloads)
		if errors.Is(err, microbench.ErrInterrupted) {
			return err
		}
		if err != nil && p.Title != "" {
			err = fmt.Errorf("%s: %w", p.Title, err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// measurePart measures one part; before is how many cases came before it.
func (s *Session) measurePart(ctx context.Context, p *Part, before int) error {
	backend, closePart, err := s.Target.open(p)
	if err != nil {
		return err
	}
	defer closePart()
	loop := microbench.Loop{Backend: backend, Journal: s.journal.Append, Governor: s.governor, OnCase: func(now microbench.Progress) {
		now.Done += before
		now.Total = s.Total()
		if s.OnCase != nil {
			s.OnCase(now)
		}
	}}
	rows, notes, err := loop.Run(ctx, p.Plan, p.of(s.done))
	if n := backend.Renewals(); n > 0 && len(p.gpus) > 0 {
		notes = append(notes, fmt.Sprintf("fresh measuring processes that faults made necessary: %d", n))
	}
	s.rows = append(s.rows, rows...)
	for _, n := range notes {
		if len(s.Parts) > 1 {
			n = p.Title + ": " + n
		}
		s.notes = append(s.notes, n)
	}
	return err
}

// Total is how many cases the run has.
func (s *Session) Total() int {
	n := 0
	for i := range s.Parts {
		n += len(s.Parts[i].Plan.Workloads)
	}
	return n
}

// kept says where the finished cases are, and how to go on.
func (s *Session) kept() string {
	path := s.journal.Path()
	if _, _, _, err := datasets.ReadJournal(path); err != nil {
		return fmt.Sprintf("its %d finished cases cannot be read back: %v", len(s.rows), err)
	}
	return fmt.Sprintf("%d of %d cases are kept in %s; go on with: bench run --resume %s", len(s.rows), s.Total(), path, path)
}

// Write writes the Parquet file, by date and host below the folder where partition
// is set, and drops the journal.
func (s *Session) Write(run *datasets.Run, partition bool) (file string, err error) {
	folder, journal := s.folder, s.journal.Path()
	if partition {
		folder = filepath.Join(folder, datasets.PartitionFolder(&run.Meta))
	}
	file = filepath.Join(folder, run.Meta.ID+".parquet")
	if err = datasets.MakeFolder(folder); err == nil {
		datasets.RemoveLeftovers(file)
		err = datasets.WriteFile(file, run)
	}
	if err != nil {
		return "", failed("the results are not written: %w; every case is kept in %s: make room, then bench run --resume %s", err, journal, journal)
	}
	s.journal.Close()
	if err := os.Remove(journal); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.Warn("warning: the journal is no longer needed, and stays: %v", err)
	}
	return file, nil
}

// Close lets the clocks, the backend and the journal go.
func (s *Session) Close() {
	if s.Target != nil {
		s.Target.Close()
	}
	if s.journal != nil {
		s.journal.Close()
	}
}

// Outcome is an error where a case of a whole run failed, or none could be measured.
func Outcome(run *datasets.Run) error {
	usable, bad := 0, []*datasets.Row{}
	for i := range run.Rows {
		m := &run.Rows[i].Measurement
		if m.Usable() {
			usable++
		}
		if m.Verdict == datasets.Failed {
			bad = append(bad, &run.Rows[i])
		}
	}
	switch {
	case len(bad) > 0:
		return failed("%d of %d cases failed, the first being %s: %s", len(bad), len(run.Rows), bad[0].Workload.Key(), bad[0].Measurement.Reason)
	case usable == 0 && len(run.Rows) > 0:
		return nothing("nothing could be measured: %s", run.Rows[0].Measurement.Reason)
	}
	return nil
}

// planHash is equal for runs of the same parts.
func (s *Session) planHash() string {
	if len(s.Parts) == 1 {
		return s.Parts[0].Plan.Hash()
	}
	sum := sha256.New()
	for i := range s.Parts {
		fmt.Fprintln(sum, s.Parts[i].gpus, s.Parts[i].Plan.Hash())
	}
	return fmt.Sprintf("%x", sum.Sum(nil))[:16]
}

// describe completes the provenance of a run that starts now.
func (s *Session) describe(m *datasets.Meta, h *probes.Host) error {
	sum, err := programSum()
	if err != nil {
		return err
	}
	now := time.Now()
	// The random part tells apart the runs that many nodes begin in one second, as
	// cron does with a shared folder, or that follow a clock put back.
	random := make([]byte, 6)
	rand.Read(random) // never fails (crypto/rand)
	m.ID = fmt.Sprintf("%s-%x", now.UTC().Format("20060102T150405Z"), random)
	m.Bench += " sha256:" + sum
	m.StartUnixS, m.Machine, m.Environment = now.Unix(), h.Fingerprint().String(), h.Environment()
	if m.Host == "" {
		m.Host = h.Name
	}
	maps.Copy(m.Environment, s.Target.backend.Environment())
	// It puts functions in the place of those that are measured.
	if v := os.Getenv("LD_PRELOAD"); v != "" {
		m.Environment["ld_preload"] = v
	}
	m.Environment["timer"] = s.Target.backend.Clock().String()
	s.Target.describe(m)
	m.Notes = append(m.Notes, h.Concerns()...)
	return nil
}

// programSum is a checksum of the very binary that runs.
func programSum() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("the program cannot find its own file: %w", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("the program cannot read its own file: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("the program cannot read its own file: %w", err)
	}
	return fmt.Sprintf("%.6x", sum.Sum(nil)), nil
}

// checkFolder finds out before measuring whether the results can be kept.
func checkFolder(dir string) error {
	if err := datasets.MakeFolder(dir); err != nil {
		return fmt.Errorf("the output folder cannot be made: %w", err)
	}
	// Tried rather than asked: root may write everywhere, and cannot in /proc.
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("the output folder cannot be written: %w", err)
	}
	probe.Close()
	os.Remove(probe.Name())
	const need = 64 << 20 // journal and Parquet file of the largest plan, with room to spare
	if free, err := probes.FreeBytes(dir); err == nil && free < need {
		return fmt.Errorf("the output folder %s has %s left, and a run needs up to %s", dir, humanize.IBytes(uint64(free)), humanize.IBytes(need))
	}
	return nil
}
