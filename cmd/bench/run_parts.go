package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bench/datasets"
	"bench/microbench"
)

// measuring is a run's parts, one after another.
type measuring struct {
	target   *target
	parts    []part
	done     []datasets.Row
	journal  *datasets.Journal
	stderr   io.Writer
	governor string

	rows  []datasets.Row
	notes []string
}

// total is how many cases the run has.
func (m *measuring) total() int {
	n := 0
	for i := range m.parts {
		n += len(m.parts[i].plan.Workloads)
	}
	return n
}

// kept says where the finished cases are, and how to go on.
func (m *measuring) kept() string {
	path := m.journal.Path()
	if _, _, _, err := datasets.ReadJournal(path); err != nil {
		return fmt.Sprintf("its %d finished cases cannot be read back: %v", len(m.rows), err)
	}
	return fmt.Sprintf("%d of %d cases are kept in %s; go on with: bench run --resume %s", len(m.rows), m.total(), path, path)
}

// run measures every part. One that stops, as when a GPU is lost, does not keep
// the others from being measured; an interruption does.
func (m *measuring) run(ctx context.Context) error {
	show := newProgress(m.stderr, m.total())
	defer show.end()
	var errs []error
	before := 0
	for i := range m.parts {
		p := &m.parts[i]
		if len(m.parts) > 1 {
			show.say(p.title)
		}
		err := m.part(ctx, p, before, show)
		before += len(p.plan.Workloads)
		if errors.Is(err, microbench.ErrInterrupted) {
			return err
		}
		if err != nil && p.title != "" {
			err = fmt.Errorf("%s: %w", p.title, err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// part measures one part; before is how many cases came before it.
func (m *measuring) part(ctx context.Context, p *part, before int, show *progress) error {
	backend, closePart, err := m.target.open(p)
	if err != nil {
		return err
	}
	defer closePart()
	total := m.total()
	loop := microbench.Loop{Backend: backend, Journal: m.journal.Append, Governor: m.governor, OnCase: func(now microbench.Progress) {
		now.Done += before
		now.Total = total
		show.add(now)
	}}
	rows, notes, err := loop.Run(ctx, p.plan, p.of(m.done))
	if n := backend.Renewals(); n > 0 && len(p.gpus) > 0 {
		notes = append(notes, fmt.Sprintf("fresh measuring processes that faults made necessary: %d", n))
	}
	m.rows = append(m.rows, rows...)
	for _, n := range notes {
		if len(m.parts) > 1 {
			n = p.title + ": " + n
		}
		m.notes = append(m.notes, n)
	}
	return err
}

// knows refuses rows of GPUs that are not here.
func (t *target) knows(done []datasets.Row) error {
	for i := range done {
		if id := done[i].DeviceUUID; id != "" && !slices.Contains(t.uuids, id) {
			return fmt.Errorf("the run was begun on GPU %s, and this one has %s", id, strings.Join(t.uuids, ", "))
		}
	}
	return nil
}

// checkKept refuses rows that the run's parts cannot have written.
func checkKept(parts []part, done []datasets.Row) error {
	for i := range done {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.owns(&done[i]) }) {
			return fmt.Errorf("the case %s is of no part of the plan", done[i].Workload.Key())
		}
	}
	for i := range parts {
		if err := microbench.CheckKept(parts[i].plan, parts[i].of(done)); err != nil {
			return err
		}
	}
	return nil
}

// planHash is equal for runs of the same parts.
func planHash(parts []part) string {
	if len(parts) == 1 {
		return parts[0].plan.Hash()
	}
	sum := sha256.New()
	for i := range parts {
		fmt.Fprintln(sum, parts[i].gpus, parts[i].plan.Hash())
	}
	return fmt.Sprintf("%x", sum.Sum(nil))[:16]
}

// listParts prints every part's plan.
func listParts(w io.Writer, t *target, parts []part) error {
	for i := range parts {
		p := &parts[i]
		dev := &t.devices[0]
		if len(parts) > 1 {
			fmt.Fprintf(w, "%s:\n", p.title)
			dev = &t.devices[slices.Index(t.options.GPUs, p.gpus[0])]
		}
		if err := listPlan(w, dev, p.plan); err != nil {
			return err
		}
	}
	return nil
}

// describe adds what NVML knows of the GPUs to a run's provenance: first what the
// node lacks, then what speaks against measuring.
func (t *target) describe(m *datasets.Meta) {
	if t.nvml == nil {
		return
	}
	m.Environment["nvidia_driver"] = t.nvml.Driver.String()
	m.Environment["nvml"] = t.nvml.NVML.String() + " at " + t.nvml.Library.String()
	m.Notes = append(m.Notes, t.nvml.Shortfalls()...)
	for i := range t.nvml.Devices {
		g := &t.nvml.Devices[i]
		if !slices.Contains(t.uuids, g.UUID.Value) {
			continue
		}
		for _, c := range g.Concerns() {
			m.Notes = append(m.Notes, fmt.Sprintf("GPU %s: %s", g.UUID.Value, c))
		}
	}
}
