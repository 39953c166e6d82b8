//go:build !race

package main

const coverageRuns, leastCoverage = 1000, 0.93
