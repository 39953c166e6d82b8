package dynamic

import (
	"path/filepath"
	"strings"
)

// SearchPath parts the value of LD_LIBRARY_PATH, whose folders both colons and
// semicolons part (ld.so(8)), into those that say where they are and those that
// depend on the working folder: relative ones and, by a colon too many, empty
// ones. $ORIGIN is the program's own folder.
func SearchPath(value string) (absolute, relative []string) {
	if value == "" {
		return nil, nil
	}
	for _, folder := range strings.Split(strings.ReplaceAll(value, ";", ":"), ":") {
		if filepath.IsAbs(folder) || strings.HasPrefix(folder, "$ORIGIN") || strings.HasPrefix(folder, "${ORIGIN}") {
			absolute = append(absolute, folder)
		} else {
			relative = append(relative, folder)
		}
	}
	return absolute, relative
}
