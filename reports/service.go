package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"bench/datasets"
	"bench/predict/llm"
	"bench/predict/serving"
)

// Service is a load on a deployment, and what it gets.
type Service struct {
	WholeModel
	Deployment serving.Deployment
	Load       serving.Load
	Answer     serving.Answer
	// Found says what a search for the load or the GPUs came to, and Note what the
	// tier is worth; each may be "".
	Found, Note string
}

// bounds are the 90 % range of a figure.
func (s Service) bounds(figure string, v float64) (low, high float64) {
	return s.Deployment.Engine.Bounds(figure, v, s.Tier)
}

func (s Service) throughputBounds() (low, high float64) {
	v := s.Answer.OutputTokensPerS
	l, h := s.bounds("output_token", 1)
	if l <= 0 {
		return 0, 0
	}
	return v / h, v / l
}

// USD of a million output tokens, 0 without a price.
func (s Service) usdPerMillion() float64 {
	if s.Answer.PerGPU <= 0 {
		return 0
	}
	return 1e6 * serving.CostPerToken(1, s.GPUHourUSD, s.Answer.PerGPU)
}

func (s Service) loadText() string {
	l := s.Load
	text := fmt.Sprintf("%d tokens in, %d out", l.Input, l.Output)
	if l.Rate > 0 {
		return text + fmt.Sprintf(", %g requests/s", l.Rate)
	}
	return text + fmt.Sprintf(", %d at once", l.Concurrency)
}

// between is " (low to high)", or "" where there is no range.
func between(low, high float64, format func(float64) string) string {
	if high == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s to %s)", format(low), format(high))
}

// Text writes the answer, the figures first.
func (s Service) Text(w io.Writer) error {
	a, d := s.Answer, s.Deployment
	if s.Found != "" {
		fmt.Fprintln(w, s.Found)
	}
	fmt.Fprintf(w, "%s tokens/s out, TTFT %s, TPOT %s: %s on %d × %s\n", threeDigits(a.OutputTokensPerS), Seconds(a.TTFTMeanS), Seconds(a.TPOTMeanS),
		Clean(s.Model.ID), d.GPUs(), Clean(s.Device.ID))
	fmt.Fprintf(w, "  load         %s; %s, %s\n", s.loadText(), d.Engine.ID(), d.Engine.Policy)
	fmt.Fprintf(w, "  layout       %s, %s\n", layoutText(s.Layout), formatText(s.Type, d.Serving))
	low, high := s.throughputBounds()
	fmt.Fprintf(w, "  output       %s tokens/s%s, %s a GPU, %s requests/s\n", threeDigits(a.OutputTokensPerS), between(low, high, threeDigits), threeDigits(a.PerGPU), threeDigits(a.RequestsPerS))
	low, high = s.bounds("ttft", a.TTFTMeanS)
	fmt.Fprintf(w, "  TTFT         mean %s%s, median %s, p99 %s\n", Seconds(a.TTFTMeanS), between(low, high, Seconds), Seconds(a.TTFTMedianS), Seconds(a.TTFTP99S))
	low, high = s.bounds("tpot", a.TPOTMeanS)
	fmt.Fprintf(w, "  TPOT         mean %s%s, between tokens p99 %s\n", Seconds(a.TPOTMeanS), between(low, high, Seconds), Seconds(a.ITLP99S))
	fmt.Fprintf(w, "  a request    %s from arrival to last token\n", Seconds(a.LatencyMeanS))
	if s.GPUHourUSD > 0 {
		fmt.Fprintf(w, "  cost         %s a million output tokens at %s a GPU-hour\n", usd(s.usdPerMillion()), usd(s.GPUHourUSD))
	}
	p := a.Parts
	all := p.Prefill + p.Weights + p.KV + p.Communication + p.Host
	fmt.Fprintf(w, "  time         prefill %s, weights %s, KV %s, links %s,\n               host %s\n", Percent(p.Prefill/all), Percent(p.Weights/all), Percent(p.KV/all),
		Percent(p.Communication/all), Percent(p.Host/all))
	fmt.Fprintf(w, "  binds        %s; %s sequences decode at a time on a replica\n", a.Binds, threeDigits(a.Running))
	m := a.Memory
	fmt.Fprintf(w, "  memory       %s a GPU: %s weights, %s activations,\n               %s buffers;", Bytes(m.Budget), Bytes(m.Weights), Bytes(m.Activations), Bytes(m.Buffers))
	fmt.Fprintf(w, " %s of KV cache hold %s tokens\n", Bytes(m.KV), Count(int(a.CacheTokens)))
	if !a.Fits {
		fmt.Fprintf(w, "               which is less than one request's %d tokens: it does not fit\n", s.Load.Input+s.Load.Output)
	}
	fmt.Fprintf(w, "  tier         %s; the host's times are %s\n", s.Tier, hostText(d.Engine))
	if s.Note != "" {
		fmt.Fprintf(w, "  note         %s\n", s.Note)
	}
	return nil
}

func hostText(e serving.Engine) string {
	if e.Fitted == "" {
		return "rough: nothing was fitted for this engine"
	}
	return "fitted to measured services"
}

func formatText(t datasets.DType, s llm.Serving) string {
	text := string(t)
	switch {
	case s.Formats.Dense > 0:
		text += fmt.Sprintf(", weights of %g bits", s.Formats.Dense)
	case s.Formats.Experts > 0:
		text += fmt.Sprintf(", experts of %g bits", s.Formats.Experts)
	}
	return text
}

