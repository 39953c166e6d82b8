package gpu

import (
	"bench/cuda/cublaslt"
	"bench/cuda/nccl"
)

// libraries says which optional libraries are here and, where one is missing,
// where it was looked for and what that costs.
func libraries() map[string]string {
	out := map[string]string{}
	if l, err := nccl.Open(); err == nil {
		out["libnccl"] = l.Version() + " at " + l.Path()
	} else {
		out["libnccl"] = "missing, so collectives are skipped: " + err.Error()
	}
	if l, err := cublaslt.Open(); err == nil {
		out["libcublaslt"] = l.Version() + " at " + l.Path()
	} else {
		out["libcublaslt"] = "missing, so library GEMM is skipped; peak-issue still runs: " + err.Error()
	}
	return out
}
