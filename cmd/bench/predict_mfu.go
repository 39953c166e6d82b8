package main

import (
	"errors"
	"fmt"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict/llm"

	"github.com/spf13/cobra"
)

// mfu is a training rate as shares of the peak (Chowdhery et al., "PaLM", 2022,
// appendix B): FLOP a token over the dense peak.
type mfu struct {
	Model         string  `json:"model"`
	Device        string  `json:"device"`
	TokensPerS    float64 `json:"tokens_per_s_per_gpu"`
	Peak          float64 `json:"dense_peak_flop_per_s"`
	SixN          float64 `json:"mfu_6n"`
	WithAttention float64 `json:"mfu_with_attention,omitempty"`
	Causal        float64 `json:"mfu_with_causal_attention,omitempty"`
}

func predictMFU() *cobra.Command {
	var model, device, dtype, format string
	var rate float64
	var sequence int64
	c := &cobra.Command{
		Use: "mfu", Short: "A training rate as a share of the dense peak (MFU)", Args: cobra.NoArgs,
		Long: `mfu says which share of a GPU's dense peak a training rate is: by 6·N FLOP a token,
and with --context by those of attention as well, counted whole and causally.
A share against the sparse peak is half of it, and the wrong one.`,
		Example: "  bench predict mfu --model llama-2-7b --device h100-sxm --tokens-per-s-gpu 9600 --context 4096",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if model == "" || device == "" || !(rate > 0) {
				return errors.New("predict mfu: give --model, --device and --tokens-per-s-gpu above 0, such as --model llama-2-7b --device h100-sxm --tokens-per-s-gpu 9600")
			}
			if sequence < 0 {
				return fmt.Errorf("predict mfu: --context is %d, and must not be below 0", sequence)
			}
			if format != "text" && format != "json" {
				return unknown("format", format, []string{"text", "json"})
			}
			m, err := catalog.ModelOrLoad(model)
			if err != nil {
				return err
			}
			d, err := catalog.LookupOrLoad(device)
			if err != nil {
				return err
			}
			t, err := datasets.ParseDType(dtype)
			if err != nil {
				return err
			}
			peak := d.PeakFLOPs[t].Value
			if peak == 0 {
				return fmt.Errorf("predict mfu: no dense peak of %s is known for %s", t, d.ID)
			}
			r := mfu{Model: m.ID, Device: d.ID, TokensPerS: rate, Peak: peak, SixN: 6 * m.ActiveParameters() * rate / peak}
			if sequence > 0 {
				// Attention's own FLOP, forward and twice that backward, a token.
				attention := func(count llm.Count) float64 {
					return 3 * llm.AttentionFLOPs(m, sequence, sequence, count) / float64(sequence) * rate / peak
				}
				r.WithAttention, r.Causal = r.SixN+attention(!llm.Causal), r.SixN+attention(llm.Causal)
			}
			w := cmd.OutOrStdout()
			if format == "json" {
				return writeJSON(w, r)
			}
			fmt.Fprintf(w, "MFU %.1f %% of %s's dense %.4g TFLOP/s in %s, by 6·N of %.4g B parameters\n", 100*r.SixN, d.ID, peak/1e12, t, m.ActiveParameters()/1e9)
			if sequence > 0 {
				fmt.Fprintf(w, "    %.1f %% with attention at %d tokens counted whole, %.1f %% counted causally\n", 100*r.WithAttention, sequence, 100*r.Causal)
			}
			return nil
		},
	}
	fl := c.Flags()
	fl.StringVar(&model, "model", "", "catalogue model, or a JSON file that describes one")
	fl.StringVar(&device, "device", "", "catalogue entry, or a JSON file that describes the device")
	fl.Float64Var(&rate, "tokens-per-s-gpu", 0, "tokens a second of one GPU")
	fl.Int64Var(&sequence, "context", 0, "tokens of a sequence, to count attention as well")
	fl.StringVar(&dtype, "dtype", "bf16", "element type of the products: "+words(datasets.DTypes))
	fl.StringVar(&format, "format", "text", "text or json")
	return c
}