// serviceJSON is "bench.predict.serve/2", the form that scripts read.
type serviceJSON struct {
	Schema      string     `json:"schema"`
	Model       string     `json:"model"`
	Device      string     `json:"device"`
	GPUs        int        `json:"gpus"`
	DType       string     `json:"dtype"`
	Engine      string     `json:"engine"`
	Tier        string     `json:"tier"`
	Layout      llm.Layout `json:"layout"`
	Concurrency int64      `json:"concurrency,omitempty"`
	Rate        float64    `json:"rate,omitempty"`
	serving.Answer
	TTFTLow        float64 `json:"ttft_mean_s_low,omitempty"`
	TTFTHigh       float64 `json:"ttft_mean_s_high,omitempty"`
	TTFTP99Low     float64 `json:"ttft_p99_s_low,omitempty"`
	TTFTP99High    float64 `json:"ttft_p99_s_high,omitempty"`
	TPOTLow        float64 `json:"tpot_mean_s_low,omitempty"`
	TPOTHigh       float64 `json:"tpot_mean_s_high,omitempty"`
	ITLLow         float64 `json:"itl_p99_s_low,omitempty"`
	ITLHigh        float64 `json:"itl_p99_s_high,omitempty"`
	ThroughputLow  float64 `json:"output_tokens_per_s_low,omitempty"`
	ThroughputHigh float64 `json:"output_tokens_per_s_high,omitempty"`
	USDPerMillion  float64 `json:"usd_per_million_output_tokens,omitempty"`
	Host           string  `json:"host"`
	Found          string  `json:"found,omitempty"`
	Note           string  `json:"note,omitempty"`
}

func (s Service) form() serviceJSON {
	a := s.Answer
	j := serviceJSON{Schema: "bench.predict.serve/2", Model: s.Model.ID, Device: s.Device.ID, GPUs: s.Deployment.GPUs(), DType: string(s.Type),
		Engine: s.Deployment.Engine.ID(), Tier: string(s.Tier), Layout: s.Layout, Concurrency: s.Load.Concurrency, Rate: s.Load.Rate, Answer: a,
		USDPerMillion: s.usdPerMillion(), Host: hostText(s.Deployment.Engine), Found: s.Found, Note: s.Note}
	j.TTFTLow, j.TTFTHigh = s.bounds("ttft", a.TTFTMeanS)
	j.TTFTP99Low, j.TTFTP99High = s.bounds("ttft", a.TTFTP99S)
	j.TPOTLow, j.TPOTHigh = s.bounds("tpot", a.TPOTMeanS)
	j.ITLLow, j.ITLHigh = s.bounds("tpot", a.ITLP99S)
	j.ThroughputLow, j.ThroughputHigh = s.throughputBounds()
	return j
}

// JSON writes the answer as one object.
func (s Service) JSON(w io.Writer) error { return indented(w, s.form()) }

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// ServiceFront is the layouts and loads that no other beats.
type ServiceFront struct {
	WholeModel
	Deployment serving.Deployment
	Load       serving.Load
	Choices    []serving.Choice
	Tried      int
	Note       string
}

func (f ServiceFront) service(c serving.Choice) Service {
	s := Service{WholeModel: f.WholeModel, Deployment: f.Deployment, Load: f.Load, Answer: c.Answer, Note: f.Note}
	s.Layout, s.Deployment.Layout, s.Load.Concurrency = c.Layout, c.Layout, c.Concurrency
	return s
}

// Text writes the front, the fastest for a user first.
func (f ServiceFront) Text(w io.Writer) error {
	fmt.Fprintf(w, "%d of %d layouts and loads of %s on %s are not beaten\n", len(f.Choices), f.Tried, Clean(f.Model.ID), Clean(f.Device.ID))
	fmt.Fprintf(w, "%d tokens in, %d out; %s, %s, %s tier\n", f.Load.Input, f.Load.Output, formatText(f.Type, f.Deployment.Serving), f.Deployment.Engine.ID(), f.Tier)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	price := ""
	if f.GPUHourUSD > 0 {
		price = "$/M\t"
	}
	fmt.Fprintf(t, "tok/s a user\ttok/s a GPU\t%sTTFT\tTPOT\tat once\tGPUs\ttp\tep\t\n", price)
	for _, c := range f.Choices {
		if price != "" {
			price = usd(f.service(c).usdPerMillion()) + "\t"
		}
		fmt.Fprintf(t, "%s\t%s\t%s%s\t%s\t%d\t%d\t%d\t%d\t\n", threeDigits(c.PerUser), threeDigits(c.Answer.PerGPU), price, Seconds(c.Answer.TTFTMeanS), Seconds(c.Answer.TPOTMeanS),
			c.Concurrency, c.Layout.GPUs(), c.Layout.TP, c.Layout.EP)
	}
	if err := t.Flush(); err != nil || f.Note == "" {
		return err
	}
	_, err := fmt.Fprintf(w, "note: %s\n", f.Note)
	return err
}

// JSON writes the front as an array of answers.
func (f ServiceFront) JSON(w io.Writer) error {
	list := make([]serviceJSON, len(f.Choices))
	for i, c := range f.Choices {
		list[i] = f.service(c).form()
	}
	return indented(w, struct {
		Schema string        `json:"schema"`
		Tried  int           `json:"tried"`
		Front  []serviceJSON `json:"front"`
	}{"bench.predict.serve.front/1", f.Tried, list})
}
