// Package kernels holds the CUDA C kernels and the PTX that `make ptx` compiles
// them to, for compute capability 8.0 and, with what only Hopper has, 9.0. The
// PTX is committed and embedded, so that building bench needs no CUDA.
package kernels

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"bench/cuda"
)

//go:embed ptx/*.ptx
var files embed.FS

// PTX is the code of file name (stream for stream.cu) for a GPU's compute
// capability: sm_90a's on 9.0, and sm_80's everywhere else, which is made for
// 8.0 and compiled by the driver (JIT) for what else runs it. arch says which, and is
// "sm_80 by JIT" where jit is true; ptx is nil where there is none.
func PTX(name string, major, minor int) (ptx []byte, arch string, jit bool) {
	target := "sm_80"
	switch {
	case major == 9 && minor == 0:
		target = "sm_90a"
		arch = target
	case major == 8 && minor == 0:
		arch = target
	default:
		arch, jit = target+" by JIT", true
	}
	if major < 8 {
		return nil, "", false
	}
	ptx, err := files.ReadFile("ptx/" + name + "." + target + ".ptx")
	if err != nil {
		return nil, "", false
	}
	return ptx, arch, jit
}

// Names are the files that PTX knows.
func Names() (names []string) {
	entries, err := fs.ReadDir(files, "ptx")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if n, ok := strings.CutSuffix(e.Name(), ".sm_80.ptx"); ok {
			names = append(names, n)
		}
	}
	return names
}

// Load compiles a file's PTX for the context's GPU.
func Load(c *cuda.Context, name string) (*cuda.Module, error) {
	d := c.Device()
	if d.Major < 8 {
		return nil, fmt.Errorf("%s has compute capability %d.%d, and the kernels need 8.0 (A100) or newer", d.Name, d.Major, d.Minor)
	}
	ptx, _, _ := PTX(name, d.Major, d.Minor)
	if ptx == nil {
		return nil, fmt.Errorf("there are no kernels named %q: use one of %s", name, strings.Join(Names(), ", "))
	}
	m, err := c.Load(ptx)
	if err != nil {
		return nil, fmt.Errorf("kernels %s: %w", name, err)
	}
	return m, nil
}
