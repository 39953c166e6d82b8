package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// entry is what the index needs of an OSV entry.
type entry struct {
	ID       string   `json:"id"`
	Modified string   `json:"modified"`
	Aliases  []string `json:"aliases,omitempty"`
	Affected []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
	} `json:"affected,omitempty"`
}

type module struct {
	Path  string  `json:"path"`
	Vulns []entry `json:"vulns"`
}

// writeDatabase writes Go's vulnerability database into a folder, in the form that
// govulncheck -db file://FOLDER reads (https://go.dev/security/vuln/database), from the
// module golang.org/x/vulndb, and returns that module's version.
func writeDatabase(to string) (version string, err error) {
	out, err := exec.Command("go", "mod", "download", "-json", "golang.org/x/vulndb@latest").Output()
	var from struct{ Dir, Version string }
	if err == nil {
		err = json.Unmarshal(out, &from)
	}
	if err != nil {
		return "", fmt.Errorf("golang.org/x/vulndb cannot be had: %w", err)
	}
	files, _ := filepath.Glob(filepath.Join(from.Dir, "data/osv/*.json"))
	if len(files) == 0 {
		return "", fmt.Errorf("golang.org/x/vulndb %s has no entries", from.Version)
	}
	byModule := map[string][]entry{}
	var all []entry
	latest := ""
	for _, f := range files {
		b, err := os.ReadFile(f)
		var e entry
		if err == nil {
			err = json.Unmarshal(b, &e)
		}
		if err == nil {
			err = write(filepath.Join(to, "ID", e.ID+".json"), json.RawMessage(b))
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", f, err)
		}
		affected := e.Affected
		e.Affected = nil
		latest = max(latest, e.Modified)
		all = append(all, e)
		seen := map[string]bool{}
		for _, a := range affected {
			if name := a.Package.Name; !seen[name] {
				seen[name] = true
				byModule[name] = append(byModule[name], entry{ID: e.ID, Modified: e.Modified})
			}
		}
	}
	var modules []module
	for path, vulns := range byModule {
		modules = append(modules, module{path, vulns})
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return from.Version, errors.Join(write(filepath.Join(to, "index/modules.json"), modules),
		write(filepath.Join(to, "index/vulns.json"), all),
		write(filepath.Join(to, "index/db.json"), map[string]string{"modified": latest}))
}

func write(path string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o644)
	}
	return err
}
