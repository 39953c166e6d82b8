package main

import (
	"time"

	"github.com/spf13/cobra"

	// cobra/doc: man pages from the same texts as --help.
	"github.com/spf13/cobra/doc"
)

// manCommand writes the man pages that packages hold (deploy/dist); it is no
// verb for users.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Hidden: true, Args: cobra.ExactArgs(1),
		Short: "Write the man pages into a folder",
		RunE: func(cmd *cobra.Command, args []string) error {
			// A fixed date, so that the same sources make the same pages.
			date := time.Unix(0, 0)
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Section: "1", Source: "bench", Date: &date}, args[0])
		},
	}
}
