// Assemble runs ptxas over the committed PTX and prints what each kernel needs:
// registers, spills, shared memory, the threads of an SM that this leaves, and
// the instructions of its hot loop (cuobjdump -sass). It fails where a kernel
// spills. With a file's name it puts the table between the two marks in it.
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
	"slices"
	"strings"
)

const (
	begin = "<!-- begin: make kernels-doc -->\n"
	end   = "<!-- end: make kernels-doc -->\n"
)

func main() {
	spilled, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "assemble:", err)
		os.Exit(2)
	}
	if len(spilled) > 0 {
		fmt.Fprintf(os.Stderr, "assemble: registers are spilled by %s\n", strings.Join(spilled, ", "))
		os.Exit(1)
	}
}

func run(args []string) (spilled []string, err error) {
	var table bytes.Buffer
	ptxas, err := tool("ptxas")
	if err != nil {
		return nil, err
	}
	cuobjdump, err := tool("cuobjdump")
	if err != nil {
		return nil, err
	}
	version, err := exec.Command(ptxas, "--version").Output()
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(string(version)), "\n")
	fmt.Fprintf(&table, "By ptxas %s.\n", strings.TrimPrefix(lines[len(lines)-2], "Cuda compilation tools, "))
	work, err := os.MkdirTemp("", "assemble-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	for _, arch := range []string{"sm_80", "sm_90a"} {
		fmt.Fprintf(&table, "\n### %s\n\n| file | kernel | registers | spills B | shared B | threads/SM | hot loop |\n|---|---|--:|--:|--:|--:|---|\n", arch)
		files, err := filepath.Glob(filepath.Join("cuda", "kernels", "ptx", "*."+arch+".ptx"))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no PTX for %s in cuda/kernels/ptx: run this from the repository's root", arch)
		}
		for _, f := range files {
			kernels, err := assemble(ptxas, cuobjdump, f, arch, work)
			if err != nil {
				return nil, err
			}
			name := strings.TrimSuffix(filepath.Base(f), "."+arch+".ptx")
			for _, k := range kernels {
				fmt.Fprintf(&table, "| %s | `%s` | %d | %d | %d | %d | %s |\n", name, strings.TrimPrefix(k.name, "bench_"), k.registers, k.spills, k.shared, k.perSM(arch), k.loop)
				if k.spills > 0 {
					spilled = append(spilled, k.name+" ("+arch+")")
				}
			}
		}
	}
	if len(args) == 0 {
		_, err = os.Stdout.Write(table.Bytes())
		return spilled, err
	}
	doc, err := os.ReadFile(args[0])
	if err != nil {
		return nil, err
	}
	from, to := bytes.Index(doc, []byte(begin)), bytes.Index(doc, []byte(end))
	if from < 0 || to < from {
		return nil, fmt.Errorf("%s has no marks %q and %q", args[0], strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return spilled, os.WriteFile(args[0], slices.Concat(doc[:from+len(begin)], table.Bytes(), doc[to:]), 0o644)
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
