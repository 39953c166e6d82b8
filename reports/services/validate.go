// Package services holds whole-model predictions against measured services:
// unfitted first, then with the facts that a collection does not print chosen
// from a short list, then with an engine's host fitted, each on the half that
// nothing was chosen or fitted on.
package services

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/datasets/stats"
	"bench/predict/llm"
	"bench/predict/serving"
)

// Figures that are judged, in the order in which pages show them.
var Figures = []string{"tpot", "ttft", "output_token"}

// Service is one measured service, all its figures together.
type Service struct {
	Workload datasets.Serve // of the first figure
	Stack    datasets.Stack
	Device   string
	Split    datasets.Split
	Measured map[string]float64
	// Predicted at each stage of the validation, by figure; a figure that could not
	// be predicted is missing.
	Unfitted, Chosen, Fitted map[string]float64
	Answer                   serving.Answer
	Why                      string // not predicted
	collection               *Collection
}

// Collection is the services that one engine's version ran of one model.
type Collection struct {
	Name     string
	Engine   serving.Engine
	Model    datasets.Model
	Device   datasets.Device
	Facts    serving.Facts
	Services []*Service
	// Assumed says what the file does not.
	Assumed string
	coster  *llm.Coster
}

// Validation is all of them.
type Validation struct {
	Collections []*Collection
	Hosts       []serving.Host
	// LeftOut counts services by the rule that left them out.
	LeftOut map[string]int
	Tier    datasets.Tier
}

// Collect gathers rows into services, and those into collections.
func Collect(rows []datasets.Row, tier datasets.Tier) (*Validation, error) {
	v := &Validation{LeftOut: map[string]int{}, Tier: tier}
	services, byKey := []*Service{}, map[string]*Service{}
	for i := range rows {
		w, ok := rows[i].Workload.(datasets.Serve)
		m := &rows[i].Measurement
		if !ok || !m.Usable() {
			continue
		}
		if w.TP == 0 {
			v.LeftOut["the layout is not said"]++
			continue
		}
		kernel := w.Kernel
		w.Kernel = "ttft"
		key := fmt.Sprint(w.Key(), rows[i].DeviceID, m.Stack, m.Origin.File, m.Origin.Record)
		s := byKey[key]
		if s == nil {
			s = &Service{Workload: w, Stack: m.Stack, Device: rows[i].DeviceID, Split: datasets.SplitOf(w.Key()), Measured: map[string]float64{}}
			byKey[key], services = s, append(services, s)
		}
		s.Measured[kernel] = m.TimeS
	}
	named := map[string]*Collection{}
	for _, s := range services {
		name := strings.Join([]string{s.Stack.Name(), s.Workload.Model, string(s.Workload.Type), s.Device}, " ")
		c := named[name]
		if c == nil {
			var err error
			if c, err = newCollection(name, s, tier); err != nil {
				v.LeftOut[err.Error()]++
				continue
			}
			named[name], v.Collections = c, append(v.Collections, c)
		}
		if why := c.impossible(s); why != "" {
			v.LeftOut[why]++
			continue
		}
		s.collection = c
		c.Services = append(c.Services, s)
	}
	return v, nil
}

func newCollection(name string, s *Service, tier datasets.Tier) (*Collection, error) {
	c := &Collection{Name: name}
	var err error
	if c.Model, err = catalog.Model(s.Workload.Model); err != nil {
		return nil, fmt.Errorf("the model %s is not in the catalogue", s.Workload.Model)
	}
	if c.Device, err = catalog.Lookup(s.Device); err != nil {
		return nil, fmt.Errorf("the device %s is not in the catalogue", s.Device)
	}
	version := s.Stack.Version
	if version == "" && s.Stack.Library == "vllm" {
		version, c.Assumed = "0.11", "vLLM 0.11, which was current when the rows without a version were collected (October to December 2025)"
	}
	if c.Engine, err = serving.EngineOf(s.Stack.Library, version); err != nil {
		return nil, err
	}
	c.coster = llm.NewCoster(llm.Cluster{Device: c.Device}, tier)
	return c, nil
}

// impossible says by which rule a service is left out, or "": a prompt that took
// less than its arithmetic at the peak of all GPUs.
func (c *Collection) impossible(s *Service) string {
	w := s.Workload
	least := 2 * float64(w.InputTokens*max(w.Requests, 1)) * llm.MatmulWeights(c.Model) / (c.Device.PeakFLOPs[w.Type].Value * float64(w.Ranks))
	if s.Measured["ttft"] < least {
		return "the prompt took less than its arithmetic at the peak"
	}
	return ""
}

