package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict"
	"bench/reports"

	"github.com/spf13/cobra"
)

func calibrateCommand() *cobra.Command {
	var out, device string
	var simulated, all bool
	c := &cobra.Command{
		Use:   "calibrate PATH… -o FILE",
		Short: "Fit a device's physical parameters to its measurements",
		Long: `calibrate fits the machine's parameters and those of each library to the rows of
one device, and writes the device with its calibration as JSON, which --device of
predict, report and gate takes. It starts from the nearest machine and library
that bench knows, so that 20 rows of an operation do. It fits one half of the
workloads (by a hash of their keys) and reports the error on the other; with
--all it fits every row, and reports a cross-validated error.`,
		Example: `  bench calibrate h100.parquet -o h100.json
  bench calibrate results/ --device my-gpu.json -o my-gpu-calibrated.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("calibrate: name a Parquet file or a folder of them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return errors.New("calibrate: give -o FILE, where the device is written as JSON")
			}
			runs, err := readRuns(args, nil)
			if err != nil {
				return err
			}
			dev, rows, source, err := calibrationRows(runs, device, simulated)
			if err != nil {
				return err
			}
			calibration, err := predict.Calibrate(dev, rows, predict.Options{Source: source, All: all, Priors: priors(dev)})
			if err != nil {
				return err
			}
			dev.Calibration, dev.Ceilings = &calibration, nil
			if err := writeFile(out, func(w io.Writer) error {
				e := json.NewEncoder(w)
				e.SetIndent("", "  ")
				return e.Encode(dev)
			}); err != nil {
				return err
			}
			return reports.Calibration(cmd.OutOrStdout(), &calibration, width(cmd))
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "the device file to write (required)")
	c.Flags().StringVar(&device, "device", "", "which of the input's devices, or a JSON file that describes its only one")
	c.Flags().BoolVar(&all, "all", false, "fit every row, and report a cross-validated error")
	c.Flags().BoolVar(&simulated, "allow-simulated", false, "fit to simulated rows, to try the fit out")
	return c
}

// priors are the calibrations to start from: the device's own shipped one, then
// its relatives'.
func priors(dev datasets.Device) []*datasets.Calibration {
	relatives := catalog.Relatives(dev)
	if own, err := catalog.Lookup(dev.ID); err == nil && own.Calibration != nil {
		relatives = append([]*datasets.Calibration{own.Calibration}, relatives...)
	}
	return relatives
}

// calibrationRows picks one device and its rows, and words what they are.
func calibrationRows(runs []*datasets.Run, device string, simulated bool) (dev datasets.Device, rows []datasets.Row, source string, err error) {
	var ids, stacks []string
	files := map[string]bool{}
	for _, run := range runs {
		for _, row := range run.Rows {
			if row.Measurement.Source == datasets.SourceSimulated && !simulated {
				return dev, nil, "", errors.New("calibrate: the input holds simulated rows, which say nothing about hardware: leave them out, or give --allow-simulated")
			}
			if !slices.Contains(ids, row.DeviceID) {
				ids = append(ids, row.DeviceID)
			}
		}
	}
	id := device
	switch {
	case device == "" && len(ids) == 1:
		id = ids[0]
	case device == "":
		return dev, nil, "", fmt.Errorf("calibrate: the input holds %d devices: choose one by --device: %s", len(ids), reports.Clean(strings.Join(ids, ", ")))
	}
	dev, err = calibrationDevice(runs, id)
	if err != nil {
		return dev, nil, "", err
	}
	// A device file may go by another name than the rows.
	want := dev.ID
	if !slices.Contains(ids, want) {
		if len(ids) != 1 {
			return dev, nil, "", fmt.Errorf("calibrate: no row was timed on %s; the input's devices are %s", dev.ID, reports.Clean(strings.Join(ids, ", ")))
		}
		want = ids[0]
	}
	for _, run := range runs {
		for _, row := range run.Rows {
			if row.DeviceID != want {
				continue
			}
			row.DeviceID = dev.ID
			rows = append(rows, row)
			if name := cmp.Or(row.Measurement.Stack.Name(), row.Measurement.Origin.Tool); name != "" && !slices.Contains(stacks, name) {
				stacks = append(stacks, name)
			}
			if o := row.Measurement.Origin; o.SHA256 != "" {
				files[o.SHA256] = true
			}
		}
	}
	source = fmt.Sprintf("%d rows", len(rows))
	if len(stacks) > 0 {
		source += " of " + stacks[0]
		if len(stacks) > 1 {
			source += fmt.Sprintf(" and %d further stacks", len(stacks)-1)
		}
	}
	if len(files) > 0 {
		var sums []string
		for s := range files {
			sums = append(sums, s[:min(12, len(s))])
		}
		slices.Sort(sums)
		source += fmt.Sprintf(", %d files (SHA-256 %s)", len(sums), strings.Join(sums, " "))
	}
	return dev, rows, source, nil
}

// calibrationDevice finds the device in the catalogue, a file, or the runs.
func calibrationDevice(runs []*datasets.Run, id string) (datasets.Device, error) {
	dev, err := catalog.LookupOrLoad(id)
	if err == nil {
		return dev, nil
	}
	for _, run := range runs {
		if d := run.Device(id); d != nil && (len(d.PeakFLOPs) > 0 || d.MemoryBandwidth.Value > 0) {
			return *d, nil
		}
	}
	for _, run := range runs {
		if run.Device(id) != nil {
			return dev, fmt.Errorf("calibrate: nothing is known of %s but its name: give --device FILE with its datasheet", reports.Clean(id))
		}
	}
	return dev, err
}
