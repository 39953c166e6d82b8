package importers

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"bench/datasets"
	"bench/datasets/catalog"
)

// gemmRow is a row of aiconfigurator's gemm table.
type gemmRow struct {
	Framework string  `parquet:"framework"`
	Version   string  `parquet:"version"`
	Device    string  `parquet:"device"`
	OpName    string  `parquet:"op_name"`
	Source    string  `parquet:"kernel_source"`
	DType     string  `parquet:"gemm_dtype"`
	M         int64   `parquet:"m"`
	N         int64   `parquet:"n"`
	K         int64   `parquet:"k"`
	Latency   float64 `parquet:"latency"`
}

func gemmOf(dtype string, m int64, ms float64) gemmRow {
	return gemmRow{"VLLM", "0.14.0", "NVIDIA A100-SXM4-80GB", "gemm", "vllm_default", dtype, m, 4096, 4096, ms}
}

// parquetOf writes rows as a Parquet file in memory.
func parquetOf[T any](t testing.TB, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, parquet.Compression(&parquet.Zstd))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// 0.5 ms are 5e-4 s; each form of weights keeps its name; times that are no
// times and unknown types are refused, each by its number.
func TestAIConfiguratorGEMM(t *testing.T) {
	data := parquetOf(t, []gemmRow{
		gemmOf("bfloat16", 1, 0.5), gemmOf("float16", 2, 0.5), gemmOf("fp8", 3, 0.5), gemmOf("fp8_block", 4, 0.5),
		gemmOf("int4_wo", 5, 0.5), gemmOf("bfloat16", 6, 0), gemmOf("bfloat16", 7, -1), gemmOf("bfloat16", 8, math.NaN()),
		gemmOf("bfloat16", 9, math.Inf(1)), gemmOf("e2m1", 10, 0.5), gemmOf("bfloat16", 0, 0.5), gemmOf("bfloat16", 1<<50, 0.5),
	})
	b, err := readData(aiconfigurator, "gemm_perf.parquet", data)
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{"bf16 m=1", "fp16 m=2", "fp8 m=3", "fp8 m=4", "bf16 m=5"}
	formats := []string{"", "", " format=fp8_dynamic", " format=fp8_block", " format=int4_wo"}
	if len(b.rows) != len(keys) || b.refused != 7 {
		t.Fatalf("%d rows and %d refused, want %d and 7: %v", len(b.rows), b.refused, len(keys), b.byReason)
	}
	for i, r := range b.rows {
		if want := "gemm/matmul " + keys[i] + " n=4096 k=4096 ranks=1 cache=hot" + formats[i]; r.Workload.Key() != want || r.Measurement.TimeS != 5e-4 {
			t.Errorf("row %d: %s in %g s, want %s in 5e-4 s", i, r.Workload.Key(), r.Measurement.TimeS, want)
		}
	}
	for i, want := range []int64{6, 7, 8, 9, 10, 11, 12} {
		if got := b.refusals[i].Record; got != want {
			t.Errorf("refusal %d is of record %d, want %d", i, got, want)
		}
	}
}

// The older form of the same table is CSV; a record is then a line.
func TestAIConfiguratorText(t *testing.T) {
	text := "framework,version,device,op_name,kernel_source,gemm_dtype,m,n,k,latency,power\n" +
		"TRTLLM,1.0.0,Tesla T3,gemm,default,int8_wo,16,4096,8192,0.25,300\r\n" +
		"TRTLLM,1.0.0,Tesla T3,gemm,default,float16,16.5,4096,8192,0.25,300\n"
	b, err := readData(aiconfigurator, "gemm_perf.txt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.rows) != 1 || b.refused != 1 || b.refusals[0].Record != 3 || b.refusals[0].Reason != "column m is no count: 16.5" {
		t.Fatalf("%d rows, refusals %v", len(b.rows), b.refusals)
	}
	r := b.rows[0]
	if r.Workload.Key() != "gemm/matmul bf16 m=16 n=4096 k=8192 ranks=1 cache=hot format=int8_wo" || r.Measurement.TimeS != 2.5e-4 ||
		r.DeviceID != "tesla-t3" || r.Measurement.Origin.Record != 2 || r.Measurement.Stack != (datasets.Stack{Library: "trtllm", Version: "1.0.0", KernelSource: "default"}) {
		t.Errorf("%s: %+v", r.Workload.Key(), r.Measurement)
	}
	if len(b.notes) != 1 || b.notes[0] != "columns not used: power" {
		t.Errorf("notes: %q", b.notes)
	}
}

