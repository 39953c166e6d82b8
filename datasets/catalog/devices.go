package catalog

import "bench/datasets"

// The vendor's documents.
const (
	a100Sheet  = "NVIDIA A100 Tensor Core GPU datasheet (2188504, June 2021)"
	a100Paper  = "NVIDIA A100 Tensor Core GPU Architecture whitepaper v1.0 (2020), table 5"
	h100Sheet  = "NVIDIA H100 Tensor Core GPU datasheet (2287922, 2022)"
	h100Paper  = "NVIDIA H100 Tensor Core GPU Architecture whitepaper v1.04 (2023), table 3"
	h100Brief  = "NVIDIA H100 PCIe GPU product brief PB-11133-001 (2022)"
	h200Sheet  = "NVIDIA H200 Tensor Core GPU datasheet (2023)"
	dgxA100    = "NVIDIA DGX A100 User Guide (DU-09821-001)"
	dgxH100    = "NVIDIA DGX H100/H200 User Guide (DU-11111-001)"
	ampereTune = "NVIDIA Ampere GPU Architecture Tuning Guide, section 1.4.2"
	hopperTune = "NVIDIA Hopper Tuning Guide, section 1.4.2"
	// Vendors print memory in GB and mean 2³⁰ bytes: nvidia-smi shows 40960,
	// 81920, 81559 and 143771 MiB for 40, 80, 80 and 141 GB.
	binaryGB = "; GB of 2^30 bytes, as nvidia-smi shows to within 1 %"
	oneWay   = "; half of the printed total of both directions"
)

const (
	gib = 1 << 30
	mib = 1 << 20
	kib = 1 << 10
)

func figure(value float64, source string) datasets.Figure {
	return datasets.Figure{Value: value, Origin: datasets.Datasheet, Source: source}
}

// peaks pairs dense tensor-core FLOP/s with one document.
func peaks(source string, flops map[datasets.DType]float64) map[datasets.DType]datasets.Figure {
	m := make(map[datasets.DType]datasets.Figure, len(flops))
	for t, v := range flops {
		m[t] = figure(v, source)
	}
	return m
}

// devices lists the catalogue in the order in which it is shown.
func devices() []datasets.Device {
	return []datasets.Device{
		a100("a100-sxm-40", "NVIDIA A100-SXM4-40GB"),
		a100("a100-sxm-80", "NVIDIA A100-SXM4-80GB"),
		a100("a100-pcie-80", "NVIDIA A100 80GB PCIe"),
		h100SXM(),
		h100PCIe(),
		h200SXM(),
	}
}

func a100(id, name string) datasets.Device {
	d := datasets.Device{
		ID: id, Name: name, Vendor: "NVIDIA", Arch: "sm_80", Kind: "gpu",
		Units:   108,
		ClockHz: figure(1.41e9, a100Paper+": boost clock"),
		PeakFLOPs: peaks(a100Sheet+": dense, tensor cores; FP32 outside them", map[datasets.DType]float64{
			datasets.FP64: 19.5e12, datasets.FP32: 19.5e12, datasets.TF32: 156e12,
			datasets.BF16: 312e12, datasets.FP16: 312e12, datasets.INT8: 624e12,
			datasets.INT4: 1248e12,
		}),
		VectorFLOPs: figure(19.5e12, a100Sheet+": FP32"),
		Caches: []datasets.CacheLevel{
			{Level: 1, SizeBytes: figure(192*kib, ampereTune+": L1 and shared memory of an SM together"), LineBytes: 128, SharedBy: 1},
			{Level: 2, SizeBytes: figure(40*mib, a100Paper+": L2, 40960 KB"), LineBytes: 128, SharedBy: 108},
		},
		LinkBandwidth: figure(300e9, a100Sheet+": NVLink 600 GB/s"+oneWay),
		PCIeBandwidth: figure(32e9, a100Sheet+": PCIe Gen4 64 GB/s"+oneWay),
		NodeSize:      8,
		TDPWatt:       figure(400, a100Sheet),
	}
	network := figure(25e9, dgxA100+": one 200 Gb/s ConnectX-6 port a GPU")
	switch id {
	case "a100-sxm-40":
		d.MemoryBytes = figure(40*gib, a100Paper+": 40 GB HBM2"+binaryGB)
		d.MemoryBandwidth = figure(1.555e12, a100Paper+": 1555 GB/s")
		d.NetworkBandwidth = network
	case "a100-sxm-80":
		d.MemoryBytes = figure(80*gib, a100Sheet+": 80 GB HBM2e"+binaryGB)
		d.MemoryBandwidth = figure(2.039e12, a100Sheet+": 2,039 GB/s")
		d.NetworkBandwidth = network
	case "a100-pcie-80":
		d.MemoryBytes = figure(80*gib, a100Sheet+": 80 GB HBM2e"+binaryGB)
		d.MemoryBandwidth = figure(1.935e12, a100Sheet+": 1,935 GB/s")
		d.LinkBandwidth.Source = a100Sheet + ": NVLink bridge for 2 GPUs, 600 GB/s" + oneWay
		d.NodeSize = 2
		d.TDPWatt = figure(300, a100Sheet)
	}
	return d
}

