package reports

import (
	"math"

	// sketches-go: quantiles of any number of values in bounded memory, with a
	// bound on their relative error, and mergeable (Masson, Rim and Lee,
	// "DDSketch", PVLDB 12(12), 2019).
	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

const (
	// sketchAccuracy bounds the relative error of a quantile out of a sketch: an
	// error of 12 % may be shown as 11.94 to 12.06 %.
	sketchAccuracy = 0.005
	// exactValues is up to how many values quantiles are exact.
	exactValues = 512
)

// distribution is signed errors in bounded memory: the mean of |error| is
// exact, and so are quantiles of up to exactValues; of more they come out of a
// sketch. The zero value is empty.
type distribution struct {
	n      int
	sumAbs float64
	exact  []float64
	sketch *ddsketch.DDSketch
}

func (d *distribution) add(e float64) {
	if math.IsNaN(e) || math.IsInf(e, 0) {
		return
	}
	d.n++
	d.sumAbs += math.Abs(e)
	if d.sketch == nil && len(d.exact) < exactValues {
		d.exact = append(d.exact, e)
		return
	}
	d.toSketch()
	_ = d.sketch.Add(e) // fails on what is not finite alone
}

func (d *distribution) toSketch() {
	if d.sketch != nil {
		return
	}
	d.sketch, _ = ddsketch.NewDefaultDDSketch(sketchAccuracy) // fails on a wrong accuracy alone
	for _, e := range d.exact {
		_ = d.sketch.Add(e)
	}
	d.exact = nil
}

// merge adds another's values, which it leaves as it is.
func (d *distribution) merge(o *distribution) {
	if o.sketch == nil {
		for _, e := range o.exact {
			d.add(e)
		}
		return
	}
	d.toSketch()
	d.n += o.n
	d.sumAbs += o.sumAbs
	_ = d.sketch.MergeWith(o.sketch) // fails on another accuracy alone
}

// figures is Figures of the values.
func (d *distribution) figures() (n int, mape, medianAPE, p90APE, bias float64) {
	if d.sketch == nil {
		return Figures(append([]float64(nil), d.exact...))
	}
	// |error| is the two halves of the sketch, one laid over the other.
	both := d.sketch.GetPositiveValueStore().Copy()
	both.MergeWith(d.sketch.GetNegativeValueStore())
	abs := ddsketch.NewDDSketch(d.sketch.IndexMapping, both, store.NewBufferedPaginatedStore())
	if zeros := d.sketch.GetZeroCount(); zeros > 0 {
		_ = abs.AddWithCount(0, zeros)
	}
	medianAPE, _ = abs.GetValueAtQuantile(0.5)
	p90APE, _ = abs.GetValueAtQuantile(0.9)
	bias, _ = d.sketch.GetValueAtQuantile(0.5)
	return d.n, d.sumAbs / float64(d.n), medianAPE, p90APE, bias
}
