package catalog

import (
	"fmt"
	"os"
	"path/filepath"
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

// UserFolder holds the user's own devices, systems and models, one JSON file each
// in a folder of that name: BENCH_CATALOG, or bench in the user's configuration
// folder ($XDG_CONFIG_HOME, ~/.config). Every verb looks there first.
func UserFolder() string {
	if dir := os.Getenv("BENCH_CATALOG"); dir != "" {
		return dir
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "bench")
}

// userFile is the user's file for a name, "" where there is none.
func userFile(kind, name string) string {
	dir := UserFolder()
	if dir == "" || name == "" || name != filepath.Base(name) {
		return ""
	}
	path := filepath.Join(dir, kind, name+".json")
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}

// userNames lists the user's own entries of a kind.
func userNames(kind string) (names []string) {
	files, _ := filepath.Glob(filepath.Join(UserFolder(), kind, "*.json"))
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return names
}

// SystemOrLoad takes what a --system flag says: a catalogue name, one of the
// user's, or the path of a JSON file of datasets.System.
func SystemOrLoad(nameOrPath string) (datasets.System, error) {
	if path := userFile("systems", nameOrPath); path != "" {
		return load[datasets.System](path, "system")
	}
	names := userNames("systems")
	for _, s := range catalogue().systems {
		if strings.EqualFold(s.ID, nameOrPath) {
			return s, nil
		}
		names = append(names, s.ID)
	}
	if isFile(nameOrPath) {
		return load[datasets.System](nameOrPath, "system")
	}
	return datasets.System{}, unknown("system", nameOrPath, names)
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
	if path := userFile("models", nameOrPath); path != "" {
		return loadModel(path)
	}
	m, err := Model(nameOrPath)
	if err == nil || !isFile(nameOrPath) {
		return m, err
	}
	return loadModel(nameOrPath)
}

// loadModel reads a file of datasets.Model, or a config.json of the Hugging Face
// hub, which names its architectures.
func loadModel(path string) (datasets.Model, error) {
	if data, err := os.ReadFile(path); err == nil && isHub(data) {
		return fromHub(path, data)
	}
	return load[datasets.Model](path, "model")
}

// LoadCluster reads a JSON file of datasets.Cluster, as ModelOrLoad does.
func LoadCluster(path string) (datasets.Cluster, error) {
	return load[datasets.Cluster](path, "cluster")
}
