package datasets

import (
	"fmt"
	"unsafe"
)

// ModelPass is one pass of a whole model, as llama-bench times it: a decode
// step of one token (suite decode, op "model"), or a whole prompt (suite
// prefill, op "model"). Imported rows only: the file says how many parameters
// the model has, but not its shape, so that nothing but the weights' share can
// be computed.
type ModelPass struct {
	// Model is the model's name as the tool prints it.
	_     struct{} `col:"op" fixed:"model"`
	Model string   `col:"model"`
	// Type is the type of the arithmetic's operands, and Format the weights'
	// quantised form ("q4_k_medium"), or "" where they have that type.
	Type   DType  `col:"dtype"`
	Format string `col:"format"`
	// WeightBytes is the size of the model's file, and Parameters their count.
	WeightBytes int64 `col:"size_bytes" key:"bytes"`
	Parameters  int64 `col:"parameters"`
	// QueryTokens go through the model in the pass: 1 when decoding.
	QueryTokens int64 `col:"query_tokens" key:"query"`
	// ContextTokens that attention reads, the new ones included; the mean of a
	// run of steps.
	ContextTokens int64 `col:"context_tokens" key:"context"`
	Ranks         int   `col:"ranks"`
	// Options are the tool's further settings that tell two passes apart: "nkvo=1".
	Options string `col:"options"`
}

var passOperation = declare[ModelPass](SuiteDecode, SuitePrefill)

// Suite is prefill where more than one token goes through, else decode.
func (m ModelPass) Suite() Suite {
	if m.QueryTokens > 1 {
		return SuitePrefill
	}
	return SuiteDecode
}

// Op is "model".
func (m ModelPass) Op() string { return "model" }

// DType is the type of the arithmetic's operands.
func (m ModelPass) DType() DType { return m.Type }

// Workers is Ranks.
func (m ModelPass) Workers() int { return m.Ranks }

// FLOPs is 2 for every parameter and token. Attention is left out, because the
// model's shape is not known; where only some experts are awake, it is too
// many.
func (m ModelPass) FLOPs() float64 { return 2 * float64(m.Parameters) * float64(m.QueryTokens) }

// Bytes is the weights read once, which is too many where only some experts
// are awake or a large embedding is looked up in a few rows.
func (m ModelPass) Bytes() float64 { return float64(m.WeightBytes) }

// WireBytes is 0: the file does not say how the ranks share the work.
func (m ModelPass) WireBytes() float64 { return 0 }

// Key names every field.
func (m ModelPass) Key() string { return passOperation.key(m.Suite(), unsafe.Pointer(&m)) }

func (m ModelPass) cells(c *cells) { passOperation.write(unsafe.Pointer(&m), c) }

// Validate says in one sentence what is wrong with the shape.
func (m ModelPass) Validate() error {
	if m.Type.Size() == 0 {
		return fmt.Errorf("model: unknown data type %q", m.Type)
	}
	if err := positive("model", "weight_bytes", m.WeightBytes, "parameters", m.Parameters,
		"query_tokens", m.QueryTokens, "context_tokens", m.ContextTokens, "ranks", int64(m.Ranks)); err != nil {
		return err
	}
	if m.QueryTokens > m.ContextTokens {
		return fmt.Errorf("model: %d new tokens are more than the context of %d", m.QueryTokens, m.ContextTokens)
	}
	return nil
}
