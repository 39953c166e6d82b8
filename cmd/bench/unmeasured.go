//go:build !cgo || !linux

package main

import "github.com/spf13/cobra"

// Without cgo, or on another system than Linux, there is nothing to measure with:
// the kernels are C, and so are the drivers' libraries.

func runCommand() *cobra.Command {
	return unmeasured("run", "Measure the suites on a device (not in this build)")
}

func devicesCommand() *cobra.Command {
	return unmeasured("devices", "What is here and how healthy it is (not in this build)")
}

func unmeasured(verb, short string) *cobra.Command {
	return &cobra.Command{
		Use:                verb,
		Short:              short,
		Example:            "  CGO_ENABLED=1 go build ./cmd/bench   # on Linux, with a C compiler",
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		Args:               cobra.ArbitraryArgs,
		RunE: func(*cobra.Command, []string) error {
			return nothingMeasured("%s: this build of bench measures nothing: build it on Linux with cgo (CGO_ENABLED=1 and a C compiler)", verb)
		},
	}
}

// hiddenVerbs are of builds that measure.
var hiddenVerbs []func() *cobra.Command
