package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"bench/datasets"
	"bench/predict"
	"bench/predict/ceilings"
	"bench/probes"
	"bench/reports"
)

// runTiers are what a run can know of its own device.
var runTiers = []datasets.Tier{datasets.TierDatasheet, datasets.TierCeilings}

// meta is the provenance of a run that starts now.
func (f *runFlags) meta(h *probes.Host, t *target, command []string) (datasets.Meta, error) {
	program, err := programID()
	if err != nil {
		return datasets.Meta{}, err
	}
	now := time.Now()
	m := datasets.Meta{
		ID:    fmt.Sprintf("%s-%x", now.UTC().Format("20060102T150405Z"), random()),
		Bench: program, Command: command, Profile: f.profile,
		StartUnixS: now.Unix(), Host: h.Name, Machine: h.Fingerprint().String(), Environment: h.Environment(),
	}
	b := t.backend
	for k, v := range b.Environment() {
		m.Environment[k] = v
	}
	// It puts functions in the place of those that are measured.
	if v := os.Getenv("LD_PRELOAD"); v != "" {
		m.Environment["ld_preload"] = v
	}
	c := b.Clock()
	m.Environment["timer"] = fmt.Sprintf("%s, %s resolution, %s a pair of readings", c.Name, reports.Seconds(c.ResolutionS), reports.Seconds(c.OverheadS))
	t.describe(&m)
	m.Notes = append(m.Notes, h.Concerns()...)
	return m, nil
}

// random tells apart the runs that many nodes begin in one second, as cron does
// with a shared folder, or that follow a clock put back.
func random() []byte {
	b := make([]byte, 6)
	rand.Read(b) // never fails (crypto/rand)
	return b
}

// programID is the version with a checksum of the very binary that runs.
func programID() (string, error) {
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
	return fmt.Sprintf("%s sha256:%.6x", version(), sum.Sum(nil)), nil
}

// addPredictions gives the run's device the ceilings that were measured and
// each row its predictions.
func addPredictions(run *datasets.Run) {
	for i := range run.Devices {
		dev := &run.Devices[i]
		dev.Ceilings = ceilings.Of(run.Rows, dev.ID)
		for _, tier := range runTiers {
			p := predict.New(*dev, tier)
			for j := range run.Rows {
				if row := &run.Rows[j]; row.DeviceID == dev.ID {
					row.Predictions = append(row.Predictions, p.Predict(row.Workload))
				}
			}
		}
	}
}

// interruptible is a context that the first Ctrl-C (or a termination) ends; a
// second one ends the program at once, as it would without us.
func interruptible(stderr io.Writer) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			signal.Stop(signals)
			fmt.Fprintln(stderr, "\nbench: stopping after the case in flight; a second Ctrl-C stops at once")
			cancel()
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
