package datasets

import (
	"fmt"
	"unsafe"
)

// Attention is the attention kernel alone, softmax(Q·Kᵀ/√d)·V over a KV cache:
// one new token a sequence (suite decode) or a whole causal prompt (suite
// prefill). Its op is "attention", or "mla" where it is that of multi-head latent
// attention (DeepSeek-AI, "DeepSeek-V2", 2024, section 2.1). With a latent vector
// of 512 elements and a rotary key of 64 a token, that is in two forms:
//
//	absorbed, as engines decode: all heads read the one latent, KVHeads 1,
//	HeadDim 576, ValueDim 512, SharedDim 512
//	expanded, as they read a prompt: KVHeads as Heads, HeadDim 192, ValueDim 128
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
	// ValueDim is the size of a value's head; 0 is HeadDim.
	ValueDim int64 `col:"value_dim" help:"size of a value's head, where it is another (MLA)"`
	// SharedDim is how many elements of a key are the value's too, and read once.
	SharedDim int64 `col:"shared_dim" help:"elements of a key that are the value's too (absorbed MLA)"`
	// Window is how many tokens a query attends at most, itself included; 0 is all.
	Window int64 `col:"window" help:"tokens that a query attends at most (sliding window)"`
	Ranks  int   `col:"ranks"`
	Cache  Cache `col:"cache" default:"hot" help:"hot (operands are used again and again) or cold"`
}

var (
	attentionOperation = declare[Attention](SuiteDecode, SuitePrefill)
	mlaOperation       = attentionOperation.under("mla")
)

func (a Attention) operation() *Operation {
	if a.ValueDim != 0 {
		return mlaOperation
	}
	return attentionOperation
}

// Suite is prefill where more than one token a sequence is new, else decode.
func (a Attention) Suite() Suite {
	if a.QueryTokens > 1 {
		return SuitePrefill
	}
	return SuiteDecode
}

// Op is "attention", or "mla" where values have a size of their own.
func (a Attention) Op() string { return a.operation().only }

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
	// A piece of w queries over 3w/2 keys has w² pairs (Pairs).
	a.Batch *= (a.QueryTokens + window - 1) / window
	a.QueryTokens, a.ContextTokens = window, window*3/2
	return a
}

// ValueHead is the size of a value's head.
func (a Attention) ValueHead() int64 {
	if a.ValueDim != 0 {
		return a.ValueDim
	}
	return a.HeadDim
}

// KV is the type of the KV cache.
func (a Attention) KV() DType {
	if a.KVType != "" {
		return a.KVType
	}
	return a.Type
}

// Pairs is how many (query, key) pairs of one head and sequence are attended:
// the causal triangle of the new tokens, and all that came before them, as far
// as the window reaches.
func (a Attention) Pairs() float64 {
	q, c := float64(a.QueryTokens), float64(a.ContextTokens)
	if a.Window == 0 || a.Window >= a.ContextTokens {
		return q*(c-q) + q*(q+1)/2
	}
	// The first queries have less than a window behind them.
	w := float64(a.Window)
	short := max(w-1-(c-q), 0)
	return short*(c-q) + short*(short+1)/2 + (q-short)*w
}

// ReadTokens is how many of a sequence's tokens any query attends.
func (a Attention) ReadTokens() int64 {
	if a.Window == 0 {
		return a.ContextTokens
	}
	return min(a.ContextTokens, a.Window+a.QueryTokens-1)
}

// FLOPs is 2 × the key's size for the score and 2 × the value's for the weighted
// value of every attended pair, softmax not counted (Dao et al.,
// "FlashAttention-2", 2023, section 4.1, counts the same, with the causal half).
func (a Attention) FLOPs() float64 {
	return 2 * float64(a.Batch) * float64(a.Heads) * float64(a.HeadDim+a.ValueHead()) * a.Pairs()
}

// KVBytes is the keys and values read.
func (a Attention) KVBytes() float64 {
	return float64(a.Batch) * float64(a.ReadTokens()) * float64(a.KVHeads) * float64(a.HeadDim+a.ValueHead()-a.SharedDim) * a.KV().Size()
}

// Bytes is Q read, O written, and the KV cache read once.
func (a Attention) Bytes() float64 {
	return float64(a.Batch)*float64(a.QueryTokens)*float64(a.Heads)*float64(a.HeadDim+a.ValueHead())*a.Type.Size() + a.KVBytes()
}

// WireBytes is 0: heads do not talk to each other.
func (a Attention) WireBytes() float64 { return 0 }

// Key names every field; a KVType equal to Type is left out.
func (a Attention) Key() string {
	if a.KVType == a.Type {
		a.KVType = ""
	}
	return a.operation().key(a.Suite(), unsafe.Pointer(&a))
}

func (a Attention) cells(c *cells) { a.operation().write(unsafe.Pointer(&a), c) }

// Validate says in one sentence what is wrong with the shape.
func (a Attention) Validate() error {
	if a.Type.Size() == 0 || a.KV().Size() == 0 {
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
	if a.ValueDim < 0 || a.Window < 0 || a.SharedDim < 0 || a.SharedDim > min(a.HeadDim, a.ValueDim) {
		return fmt.Errorf("attention: value_dim %d, shared_dim %d and window %d must not be negative, and what is shared not more than a key's %d or the value",
			a.ValueDim, a.SharedDim, a.Window, a.HeadDim)
	}
	return a.Cache.validate("attention")
}
