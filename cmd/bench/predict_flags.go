package main

import (
	"fmt"
	"strconv"
	"strings"

	"bench/datasets"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// predictOperation is the command of a suite with one workload type: its flags are
// those of the type's tags. more defines further ones, and returns what they do to
// the workload; it may be nil.
func predictOperation[W datasets.Workload](suite datasets.Suite, short, example, dtype string, w W,
	more func(c *cobra.Command, f *predictFlags, w *W) func() error) *cobra.Command {
	return predictSuite(suite, short, example, dtype, func(c *cobra.Command, f *predictFlags) func(datasets.DType) (datasets.Workload, error) {
		var required []string
		datasets.Flags(&w, func(field datasets.Field, to any) {
			defineFlag(c.Flags(), field, to)
			if strings.HasSuffix(field.Help, "(required)") {
				required = append(required, field.Flag)
			}
		})
		finish := func() error { return nil }
		if more != nil {
			finish = more(c, f, &w)
		}
		return func(t datasets.DType) (datasets.Workload, error) {
			for _, name := range required {
				if !c.Flags().Changed(name) {
					return nil, fmt.Errorf("predict %s: give --%s", suite, name)
				}
			}
			w = datasets.Cross(w, datasets.Axis("dtype", t), datasets.Axis("ranks", f.ranks))[0]
			err := finish()
			return w, err
		}
	})
}

// defineFlag gives a field of a workload its flag and its default.
func defineFlag(fl *pflag.FlagSet, f datasets.Field, to any) {
	number, _ := strconv.ParseInt(f.Default, 10, 64)
	switch to := to.(type) {
	case *string:
		fl.StringVar(to, f.Flag, f.Default, f.Help)
	case *bool:
		fl.BoolVar(to, f.Flag, f.Default == "true", f.Help)
	case *int:
		fl.IntVar(to, f.Flag, int(number), f.Help)
	case *uint64:
		fl.Uint64Var(to, f.Flag, uint64(number), f.Help)
	case *float64:
		fl.Float64Var(to, f.Flag, float64(number), f.Help)
	case *int64:
		if !strings.HasSuffix(f.Column, "_bytes") {
			fl.Int64Var(to, f.Flag, number, f.Help)
			return
		}
		if f.Default != "" {
			*to, _ = parseSize(f.Default)
		}
		fl.Var(&size{to, f.Default}, f.Flag, f.Help)
	}
}

// size is a flag's number of bytes, as people write it.
type size struct {
	bytes *int64
	text  string
}

func (s *size) String() string { return s.text }
func (s *size) Type() string   { return "size" }
func (s *size) Set(text string) (err error) {
	s.text = text
	*s.bytes, err = parseSize(text)
	return err
}
