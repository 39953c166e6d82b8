package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"bench/cuda/dynamic"
)

// withoutRelativeFolders begins the program anew, as the same process, where
// LD_LIBRARY_PATH has folders that depend on the working folder: a library that
// lies there is nobody's. The loader has read the variable by then, for every
// library that is opened later and for what those need in turn, so that nothing
// less helps. An empty entry is mostly a colon too many and goes without a word.
func withoutRelativeFolders(stderr io.Writer) error {
	const variable = "LD_LIBRARY_PATH"
	kept, left := dynamic.SearchPath(os.Getenv(variable))
	if len(left) == 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("the program cannot find its own file: %w; name folders in %s by absolute paths", err, variable)
	}
	for _, folder := range left {
		if folder != "" {
			fmt.Fprintf(stderr, "bench: warning: no library is taken from the relative folder %q of %s: name it by its absolute path\n", folder, variable)
		}
	}
	env := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, variable+"=") })
	if len(kept) > 0 {
		env = append(env, variable+"="+strings.Join(kept, ":"))
	}
	return fmt.Errorf("the program cannot begin anew without the relative folders of %s: %w; name folders by absolute paths", variable, syscall.Exec(self, os.Args, env))
}
