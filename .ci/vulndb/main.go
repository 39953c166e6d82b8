// Command vulndb writes Go's vulnerability database into a folder, in the form that
// govulncheck -db file://FOLDER reads (https://go.dev/security/vuln/database). It is
// for where vuln.go.dev cannot be reached: the entries come from the module
// golang.org/x/vulndb, through the module proxy. It prints the version that it took.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

func main() {
	log.SetFlags(0)
	out, err := exec.Command("go", "mod", "download", "-json", "golang.org/x/vulndb@latest").Output()
	var from struct{ Dir, Version string }
	if err == nil {
		err = json.Unmarshal(out, &from)
	}
	if err != nil || len(os.Args) != 2 {
		log.Fatalf("vulndb FOLDER: golang.org/x/vulndb cannot be had: %v", err)
	}
	to := os.Args[1]
	files, _ := filepath.Glob(filepath.Join(from.Dir, "data/osv/*.json"))
	if len(files) == 0 {
		log.Fatalf("golang.org/x/vulndb %s has no entries", from.Version)
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
		if err != nil {
			log.Fatal(f, ": ", err)
		}
		write(filepath.Join(to, "ID", e.ID+".json"), json.RawMessage(b))
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
	slices.SortFunc(modules, func(a, b module) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	write(filepath.Join(to, "index/modules.json"), modules)
	write(filepath.Join(to, "index/vulns.json"), all)
	write(filepath.Join(to, "index/db.json"), map[string]string{"modified": latest})
	fmt.Println(from.Version)
}

func write(path string, v any) {
	b, err := json.Marshal(v)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
