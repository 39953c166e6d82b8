//go:build !race

package microbench

const coverageRuns, leastCoverage = 1000, 0.93
