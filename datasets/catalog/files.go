package catalog

import (
	"fmt"
	"os"
	"strings"

	"bench/datasets"
)

// isFile reports whether a name means a file rather than a catalogue entry.
func isFile(name string) bool {
	if strings.ContainsRune(name, os.PathSeparator) || strings.HasSuffix(strings.ToLower(name), ".json") {
		return true
	}
	_, err := os.Stat(name)
	return err == nil
}

// load reads one checked thing from a JSON file.
func load[T interface{ Validate() error }](path, what string) (T, error) {
	var v T
	f, err := os.Open(path)
	if err != nil {
		return v, fmt.Errorf("%s file: %w", what, err)
	}
	defer f.Close()
	if err = decode(f, what, &v); err == nil {
		err = v.Validate()
	}
	if err != nil {
		return v, fmt.Errorf("%s file %s: %w", what, path, err)
	}
	return v, nil
}

// ModelOrLoad takes what a --model flag says: a catalogue name, or the path of a
// JSON file of datasets.Model (docs/models-of-models.md). Unknown fields, wrong
// types and impossible values are refused, naming the field.
func ModelOrLoad(nameOrPath string) (datasets.Model, error) {
	m, err := Model(nameOrPath)
	if err == nil || !isFile(nameOrPath) {
		return m, err
	}
	return load[datasets.Model](nameOrPath, "model")
}

// LoadCluster reads a JSON file of datasets.Cluster, as ModelOrLoad does.
func LoadCluster(path string) (datasets.Cluster, error) {
	return load[datasets.Cluster](path, "cluster")
}
