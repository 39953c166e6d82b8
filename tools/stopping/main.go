// Stopping makes the table of docs/measuring.md, "Does the interval hold the truth?":
// the stopping rule beside a fixed count and nvbench's rule, on noise whose median is
// known.
//
//	go run ./tools/stopping [docs/measuring.md]
//
// prints it, or puts it into the document.
package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"

	"bench/datasets/stats"
	"bench/microbench"
	"bench/microbench/doctable"
)

// stopper decides when it has seen enough, as its author does.
type stopper struct {
	name string
	run  func(next func() float64) []float64
}

var ours = stopper{"bench", func(next func() float64) []float64 {
	r := microbench.MedianRule{HalfWidth: 0.01, Confidence: 0.95, Min: microbench.DefaultSettings.MinSamples, Max: microbench.DefaultSettings.MaxSamples}
	for r.Done() == "" {
		r.Add(next())
	}
	return r.Samples()
}}

// stdrel is the rule of nvbench's stdrel_criterion at its default of 0.5 % noise:
// done when the samples' relative standard deviation is below that, or when its
// last 512 values, looked at every 16 samples after 64, lie within 5 % of the
// latest. Its least time has no meaning here and is left out.
var stdrel = stopper{"stdrel", func(next func() float64) []float64 {
	const maxNoise, window, steady = 0.005, 512, 0.05
	var samples, noise []float64
	var sum, squares float64
	for {
		x := next()
		samples = append(samples, x)
		sum += x
		squares += x * x
		n := float64(len(samples))
		if n < 5 {
			continue // nvbench takes no standard deviation of fewer
		}
		mean := sum / n
		now := math.Sqrt(max(0, (squares-n*mean*mean)/(n-1))) / mean
		if noise = append(noise, now); len(noise) > window {
			noise = noise[1:]
		}
		if now < maxNoise {
			return samples
		}
		if len(noise) > 64 && len(samples)%16 == 0 {
			var s float64
			for _, v := range noise {
				s += (v - now) * (v - now)
			}
			if math.Sqrt(s/float64(len(noise)-1))/now < steady {
				return samples
			}
		}
	}
}}

func fixed(n int) stopper {
	return stopper{"fixed", func(next func() float64) []float64 {
		s := make([]float64, n)
		for i := range s {
			s[i] = next()
		}
		return s
	}}
}

// trial is how a rule did over many runs: how often its interval held the hidden
// median, with how many samples, and how wide the interval was.
type trial struct{ held, samples, halfWidth float64 }

func (s stopper) try(runs int, n noise) (t trial) {
	rng := rand.New(rand.NewPCG(4, 2))
	for range runs {
		samples := s.run(n.draw(rng))
		i := stats.MedianInterval(samples, 0.95)
		if i.Low <= 1 && 1 <= i.High {
			t.held++
		}
		t.samples += float64(len(samples))
		t.halfWidth += i.RelativeHalfWidth()
	}
	r := float64(runs)
	return trial{t.held / r, t.samples / r, t.halfWidth / r}
}

// sameWidth is the fixed count whose intervals are as wide, on average, as ours.
func sameWidth(n noise, halfWidth float64) int {
	low, high := 6, 4096
	for high-low > max(1, low/50) {
		if mid := (low + high) / 2; fixed(mid).try(200, n).halfWidth > halfWidth {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

func main() {
	var t strings.Builder
	fmt.Fprintln(&t, "| noise, median 1 | bench: holds the truth | samples | half-width | fixed count of the same width | nvbench's stdrel: holds | samples | half-width |")
	fmt.Fprintln(&t, "|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, n := range noises {
		us, them := ours.try(1000, n), stdrel.try(1000, n)
		fmt.Fprintf(&t, "| %s | %.1f %% | %.0f | %.2f %% | %d | %.1f %% | %.0f | %.2f %% |\n", n.name, us.held*100, us.samples, us.halfWidth*100,
			sameWidth(n, us.halfWidth), them.held*100, them.samples, them.halfWidth*100)
	}
	fmt.Print(t.String())
	if len(os.Args) > 1 {
		if err := doctable.Write(os.Args[1], "stopping-study", t.String()); err != nil {
			fmt.Fprintln(os.Stderr, "stopping:", err)
			os.Exit(1)
		}
	}
}
