package reports

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"

	"bench/datasets"
	"bench/predict/llm"
)

// WholeModel is what a report on a whole model says first.
type WholeModel struct {
	Model  datasets.Model
	Device datasets.Device
	Layout llm.Layout
	Tier   datasets.Tier
	Type   datasets.DType
	// GPUHourUSD is a price, or 0 where none was given.
	GPUHourUSD float64
	Explain    bool
}

func (h WholeModel) title(w io.Writer, what string) {
	fmt.Fprintf(w, "%s of %s (%s) on %d × %s, %s\n", what, Clean(h.Model.ID), parameters(h.Model), h.Layout.GPUs(), Clean(h.Device.ID), h.Type)
	fmt.Fprintf(w, "  layout       %s\n", layoutText(h.Layout))
}

// amount is a count such as "1.83 T", in the short scale.
func amount(v float64) string {
	return strings.TrimSpace(scaled(v, 1000, "", "k", "M", "B", "T"))
}

func parameters(m datasets.Model) string {
	if a := m.ActiveParameters(); a < m.Parameters() {
		return fmt.Sprintf("%s parameters, %s a token", amount(m.Parameters()), amount(a))
	}
	return amount(m.Parameters()) + " parameters"
}

// layoutText names what differs from one GPU.
func layoutText(l llm.Layout) string {
	s := fmt.Sprintf("tp %d · pp %d · dp %d", l.TP, l.PP, l.DP)
	if l.EP > 1 {
		s += fmt.Sprintf(" · ep %d (each expert over %d)", l.EP, l.ETP)
	}
	if l.SequenceParallel {
		s += " · sequence parallel"
	}
	if l.BatchSharded {
		s += " · KV cache by sequences"
	}
	if l.Interleave > 1 {
		s += fmt.Sprintf(" · %d-fold interleaved", l.Interleave)
	}
	if l.Sharding.Stage > 0 {
		s += fmt.Sprintf(" · ZeRO-%d", l.Sharding.Stage)
		if l.Sharding.Group > 0 {
			s += fmt.Sprintf(" over groups of %d", l.Sharding.Group)
		}
	}
	if n := len(l.StageLayers); n > 1 {
		low, high := slices.Min(l.StageLayers), slices.Max(l.StageLayers)
		if low == high {
			return s + fmt.Sprintf(" (%d layers a stage)", low)
		}
		return s + fmt.Sprintf(" (%d layers on the first stage, %d on the last)", l.StageLayers[0], l.StageLayers[n-1])
	}
	return s
}

// memoryLine says whether the fullest GPU holds its part.
func memoryLine(w io.Writer, d datasets.Device, stages []llm.Memory) {
	full := llm.Fullest(stages)
	has, left := d.MemoryBytes.Value, d.MemoryBytes.Value-full.Total()
	if left >= 0 {
		fmt.Fprintf(w, "  memory       %s of %s on the fullest GPU (stage %d): fits, %s left\n", Bytes(full.Total()), Bytes(has), full.Stage+1, Bytes(left))
		return
	}
	fmt.Fprintf(w, "  memory       %s of %s on the fullest GPU (stage %d): does not fit, %s too many\n", Bytes(full.Total()), Bytes(has), full.Stage+1, Bytes(-left))
}

func fallbackLines(w io.Writer, tier datasets.Tier, fallbacks map[string]string) {
	names := make([]string, 0, len(fallbacks))
	for n := range fallbacks {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintf(w, "  note         %s takes the datasheet's time, not %s: %s\n", n, tier, fallbacks[n])
	}
}

// usd prints a price with three significant digits, or whole dollars from 1,000.
func usd(v float64) string {
	if v >= 1000 {
		return "$" + amount(v)
	}
	return "$" + strconv.FormatFloat(v, 'g', 3, 64)
}

