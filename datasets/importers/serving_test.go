package importers

import (
	"os"
	"path/filepath"
	"testing"
)

// Two rows of each table's form, with figures made up for the test. The closed
// loop's time an output token is (0.2 + 127·0.01) / (128·4) = 2.87109375 ms.
func TestServing(t *testing.T) {
	dir := t.TempDir()
	silicon, splitwise := filepath.Join(dir, "silicon.csv"), filepath.Join(dir, "splitwise.csv")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(silicon, `backend,backend_version,model_path,system,precision,isl,osl,concurrency,tp_size,pp_size,attention_dp_size,moe_tp_size,moe_ep_size,silicon_ttft_ms,silicon_tpot_ms
trtllm,1.0.0,Qwen/Qwen3-235B-A22B-FP8,h100_sxm,,512,128,4,4,1,,0,4,200,10
vllm,0.12.0,openai/gpt-oss-120b,h100_sxm,fp4,512,128,,4,1,1,1,1,200,10
`)
	write(splitwise, `model,hardware,prompt_size,batch_size,token_size,prompt_time,token_time,e2e_time,tensor_parallel
llama2-70b,a100-80gb,512,2,128,200,50,1,8
`)
	const key = "isl=512 osl=128 concurrency=4 tp=4 pp=1 dp=1 ep=4 etp=1 ranks=4"
	run, _ := check(t, "serving", silicon, []seen{
		{"serve/ttft fp8 model=qwen3-235b-a22b " + key, 0.2, "h100-sxm", 2},
		{"serve/tpot fp8 model=qwen3-235b-a22b " + key, 0.01, "h100-sxm", 2},
		{"serve/output_token fp8 model=qwen3-235b-a22b " + key, 2.87109375e-3, "h100-sxm", 2},
	}, 1)
	if s := run.Rows[0].Measurement.Stack.Name(); s != "trtllm 1.0.0" {
		t.Errorf("stack %q", s)
	}
	check(t, "serving", splitwise, []seen{
		{"serve/ttft fp16 model=llama-2-70b isl=512 osl=128 concurrency=2 requests=2 tp=8 pp=1 dp=1 ep=1 etp=1 ranks=8", 0.2, "a100-sxm-80", 2},
		{"serve/tpot fp16 model=llama-2-70b isl=512 osl=128 concurrency=2 requests=2 tp=8 pp=1 dp=1 ep=1 etp=1 ranks=8", 0.05, "a100-sxm-80", 2},
	}, 0)
}
