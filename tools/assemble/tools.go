package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

type tools struct{ ptxas, cuobjdump, version, cache string }

// compiled is what ptxas says of a file and cuobjdump shows of its result.
type compiled struct {
	Said, SASS string
	CPUSeconds float64 // ptxas's own, whatever else the machine does
}

// compile assembles a file, or takes what an earlier run has of the same text
// by the same ptxas: all files take minutes of a core.
func (t tools) compile(file, arch string) (c compiled, err error) {
	ptx, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	kept := filepath.Join(t.cache, fmt.Sprintf("%x.json", sha256.Sum256(append([]byte(t.version+arch), ptx...))))
	if text, err := os.ReadFile(kept); err == nil && json.Unmarshal(text, &c) == nil && c.CPUSeconds > 0 {
		return c, nil
	}
	if err := os.MkdirAll(t.cache, 0o700); err != nil {
		return c, err
	}
	work, err := os.MkdirTemp(t.cache, "assemble-*")
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(work)
	cubin := filepath.Join(work, "cubin")
	cmd := exec.Command(t.ptxas, "-arch="+arch, "-v", file, "-o", cubin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return c, fmt.Errorf("ptxas %s: %w\n%s", file, err, out)
	}
	c.Said, c.CPUSeconds = string(out), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if out, err = exec.Command(t.cuobjdump, "-sass", cubin).Output(); err != nil {
		return c, fmt.Errorf("cuobjdump %s: %w", file, err)
	}
	c.SASS = string(out)
	text, err := json.Marshal(c)
	if err != nil {
		return c, err
	}
	// Written beside and renamed: another run may be doing the same.
	beside := filepath.Join(work, "json")
	if err := os.WriteFile(beside, text, 0o600); err != nil {
		return c, err
	}
	return c, os.Rename(beside, kept)
}
