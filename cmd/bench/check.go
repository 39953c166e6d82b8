package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/datasets/importers"
	"bench/reports/verdict"

	"github.com/spf13/cobra"
)

// pasteFlags are what the user says of files of other tools.
type pasteFlags struct {
	importers.Options
	device, system, nics string
	nodeSize             int
	model                string
	tp                   int
}

func (f *pasteFlags) define(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.device, "device", "", "the GPU: catalogue entry or JSON file")
	fl.StringVar(&f.system, "system", "", "the node: catalogue entry or JSON file (bench catalog systems)")
	fl.StringVar(&f.nics, "nics", "", "network cards of a node, number × Gbit/s, such as 8x400")
	fl.IntVar(&f.nodeSize, "node-size", 0, "GPUs of a node, where it is not the usual number")
	fl.StringVar(&f.Op, "op", "", "the collective, where the file does not name it")
	fl.IntVar(&f.Ranks, "ranks", 0, "ranks in all, where the file does not say")
	fl.IntVar(&f.Nodes, "nodes", 0, "nodes, where the file does not say")
	fl.StringVar(&f.model, "model", "", "the model of a serving result: catalogue entry or JSON file")
	fl.IntVar(&f.tp, "tp", 0, "GPUs that a served model's layers are split over")
}

// options turns the flags into what verdict takes.
func (f *pasteFlags) options() (o verdict.Options, err error) {
	if f.Op != "" {
		op := importers.Operation(f.Op)
		if op == "" {
			return o, unknown("operation", f.Op, datasets.CollectiveKinds)
		}
		f.Op = op
	}
	if f.Ranks < 0 || f.Nodes < 0 || f.tp < 0 || f.nodeSize < 0 {
		return o, errors.New("--ranks, --nodes, --node-size and --tp are numbers above 0")
	}
	o.TP = f.tp
	if f.model != "" {
		m, err := catalog.ModelOrLoad(f.model)
		if err != nil {
			return o, err
		}
		o.Model = &m
	}
	if f.device != "" {
		d, err := catalog.LookupOrLoad(f.device)
		if err != nil {
			return o, err
		}
		o.Device = &d
	}
	if f.system != "" {
		s, err := catalog.SystemOrLoad(f.system)
		if err != nil {
			return o, err
		}
		o.System = &s
	}
	if f.nics != "" || f.nodeSize > 0 {
		if o.System == nil {
			o.System = &datasets.System{ID: "given", Name: "the node", Source: "given by --nics"}
		}
		if f.nodeSize > 0 {
			o.System.GPUs = f.nodeSize
		}
		if f.nics != "" {
			if o.System.NICs, o.System.NICGbitPerS, err = datasets.ParseCards(f.nics); err != nil {
				return o, err
			}
		}
	}
	return o, nil
}

func checkCommand() *cobra.Command {
	var f pasteFlags
	var format, junit string
	c := &cobra.Command{
		Use:   "check FILE…|-",
		Short: "Is it as it should be? Any tool's output, as it was pasted",
		Long: `check reads the output of nccl-tests, rccl-tests, nvbandwidth, BabelStream and
llama-bench, tables of served models, and bench's own Parquet files, finds the
format by itself, and says whether the figures are as this hardware should give:
as expected, slow, broken (wrong answers) or can't say, with what is missing.
What was inferred is said. - is standard input.

Exit codes: 0 as expected; 1 slow or broken; 4 can't say.`,
		Example: `  bench check nccl.log
  xclip -o | bench check - --device h100-sxm --nics 8x400`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("check: name a file of any known format, a folder, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			formats := []string{"text", "json", "md"}
			o, err := f.options()
			if err != nil {
				return err
			}
			checker := &verdict.Checker{Options: o}
			for _, path := range args {
				if err := f.read(cmd, path, checker); err != nil {
					return err
				}
			}
			r := checker.Result()
			if junit != "" {
				if err := writeFile(junit, r.JUnit); err != nil {
					return fmt.Errorf("the JUnit file is not written: %w", err)
				}
			}
			w := bufio.NewWriter(cmd.OutOrStdout())
			switch format {
			case "text":
				err = r.Text(w, width(cmd))
			case "json":
				err = writeJSON(w, r)
			case "md":
				err = r.Markdown(w)
			default:
				return unknown("format", format, formats)
			}
			if err = errors.Join(err, w.Flush()); err != nil {
				return err
			}
			switch r.Verdict {
			case verdict.Slow, verdict.Broken:
				return &exitError{exitCheckFailed, errSaid}
			case verdict.CantSay:
				return &exitError{exitCantTell, errSaid}
			}
			return nil
		},
	}
	f.define(c)
	c.Flags().StringVar(&format, "format", "text", "text, json or md")
	c.Flags().StringVar(&junit, "junit", "", "write a JUnit report to this file as well")
	return c
}

// read hands the rows of a file, a folder or standard input to the checker.
func (f *pasteFlags) read(cmd *cobra.Command, path string, c *verdict.Checker) error {
	if path == "-" {
		return f.readStream(cmd.InOrStdin(), "-", c)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if !info.IsDir() {
		return f.readPath(path, c)
	}
	n := 0
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := f.readPath(p, c); err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "bench: warning: passed over: %s\n", oneLine(err))
			return nil
		}
		n++
		return nil
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("check: %s holds no file that is known", path)
	}
	return err
}

func (f *pasteFlags) readPath(path string, c *verdict.Checker) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer file.Close()
	var magic [4]byte
	if n, _ := io.ReadFull(file, magic[:]); n == 4 && bytes.Equal(magic[:], []byte("PAR1")) {
		runs, err := readRuns([]string{path}, nil)
		if err != nil {
			return err
		}
		for _, run := range runs {
			for i := range run.Rows {
				c.Add(&run.Rows[i], run.Device(run.Rows[i].DeviceID))
			}
		}
		return nil
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return f.readStream(io.MultiReader(bytes.NewReader(magic[:]), file), path, c) // a pipe
	}
	return f.readStream(file, path, c)
}

func (f *pasteFlags) readStream(r io.Reader, name string, c *verdict.Checker) error {
	o := f.Options
	read, err := importers.Read(r, name, o, c.Add)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	var notes []string
	for _, file := range read.Report.Files {
		if read.Format != "nccl-tests" { // whose notes are findings
			notes = append(notes, file.Notes...)
		}
	}
	c.Note(name, read.Format, read.Assumed, read.Problems, notes, read.Wrong)
	return nil
}
