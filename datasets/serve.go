package datasets

import (
	"fmt"
	"slices"
	"unsafe"
)

// Serve is a model served under a load, of which one figure is measured: Kernel
// "ttft" (arrival to first token), "tpot" (time a further token), "itl" (a gap
// between tokens), "request" (arrival to last token), each in seconds and a mean
// over requests, or "output_token" (the time between two tokens of the whole
// service: 1 over its tokens a second). The engine is the row's stack.
type Serve struct {
	Kernel string `col:"op"`
	// Type is that of weights and products, KVType of the cache ("" is not said),
	// and Format a narrower form of the weights ("mxfp4").
	Type   DType  `col:"dtype"`
	KVType DType  `col:"kv_dtype" key:"kv"`
	Format string `col:"format"`
	// Model is a catalogue name where it is known, else as the tool prints it.
	Model string `col:"model"`
	// InputTokens and OutputTokens of a request, on average.
	InputTokens  int64 `col:"input_tokens" key:"isl"`
	OutputTokens int64 `col:"output_tokens" key:"osl"`
	// Concurrency is requests in flight (a closed loop), Rate arrivals a second (an
	// open one); 0 is not said, and at least one is.
	Concurrency int64   `col:"concurrency"`
	Rate        float64 `col:"requests_per_s" key:"rate"`
	// Requests in all, 0 where that is not said.
	Requests int64 `col:"requests"`
	// TP ranks split the layers, PP stages share them out; DP replicas of attention
	// share EP · ETP ranks of experts. 0, also of Ranks, is not said.
	TP    int `col:"tensor_parallel" key:"tp"`
	PP    int `col:"pipeline_parallel" key:"pp"`
	DP    int `col:"data_parallel" key:"dp"`
	EP    int `col:"expert_parallel" key:"ep"`
	ETP   int `col:"expert_tensor_parallel" key:"etp"`
	Ranks int `col:"ranks"`
}

var serveOperation = declare[Serve](SuiteServe)

// ServeFigures lists the kernels of Serve.
var ServeFigures = []string{"ttft", "tpot", "itl", "request", "output_token"}

// Suite is serve.
func (s Serve) Suite() Suite { return SuiteServe }

// Op is Kernel.
func (s Serve) Op() string { return s.Kernel }

// DType is the type of weights and products.
func (s Serve) DType() DType { return s.Type }

// Workers is Ranks, all GPUs.
func (s Serve) Workers() int { return s.Ranks }

// FLOPs, Bytes and WireBytes are 0: they depend on the model's shape, which is a
// catalogue's business.
func (s Serve) FLOPs() float64     { return 0 }
func (s Serve) Bytes() float64     { return 0 }
func (s Serve) WireBytes() float64 { return 0 }

// Key names every field.
func (s Serve) Key() string { return serveOperation.key(SuiteServe, unsafe.Pointer(&s)) }

func (s Serve) cells(c *cells) { serveOperation.write(unsafe.Pointer(&s), c) }

// Validate says in one sentence what is wrong.
func (s Serve) Validate() error {
	if !slices.Contains(ServeFigures, s.Kernel) {
		return fmt.Errorf("serve: unknown figure %q: use one of %v", s.Kernel, ServeFigures)
	}
	if err := positive("serve", "input_tokens", s.InputTokens, "output_tokens", s.OutputTokens); err != nil {
		return err
	}
	if min(s.TP, s.PP, s.DP, s.EP, s.ETP, s.Ranks) < 0 {
		return fmt.Errorf("serve: tp %d, pp %d, dp %d, ep %d, etp %d and ranks %d must not be negative", s.TP, s.PP, s.DP, s.EP, s.ETP, s.Ranks)
	}
	if s.Concurrency < 0 || s.Requests < 0 || !(s.Rate >= 0) || s.Concurrency == 0 && s.Rate == 0 {
		return fmt.Errorf("serve: concurrency is %d and requests_per_s %g: give one of them", s.Concurrency, s.Rate)
	}
	return nil
}
