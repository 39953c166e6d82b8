//go:build race

package main

// The race detector makes the study ten times slower, and there is one goroutine.
const coverageRuns, leastCoverage = 250, 0.92
