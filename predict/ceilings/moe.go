package ceilings

import "bench/datasets"

// moe is router, dispatch, experts and combine, one after the other. An expert
// that any token chose has its weights read once; its arithmetic grows with
// its load. Where the experts are spread over ranks, the ranks work side by
// side until the lighter ones are done, and the most loaded goes on alone.
func (m *Model) moe(w datasets.MoELayer) datasets.Prediction {
	if w.Kernel != "layer" || w.Format != "" {
		return missing("no ceilings model of moe/%s %s", w.Kernel, w.Format)
	}
	assigned, err := w.Routing.Assign(w.Tokens, w.Experts, w.TopK)
	if err != nil {
		return missing("%v", err)
	}
	loads := datasets.Loads(assigned, w.Experts)
	expertBytes := w.ExpertBytes() * float64(max(w.TP, 1))
	// Only experts that are awake take part in the rotation of a cold case.
	awake := float64(datasets.SummarizeLoads(loads).Active) * expertBytes
	r, why := m.roofs(w.Type, w.Ranks, w.Cache, awake)
	if why != "" {
		return missing("%s", why)
	}
	tokens := float64(w.Tokens)
	flopPerRow := 2 * float64(w.Matrices()) * float64(w.Hidden) * float64(w.Intermediate)
	// expert is the arithmetic that shows and the traffic that shows.
	expert := func(load int64) (compute, memory float64) {
		if load == 0 {
			return 0, 0
		}
		stream, rest := weighted(experts, float64(load), float64(load)*flopPerRow/r.flopPerS, expertBytes*r.coldPerByte)
		if stream.compute > stream.memory {
			return stream.compute + rest.compute, 0
		}
		return rest.compute, stream.memory
	}

	// A token's row goes out to each of its experts and comes back from it.
	rows := float64(w.TopK) * tokens * float64(w.Hidden) * 4
	move := 2 * rows * r.nearPerByte
	phases := []phase{m.router(tokens, w.Hidden, w.Experts, w.Type, r), {dispatch, 0, move}}
	barriers := 4 * m.launch(w.Ranks)

	perRank := make([]phase, max(w.EP, 1))
	for i, load := range loads {
		compute, memory := expert(load)
		rank := &perRank[i*len(perRank)/len(loads)]
		rank.compute += compute
		rank.memory += memory
	}
	var mean, most float64
	var sum phase
	for _, p := range perRank {
		sum.compute += p.compute
		sum.memory += p.memory
		mean += (p.compute + p.memory) / float64(len(perRank))
		most = max(most, p.compute+p.memory)
	}
	phases = append(phases, phase{experts, sum.compute, 0}, phase{experts, 0, sum.memory}, phase{combine, 0, move})
	if len(perRank) == 1 {
		return phased(phases, barriers)
	}
	// What the most loaded rank has beyond the mean is done by one worker of
	// len(perRank), at that worker's own rates.
	alone, why := m.roofs(w.Type, 1, w.Cache, awake)
	if why != "" {
		return missing("%s", why)
	}
	slower := r.flopPerS / alone.flopPerS
	if sum.memory > sum.compute {
		slower = alone.coldPerByte / r.coldPerByte
	}
	return phased(phases, barriers, datasets.Term{Name: "imbalance", Seconds: (most - mean) * slower})
}
