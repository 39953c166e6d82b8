package figure

import (
	"math"

	"gonum.org/v1/plot"
)

// Axis is one axis of every panel of a figure.
type Axis struct {
	Label string
	// Log is the base of a logarithmic axis, 10 or 2, or 0 for a linear one.
	Log int
	// Format writes a value of the axis.
	Format func(float64) string
	// Min and Max widen the range beyond the data; where Fixed, they are it.
	Min, Max float64
	Fixed    bool
	// Categories, where given, name the places 0, 1, … of a linear axis.
	Categories []string
}

// maxTicks is how many labels fit an axis.
const maxTicks = 7

// Ticks implements plot.Ticker.
func (a *Axis) Ticks(low, high float64) []plot.Tick {
	if len(a.Categories) > 0 {
		ticks := make([]plot.Tick, len(a.Categories))
		for i, name := range a.Categories {
			ticks[i] = plot.Tick{Value: float64(i), Label: name}
		}
		return ticks
	}
	if a.Log == 0 {
		return a.linear(low, high)
	}
	base := float64(a.Log)
	first, last := math.Ceil(math.Log(low)/math.Log(base)-1e-9), math.Floor(math.Log(high)/math.Log(base)+1e-9)
	stride := 1.0
	for (last-first)/stride+1 > maxTicks {
		stride++
	}
	var ticks []plot.Tick
	for e := first; e <= last; e++ {
		t := plot.Tick{Value: math.Pow(base, e)}
		if math.Mod(e-first, stride) == 0 {
			t.Label = a.Format(t.Value)
		}
		ticks = append(ticks, t)
	}
	if last-first < 2 {
		// Less than two decades: 2 and 5 tell more.
		for e := first - 1; e <= last && base == 10; e++ {
			for _, d := range []float64{2, 5} {
				if v := d * math.Pow(base, e); v >= low && v <= high {
					ticks = append(ticks, plot.Tick{Value: v, Label: a.Format(v)})
				}
			}
		}
	}
	return ticks
}

// linear places ticks at multiples of 1, 2 or 5 times a power of ten.
func (a *Axis) linear(low, high float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/maxTicks)))
	for _, m := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*m) < maxTicks {
			step *= m
			break
		}
	}
	var ticks []plot.Tick
	for i := math.Ceil(low/step - 1e-9); i*step <= high*(1+1e-12)+1e-300 && len(ticks) < 4*maxTicks; i++ {
		v := i * step
		if i == 0 {
			v = 0 // not −0
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: a.Format(v)})
	}
	return ticks
}

// span is a range of data.
type span struct{ low, high float64 }

func (s *span) add(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	s.low, s.high = min(s.low, v), max(s.high, v)
}

// settle is the range that an axis shows: of the data, a little more, and
// never empty.
func (a *Axis) settle(s span) (low, high float64) {
	if a.Fixed {
		return a.Min, a.Max
	}
	if a.Min != 0 || a.Max != 0 {
		s.add(a.Min)
		s.add(a.Max)
	}
	if s.low > s.high {
		s = span{1, 10}
	}
	if a.Log > 0 {
		margin := math.Pow(s.high/s.low, 0.04)
		margin = max(margin, 1.15)
		return s.low / margin, s.high * margin
	}
	margin := (s.high - s.low) * 0.05
	if margin == 0 {
		margin = max(math.Abs(s.high)*0.1, 1e-12)
	}
	low, high = s.low-margin, s.high+margin
	if s.low >= 0 && low < 0 {
		low = 0
	}
	return low, high
}
