package gpu

import (
	"crypto/sha256"
	"fmt"

	"bench/cuda/kernels"
)

// kernelsText says in which form the kernels run on a compute capability, with a
// checksum of all their PTX.
func kernelsText(major, minor int) string {
	sum := sha256.New()
	form := ""
	for _, name := range kernels.Names() {
		ptx, arch, _ := kernels.PTX(name, major, minor)
		form = arch
		fmt.Fprintf(sum, "%s %d\n", name, len(ptx))
		sum.Write(ptx)
	}
	return fmt.Sprintf("%s, PTX sha256:%.6x", form, sum.Sum(nil))
}