// predict fills in what a service's figures should be, under an engine and facts.
func (c *Collection) predict(s *Service, e serving.Engine, f serving.Facts) map[string]float64 {
	d, err := serving.DeploymentOf(s.Workload, c.Model, llm.Cluster{Device: c.Device}, e)
	if err == nil {
		var out map[string]float64
		if out, s.Answer, err = d.Measured(c.coster, s.Workload, f); err == nil {
			return out
		}
	}
	s.Why = err.Error()
	return nil
}

// factLists is the short list that a collection's facts are chosen from.
func factLists() []serving.Facts {
	var out []serving.Facts
	for _, budget := range []int64{0, 4096, 2048} {
		for _, places := range []int64{0, -1, 128} {
			for _, waves := range []int{0, 2, 10} {
				for _, skip := range []bool{false, true} {
					for _, inStep := range []bool{false, true} {
						out = append(out, serving.Facts{Budget: budget, Places: places, Waves: waves, SkipFirst: skip, InStep: inStep})
					}
				}
			}
		}
	}
	return out
}

// Run predicts everything: unfitted, with facts chosen, and fitted.
func (v *Validation) Run() {
	v.each(func(c *Collection) {
		for _, s := range c.Services {
			s.Unfitted = c.predict(s, c.Engine.Rough(), serving.Facts{})
		}
		c.choose(c.Engine.Rough())
		for _, s := range c.Services {
			s.Chosen = c.predict(s, c.Engine.Rough(), c.Facts)
		}
	})
	v.fit()
	v.each(func(c *Collection) {
		e := c.Engine
		for _, h := range v.Hosts {
			if h.Engine == c.host() {
				e.HostStepS, e.HostTokenS, e.HostRequestS, e.LaunchS = h.HostStepS, h.HostTokenS, h.HostRequestS, h.LaunchS
			}
		}
		c.choose(e)
		for _, s := range c.Services {
			s.Fitted = c.predict(s, e, c.Facts)
		}
	})
	v.ranges()
}

// host names whose times are fitted: an engine's, and on each machine apart where
// the host launches every kernel.
func (c *Collection) host() string {
	if c.Engine.Eager {
		return c.Engine.ID() + " on " + c.Device.ID
	}
	return c.Engine.ID()
}

// each works through the collections on all cores.
func (v *Validation) each(f func(*Collection)) {
	var wait sync.WaitGroup
	for _, c := range v.Collections {
		wait.Go(func() { f(c) })
	}
	wait.Wait()
}

// benchmark reports a service under a sustained load, not a single batch.
func benchmark(s *Service) bool { return s.Workload.Requests == 0 }

// choose takes the facts with the least median error of all figures on the fit
// half. A single batch has none to choose.
func (c *Collection) choose(e serving.Engine) {
	var fit []*Service
	for _, s := range c.Services {
		if s.Split == datasets.FitHalf && benchmark(s) {
			fit = append(fit, s)
		}
	}
	if len(fit) < 2 {
		return
	}
	// A third of a large half is enough to tell the facts apart.
	step := max(len(fit)/40, 1)
	best := math.Inf(1)
	for _, f := range factLists() {
		errors := map[string][]float64{}
		for i := 0; i < len(fit); i += step {
			p := c.predict(fit[i], e, f)
			for _, figure := range Figures {
				errors[figure] = append(errors[figure], math.Abs(logRatio(p[figure], fit[i].Measured[figure])))
			}
		}
		if sum := stats.Median(errors["ttft"]) + stats.Median(errors["tpot"]) + stats.Mean(errors["tpot"]) + stats.Median(errors["output_token"]); sum < best {
			best, c.Facts = sum, f
		}
	}
}

func logRatio(a, b float64) float64 {
	if !(a > 0) || !(b > 0) {
		return 3
	}
	return math.Log(a / b)
}

// fit finds each engine's host times on the fit halves of its collections, by
// coordinate descent on a grid: no gradient, as the simulation has steps.
func (v *Validation) fit() {
	engines := map[string][]*Collection{}
	var ids []string
	for _, c := range v.Collections {
		id := c.host()
		if engines[id] == nil {
			ids = append(ids, id)
		}
		engines[id] = append(engines[id], c)
	}
	slices.Sort(ids)
	v.Hosts = make([]serving.Host, len(ids))
	var wait sync.WaitGroup
	for i, id := range ids {
		wait.Go(func() { v.Hosts[i] = fitHost(id, engines[id]) })
	}
	wait.Wait()
}

