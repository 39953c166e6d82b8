package predict

import "bench/datasets"

// roofline is the datasheet tier: the longest of the device's limits. Nothing is
// fitted.
func roofline(d *datasets.Device, w datasets.Workload) datasets.Prediction {
	p := datasets.Prediction{Rule: "max", Terms: make([]datasets.Term, 0, 3)}
	for _, l := range d.Limits(w) {
		if l.Missing != "" {
			p.NotPredicted = l.Missing
			return p
		}
		p.Terms = append(p.Terms, datasets.Term{Name: l.Term, Seconds: l.Seconds()})
	}
	longest(&p)
	return p
}

// longest joins the terms by their maximum.
func longest(p *datasets.Prediction) {
	for _, t := range p.Terms {
		if t.Seconds > p.Seconds {
			p.Seconds, p.Binds = t.Seconds, t.Name
		}
	}
	if p.Seconds == 0 && p.NotPredicted == "" {
		p.NotPredicted = "the datasheet has no figure for this operation"
	}
}
