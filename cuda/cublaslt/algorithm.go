package cublaslt

// #include "cublaslt.h"
import "C"

import (
	"fmt"
	"strings"
)

// Algorithm is one configuration of a kernel of the library, by its numbers
// (cublasLt.h, cublasLtMatmulAlgoConfigAttributes_t); -1 where the version has no
// such attribute.
type Algorithm struct {
	ID, Tile, SplitK, Reduction, Swizzle, Custom, Stages, Inner, Cluster int
	WorkspaceBytes                                                       int64
	// Waves is how often the product fills the GPU, as the library works it out.
	Waves float64
}

func (p *Plan) describe(i int) Algorithm {
	var c C.lt_config
	C.lt_describe(p.handle.lib.table, &p.algos[i].algo, &c)
	return Algorithm{ID: int(c.id), Tile: int(c.tile), SplitK: int(c.split_k), Reduction: int(c.reduction), Swizzle: int(c.swizzle),
		Custom: int(c.custom), Stages: int(c.stages), Inner: int(c.inner), Cluster: int(c.cluster),
		WorkspaceBytes: int64(p.algos[i].workspace), Waves: float64(p.algos[i].waves)}
}

// tiles and stages name the numbers of cublasLtMatmulTile_t and
// cublasLtMatmulStages_t (cublasLt.h 12.4). Later versions have more, which are
// given by number.
var (
	tiles = strings.Fields("0 8x8 8x16 16x8 8x32 16x16 32x8 8x64 16x32 32x16 64x8 32x32 32x64 64x32 32x128 64x64 128x32 64x128 128x64 " +
		"64x256 128x128 256x64 64x512 128x256 256x128 512x64 64x96 96x64 96x128 128x160 160x128 192x128 128x192 128x96 32x256 256x32")
	stages = strings.Fields("0 16x1 16x2 16x3 16x4 16x5 16x6 32x1 32x2 32x3 32x4 32x5 32x6 64x1 64x2 64x3 64x4 64x5 64x6 " +
		"128x1 128x2 128x3 128x4 128x5 128x6 32x10 8x4 16x10 8x5 29 30 8x3 8xAUTO 16xAUTO 32xAUTO 64xAUTO 128xAUTO")
)

func named(names []string, i int) string {
	if i > 0 && i < len(names) {
		return names[i]
	}
	return fmt.Sprint(i)
}

// String is such as "algorithm 66, tile 128x256, stages 128xAUTO, split-K 1,
// cluster 3, no workspace". The first number of a tile is that of a row-major
// result's columns.
func (a Algorithm) String() string {
	workspace := "no workspace"
	if a.WorkspaceBytes > 0 {
		workspace = fmt.Sprintf("workspace %d bytes", a.WorkspaceBytes)
	}
	return fmt.Sprintf("algorithm %d, tile %s, stages %s, split-K %d, cluster %d, inner %d, custom %d, swizzle %d, %s",
		a.ID, named(tiles, a.Tile), named(stages, a.Stages), a.SplitK, a.Cluster, a.Inner, a.Custom, a.Swizzle, workspace)
}