func h100SXM() datasets.Device {
	return datasets.Device{
		ID: "h100-sxm", Name: "NVIDIA H100 80GB HBM3", Vendor: "NVIDIA", Arch: "sm_90", Kind: "gpu",
		Units:   132,
		ClockHz: figure(1.83e9, h100Paper+": boost clock of tensor core operations; 1980 MHz for FP64 and outside them"),
		PeakFLOPs: peaks(h100Paper+": dense, tensor cores; FP32 outside them", map[datasets.DType]float64{
			datasets.FP64: 66.9e12, datasets.FP32: 66.9e12, datasets.TF32: 494.7e12,
			datasets.BF16: 989.4e12, datasets.FP16: 989.4e12, datasets.FP8: 1978.9e12,
			datasets.INT8: 1978.9e12,
		}),
		VectorFLOPs:     figure(66.9e12, h100Paper+": FP32"),
		MemoryBytes:     figure(80*gib, h100Sheet+": 80 GB HBM3"+binaryGB),
		MemoryBandwidth: figure(3.35e12, h100Sheet+": 3.35 TB/s"),
		Caches:          hopperCaches(132, h100Paper+": L2, 50 MB"),
		LinkBandwidth:   figure(450e9, h100Sheet+": NVLink 900 GB/s"+oneWay),
		// NVLink SHARP came with the third-generation NVSwitch of this board.
		SwitchReduces:    true,
		PCIeBandwidth:    figure(64e9, h100Sheet+": PCIe Gen5 128 GB/s"+oneWay),
		NetworkBandwidth: figure(50e9, dgxH100+": one 400 Gb/s ConnectX-7 port a GPU"),
		NodeSize:         8,
		TDPWatt:          figure(700, h100Sheet),
	}
}

func h100PCIe() datasets.Device {
	return datasets.Device{
		ID: "h100-pcie", Name: "NVIDIA H100 PCIe", Vendor: "NVIDIA", Arch: "sm_90", Kind: "gpu",
		Units:   114,
		ClockHz: figure(1.62e9, h100Paper+": boost clock of tensor core operations; 1755 MHz for FP64 and outside them"),
		PeakFLOPs: peaks(h100Paper+": dense, tensor cores; FP32 outside them", map[datasets.DType]float64{
			datasets.FP64: 51.2e12, datasets.FP32: 51.2e12, datasets.TF32: 378e12,
			datasets.BF16: 756e12, datasets.FP16: 756e12, datasets.FP8: 1513e12,
			datasets.INT8: 1513e12,
		}),
		VectorFLOPs:     figure(51.2e12, h100Paper+": FP32"),
		MemoryBytes:     figure(80*gib, h100Brief+": 80 GB HBM2e"+binaryGB),
		MemoryBandwidth: figure(2.039e12, h100Brief+": 5120 bits at 1593 MHz, double data rate"),
		Caches:          hopperCaches(114, h100Paper+": L2, 50 MB"),
		LinkBandwidth:   figure(300e9, h100Sheet+": NVLink bridge for 2 GPUs, 600 GB/s"+oneWay),
		PCIeBandwidth:   figure(64e9, h100Sheet+": PCIe Gen5 128 GB/s"+oneWay),
		NodeSize:        2,
		TDPWatt:         figure(350, h100Brief),
	}
}

// h200SXM is the GH100 of h100SXM with other memory: its datasheet prints the
// same dense peaks, rounded, so the whitepaper's are kept.
func h200SXM() datasets.Device {
	d := h100SXM()
	d.ID, d.Name = "h200-sxm", "NVIDIA H200"
	d.MemoryBytes = figure(141*gib, h200Sheet+": 141 GB HBM3e"+binaryGB)
	d.MemoryBandwidth = figure(4.8e12, h200Sheet+": 4.8 TB/s")
	d.Caches = hopperCaches(132, h100Paper+": L2, 50 MB of the H100; the H200 datasheet prints none")
	d.LinkBandwidth = figure(450e9, h200Sheet+": NVLink 900 GB/s"+oneWay)
	d.PCIeBandwidth = figure(64e9, h200Sheet+": PCIe Gen5 128 GB/s"+oneWay)
	d.TDPWatt = figure(700, h200Sheet)
	return d
}

func hopperCaches(sms int, l2 string) []datasets.CacheLevel {
	return []datasets.CacheLevel{
		{Level: 1, SizeBytes: figure(256*kib, hopperTune+": L1 and shared memory of an SM together"), LineBytes: 128, SharedBy: 1},
		{Level: 2, SizeBytes: figure(50*mib, l2), LineBytes: 128, SharedBy: sms},
	}
}
