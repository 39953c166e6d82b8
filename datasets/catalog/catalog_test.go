package catalog

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bench/datasets"
)

// Every published peak follows from the SM count, the boost clock and the
// tensor core's width: 2 × 1024 FP16 FLOP a cycle and SM on GA100 (A100
// whitepaper, table 2), twice that on GH100 (H100 whitepaper, table 1).
func TestPeaksFollowFromClockAndUnits(t *testing.T) {
	perCycle := map[string]map[datasets.DType]float64{
		"sm_80": {datasets.FP16: 2048, datasets.BF16: 2048, datasets.TF32: 1024, datasets.INT8: 4096, datasets.INT4: 8192},
		"sm_90": {datasets.FP16: 4096, datasets.BF16: 4096, datasets.TF32: 2048, datasets.FP8: 8192, datasets.INT8: 8192},
	}
	for _, id := range []string{"a100-sxm-80", "a100-sxm-40", "a100-pcie-80", "a800-sxm-80", "h100-sxm", "h100-pcie", "h200-sxm"} {
		d, err := Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		for dtype, flop := range perCycle[d.Arch] {
			want := flop * float64(d.Units) * d.ClockHz.Value
			if got := d.PeakFLOPs[dtype].Value; math.Abs(got/want-1) > 0.002 {
				t.Errorf("%s %s: %g FLOP/s, but %d SMs at %g Hz give %g", d.ID, dtype, got, d.Units, d.ClockHz.Value, want)
			}
		}
	}
}

func TestEveryFigureHasItsDocument(t *testing.T) {
	for _, d := range Devices() {
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", d.ID, err)
		}
		figures := map[string]datasets.Figure{"clock": d.ClockHz, "memory": d.MemoryBytes, "bandwidth": d.MemoryBandwidth,
			"pcie": d.PCIeBandwidth, "tdp": d.TDPWatt, "vector": d.VectorFLOPs, "link": d.LinkBandwidth, "network": d.NetworkBandwidth}
		for dtype, f := range d.PeakFLOPs {
			figures[string(dtype)] = f
		}
		for _, c := range d.Caches {
			figures["cache"] = c.SizeBytes
		}
		for name, f := range figures {
			if f.Value == 0 && name != "memory" && name != "bandwidth" {
				continue // nobody publishes it
			}
			if f.Value <= 0 || f.Origin != datasets.Datasheet || len(f.Source) < 12 || strings.HasPrefix(f.Source, d.ID) {
				t.Errorf("%s: %s has no document: %+v", d.ID, name, f)
			}
		}
	}
}

func TestMatch(t *testing.T) {
	for _, d := range Devices() {
		if got, ok := Match(d.Name); got != d.ID || !ok {
			t.Errorf("Match(%q) = %q, want %q", d.Name, got, d.ID)
		}
	}
	for name, want := range map[string]string{
		"NVIDIA H100 MIG 1g.10gb":            "",
		"NVIDIA H100 SXM5 64GB":              "",
		"NVIDIA GH200 480GB":                 "gh200-96",
		"NVIDIA A100-SXM-80GB":               "a100-sxm-80",
		"NVIDIA A100-PCIE-40GB":              "a100-pcie-40",
		"A100-SXM4-40GB":                     "a100-sxm-40",
		"A100":                               "a100-sxm-80",
		"h100":                               "h100-sxm",
		"a100_sxm":                           "a100-sxm-80",
		"h100_sxm":                           "h100-sxm",
		"NVIDIA H20":                         "h20",
		"NVIDIA A100X":                       "",
		"A40":                                "a40",
		"GeForce RTX 3090":                   "rtx-3090",
		"NVIDIA GeForce RTX 4090 Laptop GPU": "",
		"NVIDIA V100-SXM2-16GB":              "v100-sxm-16",
		"Tesla V100-SXM2-32GB-LS":            "v100-sxm-32",
		"AMD Instinct MI300X OAM":            "mi300x",
		"AMD_Instinct_MI300X":                "mi300x",
		"AMD Instinct MI250X / MI250":        "mi250x-gcd",
		"NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": "",
		"":                         "",
		"four A100 NVLink modules": "a100-sxm-80",
	} {
		got, ok := Match(name)
		if got != want || ok != (want != "") {
			t.Errorf("Match(%q) = %q, %v, want %q", name, got, ok, want)
		}
	}
}

