// Assemble runs ptxas over the committed PTX and prints what each kernel needs:
// registers, spills, shared memory, the threads of an SM that this leaves, and
// the instructions of its hot loop (cuobjdump -sass). It fails where a kernel
// spills, takes ptxas longer than a bound, or its hot loop is not what its ceiling counts on (demands.go). With a file's name it puts the table between the two marks in it.
//
//	make ptx-assemble    CUDA_TOOLS=/opt/cuda-tools, or ptxas and cuobjdump in PATH
//	make kernels-doc
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup" // the first error of many
)

const (
	begin = "<!-- begin: make kernels-doc -->\n"
	end   = "<!-- end: make kernels-doc -->\n"
)

func main() {
	faults, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "assemble:", err)
		os.Exit(2)
	}
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, "assemble:", f)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}

func run(args []string) (faults []string, err error) {
	var table bytes.Buffer
	t, err := find()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&table, "By ptxas %s.\n", t.version)
	for _, arch := range []string{"sm_80", "sm_90a"} {
		fmt.Fprintf(&table, "\n### %s\n\n| file | kernel | registers | spills B | shared B | threads/SM | hot loop |\n|---|---|--:|--:|--:|--:|---|\n", arch)
		files, err := filepath.Glob(filepath.Join("cuda", "kernels", "ptx", "*."+arch+".ptx"))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no PTX for %s in cuda/kernels/ptx: run this from the repository's root", arch)
		}
		kernels, err := t.assembleAll(files, arch)
		if err != nil {
			return nil, err
		}
		for i, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), "."+arch+".ptx")
			for _, k := range kernels[i] {
				fmt.Fprintf(&table, "| %s | `%s` | %d | %d | %d | %d | %s |\n", name, strings.TrimPrefix(k.name, "bench_"), k.registers, k.spills, k.shared, k.perSM(arch), k.loop)
				for _, fault := range k.faults() {
					faults = append(faults, fmt.Sprintf("%s (%s): %s", k.name, arch, fault))
				}
			}
		}
	}
	if len(args) == 0 {
		_, err = os.Stdout.Write(table.Bytes())
		return faults, err
	}
	doc, err := os.ReadFile(args[0])
	if err != nil {
		return nil, err
	}
	from, to := bytes.Index(doc, []byte(begin)), bytes.Index(doc, []byte(end))
	if from < 0 || to < from {
		return nil, fmt.Errorf("%s has no marks %q and %q", args[0], strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return faults, os.WriteFile(args[0], slices.Concat(doc[:from+len(begin)], table.Bytes(), doc[to:]), 0o644)
}

// assembleAll takes as many files at once as there are cores.
func (t tools) assembleAll(files []string, arch string) ([][]kernel, error) {
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	out := make([][]kernel, len(files))
	for i, f := range files {
		g.Go(func() (err error) {
			out[i], err = t.assemble(f, arch)
			return err
		})
	}
	return out, g.Wait()
}

func find() (t tools, err error) {
	if t.ptxas, err = tool("ptxas"); err != nil {
		return t, err
	}
	if t.cuobjdump, err = tool("cuobjdump"); err != nil {
		return t, err
	}
	version, err := exec.Command(t.ptxas, "--version").Output()
	if err != nil {
		return t, err
	}
	lines := strings.Split(strings.TrimSpace(string(version)), "\n")
	t.version = strings.TrimPrefix(lines[max(0, len(lines)-2)], "Cuda compilation tools, ")
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	t.cache = filepath.Join(cache, "bench-assemble")
	return t, nil
}

// tool finds a program of the CUDA toolkit: below CUDA_TOOLS, or in PATH.
func tool(name string) (string, error) {
	if root := os.Getenv("CUDA_TOOLS"); root != "" {
		for _, dir := range []string{"bin", "usr/bin", "usr/local/cuda/bin"} {
			if p := filepath.Join(root, dir, name); exec.Command(p, "--version").Run() == nil {
				return p, nil
			}
		}
		return "", fmt.Errorf("there is no %s below CUDA_TOOLS=%s", name, root)
	}
	p, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not in PATH: it comes with the CUDA toolkit; or set CUDA_TOOLS to where that is", name)
	}
	return p, nil
}
