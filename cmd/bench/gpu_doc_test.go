package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every message that docs/gpu.md explains is one that the program can say: its
// fixed words stand in the source.
func TestMessagesOfGPUDocExist(t *testing.T) {
	var source strings.Builder
	for _, room := range []string{"cuda", "probes", "microbench", "cmd"} {
		err := filepath.WalkDir(filepath.Join("../..", room), func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				b, err := os.ReadFile(path)
				source.Write(b)
				return err
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	doc, err := os.ReadFile("../../docs/gpu.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| message | what to do |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := 0
	for line := range strings.Lines(table) {
		rows++
		message, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for _, words := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(message, -1) {
			if !strings.Contains(source.String(), words[1]) {
				t.Errorf("nothing says %q", words[1])
			}
		}
	}
	if rows < 20 {
		t.Errorf("the table of messages has %d rows", rows)
	}
}

// Flags and files that the deployments name exist.
func TestGPUDeployments(t *testing.T) {
	run := runCommand()
	for _, path := range []string{"slurm/bench.sbatch", "kubernetes/job.yaml", "kubernetes/Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("../../deploy", path))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "#SBATCH") || strings.Contains(line, "srun") || strings.HasPrefix(strings.TrimSpace(line), "#") || strings.Contains(line, "COPY") {
				continue
			}
			for _, f := range regexp.MustCompile(`--([a-z][a-z-]+)`).FindAllStringSubmatch(line, -1) {
				if run.Flags().Lookup(f[1]) == nil {
					t.Errorf("%s: bench run has no flag --%s", path, f[1])
				}
			}
		}
	}
}
