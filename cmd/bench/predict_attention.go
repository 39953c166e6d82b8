package main

import (
	"fmt"

	"bench/datasets"
	"bench/datasets/catalog"

	"github.com/spf13/cobra"
)

// attentionFlags describe attention, of a catalogue model or freely.
type attentionFlags struct {
	model, kv string
	a         datasets.Attention
}

func (af *attentionFlags) define(c *cobra.Command, f *predictFlags, cache datasets.Cache) {
	fl := c.Flags()
	fl.StringVar(&af.model, "model", "", "catalogue model that gives the shape, such as llama-3-8b")
	fl.Int64Var(&af.a.Batch, "batch", 1, "sequences")
	fl.Int64Var(&af.a.Heads, "heads", 0, "query heads")
	fl.Int64Var(&af.a.KVHeads, "kv-heads", 0, "key/value heads")
	fl.Int64Var(&af.a.HeadDim, "head-dim", 0, "size of a head")
	fl.StringVar(&af.kv, "kv-dtype", "", "element type of the KV cache, where it is another")
	cacheFlag(c, f, cache)
}

// attention is the kernel that the flags describe.
func (af *attentionFlags) attention(f *predictFlags, t datasets.DType) (datasets.Attention, error) {
	a := af.a
	if af.model != "" {
		m, err := catalog.Model(af.model)
		if err != nil {
			return a, err
		}
		a.Heads, a.KVHeads, a.HeadDim = m.Heads, m.KVHeads, m.HeadDim
	}
	if af.kv != "" {
		kv, err := datasets.ParseDType(af.kv)
		if err != nil {
			return a, err
		}
		a.KVType = kv
	}
	if a.KVHeads == 0 {
		a.KVHeads = a.Heads
	}
	var err error
	a.Type, a.Ranks = t, f.ranks
	a.Cache, err = parseCache(f.cache)
	return a, err
}

func predictDecode() *cobra.Command {
	return predictSuite(datasets.SuiteDecode, "One decode step of a transformer layer, or its attention alone",
		"--model llama-3-8b --batch 16 --context 4096", "bf16",
		func(c *cobra.Command, f *predictFlags) func(datasets.DType) (datasets.Workload, error) {
			af := &attentionFlags{}
			// A layer comes again only after all others have passed through the
			// cache; an attention kernel timed alone finds it warm.
			af.define(c, f, "")
			c.Flags().Lookup("cache").DefValue = "cold for a layer, hot for attention"
			op := c.Flags().String("op", "layer", "layer or attention")
			context := c.Flags().Int64("context", 0, "tokens a sequence that attention reads, the new one included (required)")
			tp := c.Flags().Int("tp", 1, "ranks that split the layer's matrices and heads")
			launch := c.Flags().String("launch", "", "graph or eager")
			return func(t datasets.DType) (datasets.Workload, error) {
				if *context <= 0 {
					return nil, fmt.Errorf("predict decode: give --context, at least 1 token")
				}
				cold := f.cache == ""
				if cold {
					f.cache = string(datasets.Hot)
				}
				a, err := af.attention(f, t)
				if err != nil {
					return nil, err
				}
				a.QueryTokens, a.ContextTokens = 1, *context
				switch *op {
				case "attention":
					return a, nil
				case "layer":
					if af.model == "" {
						return nil, fmt.Errorf("predict decode: give --model for a whole layer, or --op attention")
					}
					m, err := catalog.Model(af.model)
					if err != nil {
						return nil, err
					}
					d := m.DecodeLayer(t, a.Batch, *context, *tp, max(f.ranks, *tp))
					if !cold {
						d.Cache = a.Cache
					}
					d.Launch = *launch
					return d, nil
				}
				return nil, unknown("operation", *op, []string{"layer", "attention"})
			}
		})
}

func predictPrefill() *cobra.Command {
	return predictSuite(datasets.SuitePrefill, "Attention over a whole causal prompt",
		"--model llama-3-8b --batch 1 --query 4096", "bf16",
		func(c *cobra.Command, f *predictFlags) func(datasets.DType) (datasets.Workload, error) {
			af := &attentionFlags{}
			af.define(c, f, datasets.Hot)
			query := c.Flags().Int64("query", 0, "new tokens a sequence, at least 2 (required)")
			context := c.Flags().Int64("context", 0, "tokens that are attended, the new ones included (default the new ones)")
			return func(t datasets.DType) (datasets.Workload, error) {
				if *query < 2 {
					return nil, fmt.Errorf("predict prefill: give --query, at least 2 tokens")
				}
				a, err := af.attention(f, t)
				a.QueryTokens, a.ContextTokens = *query, max(*context, *query)
				if *context != 0 {
					a.ContextTokens = *context
				}
				return a, err
			}
		})
}