// fitHost fits one engine's. Where it ran dense models too, those alone count: what the experts'
// kernels lack is not the host's.
func fitHost(id string, collections []*Collection) serving.Host {
	dense := slices.DeleteFunc(slices.Clone(collections), func(c *Collection) bool { return c.Model.Experts > 1 })
	if len(dense) > 0 {
		collections = dense
	}
	rough := collections[0].Engine.Rough()
	first := rough.HostStepS
	if rough.Eager {
		first = rough.LaunchS
	}
	at := [3]float64{first, rough.HostTokenS, rough.HostRequestS}
	grid := [3][]float64{
		{0, 100e-6, 200e-6, 300e-6, 400e-6, 500e-6, 700e-6, 1e-3, 1.5e-3, 2e-3, 3e-3},
		{0, 5e-6, 10e-6, 15e-6, 20e-6, 30e-6, 40e-6, 50e-6, 70e-6, 100e-6},
		// A front end takes requests one after the other: TensorRT-LLM's published 216 a
		// second leave it 4.6 ms.
		{0, 0.5e-3, 1e-3, 2e-3, 4e-3},
	}
	if rough.Eager {
		grid[0] = []float64{10e-6, 15e-6, 20e-6, 25e-6, 28e-6, 31e-6, 34e-6, 37e-6, 40e-6, 43e-6, 46e-6, 50e-6}
	}
	n := 0
	loss := func(x [3]float64) float64 {
		sum := 0.0
		n = 0
		for _, c := range collections {
			e := c.Engine
			e.HostTokenS, e.HostRequestS = x[1], x[2]
			if e.Eager {
				e.LaunchS, e.HostStepS = x[0], 0
			} else {
				e.HostStepS = x[0]
			}
			for i, s := range c.Services {
				if s.Split != datasets.FitHalf || len(c.Services) > 150 && i%2 == 1 {
					continue
				}
				p := c.predict(s, e, c.Facts)
				for _, figure := range Figures {
					if m := s.Measured[figure]; m > 0 {
						weight := 1.0
						if figure == "ttft" {
							weight = 0.25
						}
						sum += weight * math.Min(math.Abs(logRatio(p[figure], m)), 1)
					}
				}
				n++
			}
		}
		return sum
	}
	best := loss(at)
	for range 2 {
		for k := range at {
			for _, value := range grid[k] {
				x := at
				x[k] = value
				if l := loss(x); l < best*(1-1e-6) {
					best, at = l, x
				}
			}
		}
	}
	h := serving.Host{Engine: id, HostStepS: at[0], HostTokenS: at[1], HostRequestS: at[2], Fitted: fmt.Sprintf("%d services of the fit half, docs/validation-serving.md", n)}
	if rough.Eager {
		h.LaunchS, h.HostStepS = at[0], 0
	}
	return h
}

// ranges are what the fit half's measurements are over their predictions: of an
// engine, and of all together for one that is not here.
func (v *Validation) ranges() {
	all := serving.Host{Fitted: "all engines together"}
	ratios := map[string]map[string][]float64{"": {}}
	for _, c := range v.Collections {
		for _, s := range c.Services {
			if s.Split != datasets.FitHalf {
				continue
			}
			for _, figure := range Figures {
				if p, m := s.Fitted[figure], s.Measured[figure]; p > 0 && m > 0 {
					id := c.host()
					if ratios[id] == nil {
						ratios[id] = map[string][]float64{}
					}
					ratios[id][figure] = append(ratios[id][figure], m/p)
					ratios[""][figure] = append(ratios[""][figure], m/p)
				}
			}
		}
	}
	v.Hosts = append([]serving.Host{all}, v.Hosts...)
	for i := range v.Hosts {
		h := &v.Hosts[i]
		h.Ranges = map[string]serving.Range{}
		for figure, r := range ratios[h.Engine] {
			slices.Sort(r)
			h.Ranges[figure] = serving.Range{Low: round(stats.Quantile(r, 0.05)), High: round(stats.Quantile(r, 0.95))}
		}
	}
	slices.SortFunc(v.Hosts, func(a, b serving.Host) int { return cmp.Compare(a.Engine, b.Engine) })
}

func round(v float64) float64 { return math.Round(v*1e4) / 1e4 }