func TestLookup(t *testing.T) {
	for alias := range catalogue().aliases {
		if _, err := Lookup(alias); err != nil {
			t.Error(err)
		}
	}
	if d, err := Lookup(" H100-SXM "); err != nil || d.ID != "h100-sxm" || !d.SwitchReduces {
		t.Errorf("Lookup(H100-SXM) = %s, %v", d.ID, err)
	}
	_, err := Lookup("h99")
	if err == nil || !strings.Contains(err.Error(), `unknown device "h99": use one of `) || !strings.Contains(err.Error(), " a100-sxm-40, ") {
		t.Errorf("unknown device: %v", err)
	}
	// A caller that changes what it got must not change the catalogue.
	d, _ := Lookup("a100-sxm-80")
	d.PeakFLOPs[datasets.BF16] = datasets.Figure{}
	if d, _ = Lookup("a100-sxm"); d.PeakFLOPs[datasets.BF16].Value != 312e12 {
		t.Error("a device is shared between callers")
	}
}

func TestOwnDevice(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	own, _ := Lookup("h200-sxm")
	own.ID, own.Calibration = "my-h200", nil
	whole, err := json.Marshal(own)
	if err != nil {
		t.Fatal(err)
	}
	got, err := LookupOrLoad(file("own.json", string(whole)))
	if err != nil || got.ID != "my-h200" || got.MemoryBandwidth != own.MemoryBandwidth || len(got.Caches) != 2 {
		t.Errorf("own device: %+v, %v", got, err)
	}
	minimal := `{"id":"x","kind":"gpu","arch":"sm_90","units":1`
	for text, want := range map[string]string{
		``:                                       "empty: a JSON object describing a device is needed",
		`{`:                                      "unexpected EOF",
		`[]`:                                     "the file is a JSON array, and must be an object",
		minimal + `}{}`:                          "something follows the device's JSON object",
		`{"id":"x"}`:                             `arch is missing`,
		minimal + `,"speed":3}`:                  `unknown field "speed": use id, name, vendor, arch, `,
		minimal + `,"node_size":"8"}`:            "node_size is a JSON string, and must be a whole number",
		minimal + `,"node_size":-1}`:             "node_size is -1, and must not be negative",
		minimal + `,"tdp_watt":{"value":"700"}}`: "tdp_watt.value is a JSON string",
		minimal + `,"tdp_watt":{"value":-7,"origin":"datasheet"}}`: "tdp_watt.value is -7",
		minimal + `,"clock_hz":{"value":1e9,"origin":"guess"}}`:    `clock_hz.origin is "guess"`,
		minimal + `,"peak_flop_per_s":{"fp12":{"value":1}}}`:       `peak_flop_per_s: unknown data type "fp12"`,
		minimal + `,"caches":[{"level":0}]}`:                       "caches[0]: level is 0",
		`{"id":"x","like":"h999"}`:                                 `like: unknown device "h999"`,
		`{"id":"x","kind":"tpu","arch":"v4","units":1}`:            `kind is "tpu"`,
	} {
		path := file("bad.json", text)
		_, err := LookupOrLoad(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
	if _, err := LookupOrLoad(filepath.Join(dir, "none.json")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing file: %v", err)
	}
	if _, err := LookupOrLoad("no-such-device"); err == nil || !strings.Contains(err.Error(), "unknown device") {
		t.Errorf("neither name nor file: %v", err)
	}
}

// Parameter totals as published: the safetensors index of each model on the
// Hugging Face hub (exact), and 175 B and the figures of CLAIMS S1 to 1 %.
func TestModelParameters(t *testing.T) {
	for id, want := range map[string]struct{ total, within float64 }{
		"gpt-3-175b":    {174.6e9, 0.001}, // Brown et al., table D.1: 174,600 M
		"llama-2-7b":    {6_738_415_616, 0},
		"llama-2-70b":   {68_976_648_192, 0},
		"llama-3-8b":    {8_030_261_248, 0},
		"llama-3-70b":   {70_553_706_496, 0},
		"mixtral-8x7b":  {46_702_792_704, 0},
		"mixtral-8x22b": {140_630_071_296, 0},
		"gpt-4":         {16*111e9 + 55e9, 0.01}, // S1.2
		"llama-2-13b":   {13_015_864_320, 0},
		"llama-3-405b":  {405_853_388_800, 0},
		"palm-540b":     {540.35e9, 0.001}, // Chowdhery et al., table 1
		// Pope et al., section 4: the variant keeps the parameters of attention.
		"palm-540b-mha":         {540.35e9, 0.01},
		"gopher-280b":           {280e9, 0.01},  // Rae et al., table 1
		"chinchilla-70b":        {70e9, 0.01},   // Hoffmann et al., table 4
		"deepseek-v3":           {671e9, 0.001}, // its report, section 4.2
		"deepseek-r1":           {671e9, 0.001},
		"llama-3.1-8b":          {8_030_261_248, 0},
		"llama-3.1-70b":         {70_553_706_496, 0},
		"llama-3.3-70b":         {70_553_706_496, 0},
		"kimi-k2":               {1.026e12, 0.002}, // its report, table 2: 1.04 T with rounding; the index: 1,026 B
		"qwen3-8b":              {8_190_735_360, 0},
		"qwen3-32b":             {32_762_123_264, 0},
		"qwen3-30b-a3b":         {30_532_122_624, 0},
		"qwen3-235b-a22b":       {235_093_634_560, 0},
		"qwen3-coder-480b-a35b": {480_154_875_392, 0},
		// The model card, table 1.
		"gpt-oss-20b":  {20.91e9, 0.0005},
		"gpt-oss-120b": {116.83e9, 0.0005},
		// The report, table 1: embedding and other parameters of the text model.
		"gemma-3-4b":  {675e6 + 3209e6, 0.002},
		"gemma-3-12b": {1012e6 + 10759e6, 0.002},
		"gemma-3-27b": {1416e6 + 25600e6, 0.002},
	} {
		m, err := Model(id)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Parameters(); math.Abs(got/want.total-1) > want.within {
			t.Errorf("%s: %.0f parameters, published %.0f", id, got, want.total)
		}
	}
	m, _ := Model("GPT-4")
	// S1.2 by part, and S1.3: about 280 B a token.
	if attention, expert := 120*m.AttentionWeights(), 120*m.ExpertWeights(); math.Abs(attention/55e9-1) > 0.02 || math.Abs(expert/111e9-1) > 0.01 {
		t.Errorf("gpt-4: %g attention, %g an expert", attention, expert)
	}
	if a := m.ActiveParameters(); math.Abs(a/280e9-1) > 0.01 {
		t.Errorf("gpt-4: %g active parameters", a)
	}
	// Mixtral of Experts, section 2.1: 13 B active.
	m, _ = Model("mixtral-8x7b")
	if a := m.ActiveParameters(); math.Abs(a/12.9e9-1) > 0.01 {
		t.Errorf("mixtral-8x7b: %g active parameters", a)
	}
	// DeepSeek-V3, section 1: 37 B of 671 B active.
	m, _ = Model("deepseek-v3")
	if a := m.ActiveParameters(); math.Abs(a/37e9-1) > 0.02 {
		t.Errorf("deepseek-v3: %g active parameters", a)
	}
	// A latent of 512 and a rotary key of 64, in 61 layers of bf16.
	if kv := m.KVBytesPerToken(datasets.BF16); kv != 61*(512+64)*2 {
		t.Errorf("deepseek-v3: %g bytes of KV a token", kv)
	}
	if _, err := Model("gpt-5"); err == nil || !strings.Contains(err.Error(), `unknown model "gpt-5": use one of gpt-3-175b, `) {
		t.Errorf("unknown model: %v", err)
	}
}

func TestModelsAreWhole(t *testing.T) {
	kinds := map[string]bool{}
	for _, m := range Models() {
		if err := m.Validate(); err != nil {
			t.Error(err)
		}
		if m.Source == "" {
			t.Errorf("%s has no source", m.ID)
		}
		layer := m.DecodeLayer(datasets.BF16, 8, 1024, 8, 8)
		if !strings.HasPrefix(m.ID, "host-") {
			if err := layer.Validate(); err != nil {
				t.Errorf("%s: %v", m.ID, err)
			}
			continue
		}
		if mb := m.LayerWeights() * 4 / 1e6; mb < 20 || mb > 80 {
			t.Errorf("%s: a layer has %.0f MB of weights in fp32", m.ID, mb)
		}
		switch m.KVHeads {
		case m.Heads:
			kinds["mha"] = true
		case 1:
			kinds["mqa"] = true
		default:
			kinds["gqa"] = true
		}
	}
	if len(kinds) != 3 {
		t.Errorf("host models cover only %v", kinds)
	}
}

func TestEmbeddedCalibrationsAreReadable(t *testing.T) {
	found, err := readCalibrations(calibrationFiles)
	if err != nil {
		t.Error(err)
	}
	for id := range found {
		if d, err := Lookup(id); err != nil || d.Calibration == nil || d.Calibration.Device != id {
			t.Errorf("calibration of %s is not attached: %v", id, err)
		}
	}
}

// The nearest first: the same architecture, then by generation.
func TestRelatives(t *testing.T) {
	for id, want := range map[string][]string{"h200-sxm": {"h100-sxm", "a100-sxm-80", "l40s"}, "a100-pcie-80": {"a100-sxm-80", "l40s", "h100-sxm"},
		"h100-sxm": {"a100-sxm-80", "l40s"}} {
		d, err := Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range Relatives(d) {
			got = append(got, c.Device)
		}
		if !slices.Equal(got, want) {
			t.Errorf("relatives of %s: %v, want %v", id, got, want)
		}
	}
	if c := Relatives(datasets.Device{ID: "host", Kind: "cpu", Arch: "x86-64"}); c != nil {
		t.Errorf("a CPU has relatives: %v", c[0].Device)
	}
}

// A partial file says what differs, in plain numbers; it lives in the user's folder
// as well, under its file's name.
func TestPartialDevice(t *testing.T) {
	t.Setenv("BENCH_CATALOG", t.TempDir())
	dir := filepath.Join(UserFolder(), "devices")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := `{"like": "h100-sxm", "memory_gib": 96, "memory_bandwidth_bytes_per_s": 3.9e12, "peak_flop_per_s": {"bf16": 9e14, "fp64": 0}, "source": "a letter"}`
	if err := os.WriteFile(filepath.Join(dir, "odd.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := LookupOrLoad("odd")
	if err != nil {
		t.Fatal(err)
	}
	bandwidth := datasets.Figure{Value: 3.9e12, Origin: datasets.Datasheet, Source: "a letter"}
	_, fp64 := d.PeakFLOPs[datasets.FP64]
	if d.ID != "odd" || d.MemoryBytes.Value != 96<<30 || d.MemoryBandwidth != bandwidth || d.PeakFLOPs[datasets.BF16].Value != 9e14 ||
		fp64 || d.PeakFLOPs[datasets.FP8].Value != 1978.9e12 || d.Cache(2).SizeBytes.Value != 50<<20 || d.Calibration != nil {
		t.Errorf("%+v", d)
	}
	if _, err := Lookup("none"); err == nil || !strings.Contains(err.Error(), "use one of odd, ") {
		t.Error(err)
	}
}

func TestSystems(t *testing.T) {
	for _, s := range Systems() {
		if err := s.Validate(); err != nil || s.Source == "" || len(s.Devices) == 0 {
			t.Errorf("%s: %v", s.ID, err)
		}
		for _, id := range s.Devices {
			if _, err := Lookup(id); err != nil {
				t.Error(err)
			}
		}
	}
	d, _ := Lookup("a100-sxm-80")
	s, err := SystemOrLoad("p4de.24xlarge")
	if s.Apply(&d); err != nil || d.NetworkBandwidth.Value != 6.25e9 || d.NetworkCardBandwidth.Value != 12.5e9 || d.NodeSize != 8 {
		t.Errorf("%+v, %v", d, err)
	}
}