// ServeStep writes a decode or prefill step.
func ServeStep(w io.Writer, h WholeModel, what string, s llm.Serving, step *llm.Step) error {
	h.title(w, what)
	fmt.Fprintf(w, "  batch        %d sequences of %d tokens, in %d micro-batches of %d a replica\n", s.Batch, s.Context, step.MicroBatches, step.MicroBatch)
	fmt.Fprintf(w, "  step         %s at the %s tier, mostly bound by %s\n", Seconds(step.Seconds), h.Tier, step.Binds)
	if what == "decode" {
		fmt.Fprintf(w, "  a user gets  %s tokens/s\n", threeDigits(step.TokensPerSecondPerUser))
	}
	fmt.Fprintf(w, "  all get      %s tokens/s, %s tokens/s a GPU\n", threeDigits(step.TokensPerSecond), threeDigits(step.TokensPerSecond/float64(h.Layout.GPUs())))
	fmt.Fprintf(w, "  utilisation  %s of peak (MFU), %s\n", Percent(step.MFU), FLOPs(step.FLOPs))
	if h.GPUHourUSD > 0 {
		fmt.Fprintf(w, "  cost         %s a thousand tokens at %s a GPU-hour\n",
			usd(llm.USDPerThousandTokens(float64(h.Layout.GPUs()), h.GPUHourUSD, step.TokensPerSecond)), usd(h.GPUHourUSD))
	}
	memoryLine(w, h.Device, step.Memory)
	fallbackLines(w, h.Tier, step.Fallbacks)
	if !h.Explain {
		return nil
	}
	return itemTable(w, "one micro-batch, all stages, one GPU of each (times add up, nothing overlaps)", step.Items)
}

// TrainStep writes a training step, and what so many tokens take where tokens is
// above 0.
func TrainStep(w io.Writer, h WholeModel, t llm.Training, step *llm.TrainStep, tokens float64) error {
	h.title(w, "training")
	fmt.Fprintf(w, "  batch        %d sequences of %d tokens, in %d micro-batches of %d a replica; recomputation: %s\n", t.Batch, t.Sequence, step.MicroBatches, t.MicroBatch, t.Recompute)
	fmt.Fprintf(w, "  step         %s at the %s tier, mostly bound by %s\n", Seconds(step.Seconds), h.Tier, step.Binds)
	fmt.Fprintf(w, "    pipeline   %s, of which bubble %s\n", Seconds(step.PipelineSeconds), Percent(step.Bubble))
	fmt.Fprintf(w, "    replicas   %s of communication, %s of it hidden (overlap %g)\n", Seconds(step.ReplicaSeconds), Seconds(step.HiddenSeconds), t.Overlap)
	fmt.Fprintf(w, "  throughput   %s tokens/s\n", threeDigits(step.TokensPerSecond))
	fmt.Fprintf(w, "  utilisation  MFU %s, HFU %s (causal FLOP: %s and %s a step)\n", Percent(step.MFU), Percent(step.HFU), FLOPs(step.ModelFLOPs), FLOPs(step.HardwareFLOPs))
	if tokens > 0 {
		seconds := tokens / step.TokensPerSecond
		fmt.Fprintf(w, "  campaign     %s tokens: %s days", amount(tokens), threeDigits(seconds/(24*3600)))
		if h.GPUHourUSD > 0 {
			fmt.Fprintf(w, ", %s at %s a GPU-hour", usd(seconds/3600*float64(h.Layout.GPUs())*h.GPUHourUSD), usd(h.GPUHourUSD))
		}
		exact := tokens / float64(t.Sequence) * step.ModelFLOPs / float64(t.Batch)
		fmt.Fprintf(w, "; %s exactly, %s by 6ND\n", FLOPs(exact), FLOPs(llm.SixND(h.Model.ActiveParameters(), tokens)))
	}
	memoryLine(w, h.Device, step.Memory)
	fallbackLines(w, h.Tier, step.Fallbacks)
	if !h.Explain {
		return nil
	}
	if err := itemTable(w, "one micro-batch, forward and backward, slowest stage", step.Items); err != nil {
		return err
	}
	return itemTable(w, "once a step", step.StepItems)
}

