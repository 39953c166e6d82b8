package datasets

import (
	"fmt"
	"unsafe"
)

// Attention is the attention kernel alone, softmax(Q·Kᵀ/√d)·V over a KV cache:
// one new token a sequence (suite decode, op "attention") or a whole causal
// prompt (suite prefill, op "attention").
type Attention struct {
	_    struct{} `col:"op" fixed:"attention"`
	Type DType    `col:"dtype"`
	// KVType is the type of the KV cache; "" is Type.
	KVType DType `col:"kv_dtype" key:"kv" flag:"kv-dtype" help:"element type of the KV cache, where it is another"`
	Batch  int64 `col:"batch" default:"1" help:"sequences"`
	// QueryTokens a sequence: 1 when decoding.
	QueryTokens int64 `col:"query_tokens" key:"query" help:"new tokens a sequence"`
	// ContextTokens a sequence that keys and values are read for, the new ones
	// included.
	ContextTokens int64 `col:"context_tokens" key:"context" help:"tokens a sequence that are attended, the new ones included"`
	Heads         int64 `col:"heads" help:"query heads"`
	KVHeads       int64 `col:"kv_heads" help:"key/value heads (default as many as query heads)"`
	HeadDim       int64 `col:"head_dim" help:"size of a head"`
	Ranks         int   `col:"ranks"`
	Cache         Cache `col:"cache" default:"hot" help:"hot (operands are used again and again) or cold"`
}

var attentionOperation = declare[Attention](SuiteDecode, SuitePrefill)

// Suite is prefill where more than one token a sequence is new, else decode.
func (a Attention) Suite() Suite {
	if a.QueryTokens > 1 {
		return SuitePrefill
	}
	return SuiteDecode
}

// Op is "attention".
func (a Attention) Op() string { return "attention" }

// DType is the type of Q and O.
func (a Attention) DType() DType { return a.Type }

// Workers is Ranks.
func (a Attention) Workers() int { return a.Ranks }

// Windowed is the attention of as many queries that each see the last window
// tokens alone: the same pairs, in pieces of the window's length.
func (a Attention) Windowed(window int64) Attention {
	if a.QueryTokens <= window {
		a.ContextTokens = min(a.ContextTokens, window+a.QueryTokens/2)
		return a
	}
	// A piece of w queries over 3w/2 keys has w² pairs (pairs).
	a.Batch *= (a.QueryTokens + window - 1) / window
	a.QueryTokens, a.ContextTokens = window, window*3/2
	return a
}

func (a Attention) kv() DType {
	if a.KVType != "" {
		return a.KVType
	}
	return a.Type
}

// pairs is how many (query, key) pairs of one head and sequence are attended:
// the causal triangle of the new tokens, and all that came before them.
func (a Attention) pairs() float64 {
	q, c := float64(a.QueryTokens), float64(a.ContextTokens)
	return q*(c-q) + q*(q+1)/2
}

// FLOPs is 4 × head size for every attended pair (2 for the score, 2 for the
// weighted value), softmax not counted (Dao et al., "FlashAttention-2", 2023,
// section 4.1, counts the same, with the causal half).
func (a Attention) FLOPs() float64 {
	return 4 * float64(a.Batch) * float64(a.Heads) * float64(a.HeadDim) * a.pairs()
}

// KVBytes is the keys and values read.
func (a Attention) KVBytes() float64 {
	return 2 * float64(a.Batch) * float64(a.ContextTokens) * float64(a.KVHeads) * float64(a.HeadDim) * a.kv().Size()
}

// Bytes is Q read, O written, and the KV cache read once.
func (a Attention) Bytes() float64 {
	return 2*float64(a.Batch)*float64(a.QueryTokens)*float64(a.Heads)*float64(a.HeadDim)*a.Type.Size() + a.KVBytes()
}

// WireBytes is 0: heads do not talk to each other.
func (a Attention) WireBytes() float64 { return 0 }

// Key names every field; a KVType equal to Type is left out.
func (a Attention) Key() string {
	if a.KVType == a.Type {
		a.KVType = ""
	}
	return attentionOperation.key(a.Suite(), unsafe.Pointer(&a))
}

func (a Attention) cells(c *cells) { attentionOperation.write(unsafe.Pointer(&a), c) }

// Validate says in one sentence what is wrong with the shape.
func (a Attention) Validate() error {
	if a.Type.Size() == 0 || a.kv().Size() == 0 {
		return fmt.Errorf("attention: unknown data type %q (KV %q)", a.Type, a.KVType)
	}
	if err := positive("attention", "batch", a.Batch, "query_tokens", a.QueryTokens,
		"context_tokens", a.ContextTokens, "heads", a.Heads, "kv_heads", a.KVHeads,
		"head_dim", a.HeadDim, "ranks", int64(a.Ranks)); err != nil {
		return err
	}
	if a.Heads%a.KVHeads != 0 {
		return fmt.Errorf("attention: %d heads are no multiple of %d KV heads", a.Heads, a.KVHeads)
	}
	if a.QueryTokens > a.ContextTokens {
		return fmt.Errorf("attention: %d new tokens are more than the context of %d", a.QueryTokens, a.ContextTokens)
	}
	return a.Cache.validate("attention")
}
