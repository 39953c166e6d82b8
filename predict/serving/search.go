package serving

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"bench/datasets"
	"bench/predict/llm"
)

// Aims are what a service must keep, in seconds on average; 0 is any.
type Aims struct{ TTFT, TPOT float64 }

// Set reports whether there is one.
func (a Aims) Set() bool { return a.TTFT > 0 || a.TPOT > 0 }

func (a Aims) String() string {
	var s []string
	if a.TTFT > 0 {
		s = append(s, fmt.Sprintf("TTFT %g ms", 1e3*a.TTFT))
	}
	if a.TPOT > 0 {
		s = append(s, fmt.Sprintf("TPOT %g ms", 1e3*a.TPOT))
	}
	return strings.Join(s, " and ")
}

// kept reports whether an answer keeps them.
func (a Aims) kept(x Answer) bool {
	return x.Fits && (a.TTFT == 0 || x.TTFTMeanS <= a.TTFT) && (a.TPOT == 0 || x.TPOTMeanS <= a.TPOT)
}

// mostClients bounds the search for a load.
const mostClients = 1 << 14

// Highest is the largest number of requests at once that keeps the aims, found by
// doubling and halving: both times grow with the load.
func (d Deployment) Highest(c *llm.Coster, l Load, aims Aims) (Load, Answer, error) {
	try := func(n int64) (Answer, bool, error) {
		l := l
		l.Concurrency = n
		a, err := d.Predict(c, l)
		return a, err == nil && aims.kept(a), err
	}
	low, best := int64(0), Answer{}
	high := int64(1)
	for ; high <= mostClients; high *= 2 {
		a, ok, err := try(high)
		if err != nil {
			return l, a, err
		}
		if !ok {
			break
		}
		low, best = high, a
	}
	if low == 0 {
		a, _, err := try(1)
		if err != nil {
			return l, a, err
		}
		return l, a, fmt.Errorf("one request alone takes TTFT %.4g ms and TPOT %.4g ms: nothing keeps %s on this layout", 1e3*a.TTFTMeanS, 1e3*a.TPOTMeanS, aims)
	}
	for high-low > 1 && float64(high-low) > 0.01*float64(low) {
		middle := (low + high) / 2
		if a, ok, err := try(middle); err != nil {
			return l, a, err
		} else if ok {
			low, best = middle, a
		} else {
			high = middle
		}
	}
	l.Concurrency = low
	return l, best, nil
}

// Layouts lists those of up to so many GPUs that serving uses: tensor parallelism
// in a node, experts split or shared out over it, and replicas; for mixtures also
// attention's replicas that share the experts.
func Layouts(m datasets.Model, gpus, node int) []llm.Layout {
	var out []llm.Layout
	add := func(l llm.Layout) {
		if whole, err := l.For(m, node); err == nil {
			out = append(out, whole)
		}
	}
	for n := 1; n <= gpus; n *= 2 {
		for tp := 1; tp <= min(n, max(node, 1)); tp *= 2 {
			add(llm.Layout{TP: tp, DP: n / tp})
			if m.Experts > 1 && tp > 1 {
				add(llm.Layout{TP: tp, DP: n / tp, EP: tp, ETP: 1})
			}
			if m.Experts > 1 && n > tp {
				add(llm.Layout{TP: tp, DP: n / tp, EP: n, ETP: 1})
			}
		}
	}
	return out
}

// Fewest is the least GPUs, and among those the layout with the shortest TPOT, that
// keep the aims under a load.
func (d Deployment) Fewest(c *llm.Coster, layouts []llm.Layout, l Load, aims Aims) (Deployment, Answer, error) {
	slices.SortStableFunc(layouts, func(a, b llm.Layout) int { return cmp.Compare(a.GPUs(), b.GPUs()) })
	var found *Deployment
	var best Answer
	var last error
	for _, layout := range layouts {
		if found != nil && layout.GPUs() > found.Layout.GPUs() {
			break
		}
		at := d
		at.Layout = layout
		a, err := at.Predict(c, l)
		if err != nil {
			last = err
			continue
		}
		if aims.kept(a) && stable(a, l) && (found == nil || a.TPOTMeanS < best.TPOTMeanS) {
			found, best = &at, a
		}
	}
	if found == nil {
		if last == nil {
			last = fmt.Errorf("no layout of up to %d GPUs keeps %s at %g requests/s", layouts[len(layouts)-1].GPUs(), aims, l.Rate)
		}
		return d, best, last
	}
	return *found, best, nil
}

// stable reports a service that keeps up with an open loop.
func stable(a Answer, l Load) bool { return l.Rate == 0 || a.RequestsPerS > 0.9*l.Rate }

// Choice is a layout under a load.
type Choice struct {
	Layout      llm.Layout `json:"layout"`
	Concurrency int64      `json:"concurrency"`
	// PerUser is output tokens a second that a user sees, 1 over TPOT.
	PerUser float64 `json:"output_tokens_per_s_per_user"`
	Answer  Answer  `json:"answer"`
}

// Front is the choices that no other beats in both tokens a second a user and
// tokens a second a GPU, the fastest for a user first, and how many were tried.
func (d Deployment) Front(tier datasets.Tier, layouts []llm.Layout, clients []int64, l Load) ([]Choice, int, error) {
	var mutex sync.Mutex
	var all []Choice
	var refused error
	tried := 0
	work := make(chan llm.Layout)
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for layout := range work {
				// A coster serves one goroutine, and remembers a layout's steps.
				c := llm.NewCoster(d.Cluster, tier)
				at := d
				at.Layout = layout
				for _, n := range clients {
					load := l
					load.Concurrency = n * int64(layout.DP) // of each replica
					a, err := at.Predict(c, load)
					mutex.Lock()
					tried++
					if err != nil {
						refused = err
					} else if a.Fits && a.TPOTMeanS > 0 {
						all = append(all, Choice{layout, load.Concurrency, 1 / a.TPOTMeanS, a})
					}
					mutex.Unlock()
					if err != nil {
						break // what does not fit for one does not fit for more
					}
				}
			}
		})
	}
	for _, layout := range layouts {
		work <- layout
	}
	close(work)
	wait.Wait()
	if len(all) == 0 {
		return nil, tried, cmp.Or(refused, errors.New("no layout serves this load"))
	}
	slices.SortFunc(all, func(a, b Choice) int {
		return cmp.Or(cmp.Compare(b.PerUser, a.PerUser), cmp.Compare(b.Answer.PerGPU, a.Answer.PerGPU), cmp.Compare(a.Layout.GPUs(), b.Layout.GPUs()),
			cmp.Compare(a.Layout.TP, b.Layout.TP), cmp.Compare(a.Layout.EP, b.Layout.EP))
	})
	var front []Choice
	most := math.Inf(-1)
	for _, c := range all {
		if c.Answer.PerGPU > most*(1+1e-9) || len(front) == 0 {
			front, most = append(front, c), c.Answer.PerGPU
		}
	}
	return front, tried, nil
}