func itemTable(w io.Writer, title string, items []llm.Item) error {
	fmt.Fprintf(w, "\n%s\n", title)
	sum := 0.0
	for _, i := range items {
		sum += i.Total()
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, i := range items {
		what := ""
		if i.Workload != nil {
			what = Label(i.Workload)
		}
		fmt.Fprintf(t, "  %s\t%s ×\t%s\t= %s\t%s\t%s\t%s\t%s\n", i.Name, threeDigits(i.Count), Seconds(i.Seconds), Seconds(i.Total()),
			Percent(i.Total()/sum), i.Binds, i.Tier, what)
	}
	return t.Flush()
}

// MemoryStages writes the memory of a GPU of each stage. Stages in a row that
// need the same are one line.
func MemoryStages(w io.Writer, h WholeModel, what string, stages []llm.Memory) error {
	h.title(w, "memory for "+what)
	memoryLine(w, h.Device, stages)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "  stages\tlayers\tweights\tgradients\toptimizer\tgathered\tactivations\tKV cache\ttotal\t")
	for i := 0; i < len(stages); {
		s, j := stages[i], i+1
		for j < len(stages) && stages[j].Total() == s.Total() {
			j++
		}
		name := strconv.Itoa(i + 1)
		if j > i+1 {
			name += "–" + strconv.Itoa(j)
		}
		fmt.Fprintf(t, "  %s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", name, h.Layout.StageLayers[i], Bytes(s.Weights), Bytes(s.Gradients),
			Bytes(s.Optimizer), Bytes(s.Gathered), Bytes(s.Activations), Bytes(s.KV), Bytes(s.Total()))
		i = j
	}
	return t.Flush()
}

// EngineMemory writes what a serving engine leaves for the KV cache, and whether so
// many sequences of so many tokens fit there.
func EngineMemory(w io.Writer, engine string, m llm.EngineMemory, tokens, sequences, context int64) error {
	fmt.Fprintf(w, "  %-12s takes %s of %s: %s weights, %s activations, %s buffers\n", Clean(engine), Bytes(m.Budget), Bytes(m.Card), Bytes(m.Weights), Bytes(m.Activations), Bytes(m.Buffers))
	need := float64(sequences*context) * m.KVToken
	verdict := "fits"
	if need > m.KV {
		verdict = "does not fit"
	}
	_, err := fmt.Fprintf(w, "  KV cache     %s needed, %s left: %s; at most %s tokens a sequence\n", Bytes(need), Bytes(m.KV), verdict, Count(int(tokens/max(sequences, 1))))
	return err
}

// Front writes a sweep's choices, at most most of them.
func Front(w io.Writer, h WholeModel, what string, s llm.Sweep, most int) error {
	fmt.Fprintf(w, "%s of %s (%s) on %s, %s, %s tier: %d tried, %d do not fit, %d cannot be laid out\n",
		what, Clean(h.Model.ID), parameters(h.Model), Clean(h.Device.ID), h.Type, h.Tier, s.Tried, s.Unfit, s.Impossible)
	if len(s.Front) == 0 {
		fmt.Fprintln(w, "  none fits")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "  step\ttokens/s\tGPU-s a 1k tokens\tcost a 1k\tMFU\tGPUs\tbatch\tmicro-batch\tleft\tbound by\tlayout")
	for _, c := range s.Front[:min(most, len(s.Front))] {
		cost := "—"
		if h.GPUHourUSD > 0 {
			cost = usd(c.GPUSecondsPerToken * 1000 / 3600 * h.GPUHourUSD)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", Seconds(c.Seconds), threeDigits(c.TokensPerSecond), threeDigits(1000*c.GPUSecondsPerToken), cost,
			Percent(c.MFU), c.Layout.GPUs(), c.Batch, c.MicroBatch, Bytes(c.MarginBytes), c.Binds, layoutText(c.Layout))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n := len(s.Front) - most; n > 0 {
		fmt.Fprintf(w, "  and %d more: --format json has all\n", n)
	}
	return nil
}