// Latent attention: 16 heads of a rank decode by one latent of 576 with values of
// 512 in it; a prompt's keys are 192 wide and its values 128.
func TestAIConfiguratorMLA(t *testing.T) {
	const head = "framework,version,device,op_name,kernel_source,mla_dtype,kv_cache_dtype,num_heads,batch_size,isl,tp_size,step,latency\n"
	b, err := readData(aiconfigurator, "mla.csv", []byte(head+
		"VLLM,0.14.0,NVIDIA H20,generation_mla,vllm_flashmla,bfloat16,fp8,16,4,1,8,4095,0.25\n"+
		"TRTLLM,1.0.0,NVIDIA H20,mla_context,default,bfloat16,bfloat16,16,2,1024,8,0,0.25\n"+
		"TRTLLM,1.0.0,NVIDIA H20,mla_generation,default,bfloat16,bfloat16,16,2,2,8,0,0.25\n"+
		"TRTLLM,1.0.0,NVIDIA H20,mla_bmm,default,bfloat16,bfloat16,16,2,1,8,0,0.25\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.rows) != 2 || b.refused != 2 || len(b.notes) != 0 {
		t.Fatalf("%d rows, refused %v, notes %q", len(b.rows), b.byReason, b.notes)
	}
	for i, want := range []string{
		"decode/mla bf16 kv=fp8 batch=4 query=1 context=4096 heads=16 kv_heads=1 head_dim=576 value_dim=512 shared_dim=512 ranks=1 cache=hot",
		"prefill/mla bf16 batch=2 query=1024 context=1024 heads=16 kv_heads=16 head_dim=192 value_dim=128 ranks=1 cache=hot",
	} {
		if got := b.rows[i].Workload.Key(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Experts without a gate have two matrices, NVFP4 is an element type, and an
// exponent may be anything from 0.
func TestAIConfiguratorMoE(t *testing.T) {
	const head = "framework,version,device,op_name,kernel_source,moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,distribution,latency\n"
	b, err := readData(aiconfigurator, "moe.csv", []byte(head+
		"TRTLLM,1.3.0,NVIDIA H20,moe,moe_torch_flow_nongated,bfloat16,16,2048,5120,22,512,1,4,balanced,0.25\n"+
		"TRTLLM,1.3.0,NVIDIA H20,moe,moe_torch_flow_cutlass,nvfp4,16,2048,5120,8,512,1,4,power_law_0.6,0.25\n"+
		"TRTLLM,1.3.0,NVIDIA H20,moe,moe_torch_flow_cutlass,nvfp4,16,2048,5120,8,512,1,4,uniform,0.25\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.rows) != 2 || b.refused != 1 {
		t.Fatalf("%d rows, refused %v", len(b.rows), b.byReason)
	}
	for i, want := range []string{
		"moe/experts bf16 tokens=16 hidden=2048 intermediate=5120 experts=512 top_k=22 tp=1 ep=4 routing=balanced ranks=1 cache=hot",
		"moe/experts fp4 tokens=16 hidden=2048 intermediate=5120 experts=512 top_k=8 gated tp=1 ep=4 routing=power_law exponent=0.6 ranks=1 cache=hot format=nvfp4",
	} {
		if got := b.rows[i].Workload.Key(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A table of which one in 20 rows of shared heads is faster than the A100 can read
// (64 · 4096 · 2 · 8 · 128 · 2 bytes, 1.07 GB at 2.04 TB/s: 526 µs) loses all of
// them; heads of their own, with one such row in 40, keep theirs, that one flagged.
func TestAIConfiguratorDefectiveDecode(t *testing.T) {
	zero := int32(0)
	var rows []attentionRow
	for i := range 40 {
		for _, heads := range []int32{8, 32} {
			r := attentionRow{"TRTLLM", "1.0.0", "NVIDIA A100-SXM4-80GB", "generation_attention", "x", 64, 1, heads, 8, 128, 1, "bfloat16", "bfloat16", 4095, &zero, 0.6}
			if i == 0 || heads == 32 && i == 20 {
				r.Latency = 0.4
			}
			rows = append(rows, r)
		}
	}
	b, err := readData(aiconfigurator, "x.parquet", parquetOf(t, rows))
	if err != nil {
		t.Fatal(err)
	}
	flagged := 0
	for _, r := range b.rows {
		if r.Workload.(datasets.Attention).Heads != 8 {
			t.Errorf("%s was kept", r.Workload.Key())
		}
		if r.Measurement.Verdict == datasets.Flagged {
			flagged++
		}
	}
	const why = "decode attention of heads that share a KV head: 2 of the table's 40 such rows beat the memory's peak, so that none can have read all keys and values"
	if len(b.rows) != 40 || flagged != 1 || b.byReason[why] != 40 || b.refused != 40 {
		t.Errorf("%d rows, %d flagged, refused %v", len(b.rows), flagged, b.byReason)
	}
}

// attentionRow is a row of the attention tables, with a sliding window.
type attentionRow struct {
	Framework string  `parquet:"framework"`
	Version   string  `parquet:"version"`
	Device    string  `parquet:"device"`
	OpName    string  `parquet:"op_name"`
	Source    string  `parquet:"kernel_source"`
	Batch     int32   `parquet:"batch_size"`
	ISL       int32   `parquet:"isl"`
	Heads     int32   `parquet:"num_heads"`
	KVHeads   int32   `parquet:"num_key_value_heads"`
	HeadDim   int32   `parquet:"head_dim"`
	Beam      int32   `parquet:"beam_width"`
	DType     string  `parquet:"attn_dtype"`
	KVType    string  `parquet:"kv_cache_dtype"`
	Step      int32   `parquet:"step"`
	Window    *int32  `parquet:"window_size,optional"`
	Latency   float32 `parquet:"latency"`
}

// A decode step after 31 tokens reads 32. A prompt of 100 after 28 cached
// tokens attends to 128. Beams are refused; a null is no window.
func TestAIConfiguratorAttention(t *testing.T) {
	zero, window := int32(0), int32(4096)
	base := attentionRow{"VLLM", "0.14.0", "NVIDIA H19", "generation_attention", "fa", 8, 1, 32, 8, 128, 1, "bfloat16", "fp8", 31, &zero, 0.25}
	prompt, sliding, beam, null, odd, op := base, base, base, base, base, base
	prompt.OpName, prompt.ISL, prompt.Step = "context_attention", 100, 28
	sliding.Window, beam.Beam, null.Window, odd.ISL, op.OpName = &window, 4, nil, 2, "mla_context"
	b, err := readData(aiconfigurator, "x.parquet", parquetOf(t, []attentionRow{base, prompt, sliding, beam, null, odd, op}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"decode/attention bf16 kv=fp8 batch=8 query=1 context=32 heads=32 kv_heads=8 head_dim=128 ranks=1 cache=hot",
		"prefill/attention bf16 kv=fp8 batch=8 query=100 context=128 heads=32 kv_heads=8 head_dim=128 ranks=1 cache=hot",
		"decode/attention bf16 kv=fp8 batch=8 query=1 context=32 heads=32 kv_heads=8 head_dim=128 window=4096 ranks=1 cache=hot",
		"decode/attention bf16 kv=fp8 batch=8 query=1 context=32 heads=32 kv_heads=8 head_dim=128 ranks=1 cache=hot",
	}
	if len(b.rows) != len(want) || b.refused != 3 {
		t.Fatalf("%d rows, %d refused: %v", len(b.rows), b.refused, b.byReason)
	}
	for i, r := range b.rows {
		if r.Workload.Key() != want[i] || r.Measurement.TimeS != 0.25e-3 || r.DeviceID != "nvidia-h19" {
			t.Errorf("row %d: %s in %g s on %s", i, r.Workload.Key(), r.Measurement.TimeS, r.DeviceID)
		}
	}
}

// Every file that is not what it should be is one error that names it.
func TestUnreadable(t *testing.T) {
	gemm := parquetOf(t, []gemmRow{gemmOf("bfloat16", 1, 0.5)})
	noLatency := parquetOf(t, []struct {
		Device string `parquet:"device"`
		OpName string `parquet:"op_name"`
		DType  string `parquet:"gemm_dtype"`
		M      int64  `parquet:"m"`
	}{{"x", "gemm", "bfloat16", 1}})
	foreign := parquetOf(t, []struct{ A int64 }{{1}})
	for name, c := range map[string]struct {
		format format
		file   string
		data   []byte
		says   string
	}{
		"empty":               {aiconfigurator, "a.parquet", nil, "empty"},
		"truncated":           {aiconfigurator, "a.parquet", gemm[:len(gemm)-20], "is truncated"},
		"no footer":           {aiconfigurator, "a.parquet", gemm[:40], "is truncated"},
		"footer of 4 GiB":     {aiconfigurator, "a.parquet", append(bytes.Clone(gemm[:len(gemm)-8]), "\xff\xff\xff\xffPAR1"...), "does not fit"},
		"LFS pointer":         {aiconfigurator, "a.parquet", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), "git lfs pull"},
		"missing column":      {aiconfigurator, "a.parquet", noLatency, "no column"},
		"foreign table":       {aiconfigurator, "a.parquet", foreign, "no column op_name"},
		"CSV without columns": {vidur, "network/a100/x.csv", []byte("a,b\n1,2\n"), "no column collective"},
		"CSV cut in a quote":  {vidur, "network/a100/x.csv", []byte("collective,size\n\"all"), "comma-separated"},
		"CSV of two widths":   {vidur, "network/a100/x.csv", []byte("collective,num_workers,size,devices_per_node\n1,2\n"), "comma-separated"},
		"LLMCompass name":     {llmcompass, "results.csv", []byte("1, 2\n"), "must be OPERATOR_DEVICE.csv"},
		"NCCL without rows":   {ncclTests, "all_reduce.txt", []byte("Hello\n"), "no nccl-tests result"},
		"NCCL JSON cut":       {ncclTests, "a.json", []byte(`{"version":3,"results":[{"size":4`), "damaged JSON"},
		"NCCL JSON foreign":   {ncclTests, "a.json", []byte(`{"a":1}`), "no results"},
		"nvbandwidth foreign": {nvbandwidth, "a.json", []byte(`{"a":1}`), "no testcases"},
		"nvbandwidth nothing": {nvbandwidth, "a.txt", []byte("Device 0: X\n"), "no nvbandwidth result"},
		"BabelStream nothing": {babelStream, "a.txt", []byte("BabelStream\n"), "no table of BabelStream"},
		"llama nothing":       {llamaBench, "a.md", []byte("# Notes\n"), "neither JSON"},
		"llama CSV columns":   {llamaBench, "a.csv", []byte("build_commit,a\n1,2\n"), "no column"},
		"llama JSON cut":      {llamaBench, "a.json", []byte(`[{"n_prompt":1}`), "damaged JSON"},
	} {
		b, err := readData(c.format, c.file, c.data)
		if err == nil {
			t.Errorf("%s: %d rows and no error", name, len(b.rows))
			continue
		}
		if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.file) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q does not say %q of %q in one line", name, err, c.says, c.file)
		}
	}
}

// Text where numbers belong costs the row and is named; numbers where text
// belongs likewise.
func TestWrongTypes(t *testing.T) {
	data := parquetOf(t, []struct {
		Framework string `parquet:"framework"`
		Version   int64  `parquet:"version"`
		Device    string `parquet:"device"`
		OpName    string `parquet:"op_name"`
		Source    string `parquet:"kernel_source"`
		DType     string `parquet:"gemm_dtype"`
		M         string `parquet:"m"`
		N         int64  `parquet:"n"`
		K         int64  `parquet:"k"`
		Latency   string `parquet:"latency"`
	}{{"VLLM", 1, "x", "gemm", "s", "fp8", "many", 1, 1, "0.5"}})
	b, err := readData(aiconfigurator, "a.parquet", data)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.rows) != 0 || b.refused != 1 || b.refusals[0].Reason != "column m is no number: many" {
		t.Errorf("%d rows, refusals %v", len(b.rows), b.refusals)
	}
}

// The trap of nccl_perf: an all-reduce whose elements are taken for bytes, or
// whose microseconds for milliseconds, is either twice too fast for the links
// or nothing to see; here 2 GiB among 8 A100 in 4 ms is 470 GB/s each way.
func TestWrongUnitsAreLoud(t *testing.T) {
	text := "collective,num_workers,size,devices_per_node,time_stats.all_reduce.median\n" +
		"all_reduce,8,2147483648,8,8\nall_reduce,8,1073741824,8,8\n"
	dir := filepath.Join(t.TempDir(), "network", "a100_dgx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.csv"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	run, report, err := Import("vidur", []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	// 1.75 × 2 GiB / 8 ms = 469.8 GB/s over 300.
	if len(report.Warnings) != 1 || !strings.HasPrefix(report.Warnings[0],
		"1 of 2 allreduce/all_reduce fp16 rows beat the link bandwidth of a100-sxm-80, the worst by 1.57 times") {
		t.Errorf("warnings: %q", report.Warnings)
	}
	if m := run.Rows[0].Measurement; m.Verdict != datasets.Flagged || len(m.Flags) != 1 || m.Flags[0] != datasets.FlagImplausible {
		t.Errorf("the row is not flagged: %q %v", m.Verdict, m.Flags)
	}
	if m := run.Rows[1].Measurement; m.Verdict != datasets.OK {
		t.Errorf("the slower row is %q", m.Verdict)
	}
	var text2 bytes.Buffer
	if _, err := report.WriteTo(&text2); err != nil || !strings.Contains(text2.String(), "WARNING: 1 of 2") {
		t.Errorf("report: %v\n%s", err, text2.String())
	}
}

// An H100's datasheet says 989.4 TFLOP/s of BF16 at 1830 MHz, and it clocks up to 1980:
// 4096³ products in 131 µs are 1.06 times the datasheet, and no reason for doubt;
// in 120 µs they are 1.16 times.
func TestBoostClocksAreNotDoubted(t *testing.T) {
	d, err := catalog.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	for us, want := range map[float64]datasets.Verdict{131: datasets.OK, 120: datasets.Flagged} {
		row := datasets.Row{Workload: datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 4096, N: 4096, K: 4096, Ranks: 1, Cache: datasets.Hot},
			Measurement: datasets.Measurement{Verdict: datasets.OK, TimeS: us * 1e-6}}
		new(peaks).see(&d, &row)
		if row.Measurement.Verdict != want {
			t.Errorf("%g µs: %s, want %s", us, row.Measurement.Verdict, want)
		}
	}
}

// A file may hold a field of any size; the message does not.
func TestHugeFields(t *testing.T) {
	huge := strings.Repeat("x", 1<<20)
	for _, f := range formats {
		for _, text := range []string{huge, huge + "," + huge, "1 2 " + huge, "| " + huge + " | t/s | test |\n|" + huge + "|a|b|\n",
			"build_commit,model_type,model_size,model_n_params,n_prompt,n_gen,avg_ns\n" + strings.Repeat(huge+",", 6) + huge,
			"function,x\n" + strings.Repeat(huge+",", 6) + huge, `{"nvbandwidth":{"testcases":[{"name":"` + huge + `","bandwidth_matrix":[["1"]]}]}}`} {
			b, err := readData(f, "matmul_A100.csv", []byte(text))
			if err != nil {
				if len(err.Error()) > 500 {
					t.Errorf("%s: an error of %d bytes", f.name, len(err.Error()))
				}
				continue
			}
			for _, r := range b.refusals {
				if len(r.Reason) > 500 {
					t.Errorf("%s: a reason of %d bytes", f.name, len(r.Reason))
				}
			}
		}
	}
}

// A table may have any number of columns; what is read of it is in proportion to the
// file, and the message is not.
func TestManyColumns(t *testing.T) {
	var header strings.Builder
	for i := range 1 << 18 {
		fmt.Fprintf(&header, "c%d,", i)
	}
	text := header.String() + "x\n" + strings.Repeat("1,", 1<<18) + "1\n"
	for _, f := range formats {
		for _, file := range []string{"matmul_A100.csv", "network/a100_dgx/x.csv", "compute/h100/m/x.csv", "gemm_perf.txt"} {
			before := allocated()
			b, err := readData(f, file, []byte(text))
			if used := allocated() - before; used > 256*uint64(len(text)) {
				t.Errorf("%s of %s: %d bytes of file took %d bytes of memory", file, f.name, len(text), used)
			}
			if err == nil && len(b.rows) > 0 || err != nil && len(err.Error()) > 500 {
				t.Errorf("%s of %s: %v", file, f.name, err)
			}
		}
	}
}

func TestImportErrors(t *testing.T) {
	dir := t.TempDir()
	for want, call := range map[string]func() error{
		`unknown format "csv": use one of aiconfigurator`: func() error { _, _, err := Import("csv", []string{dir}); return err },
		"holds no vidur file":                             func() error { _, _, err := Import("vidur", []string{dir}); return err },
		"no such file":                                    func() error { _, _, err := Import("vidur", []string{dir + "/x"}); return err },
		"no file to import":                               func() error { _, _, err := Import("vidur", nil); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
