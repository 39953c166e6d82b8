package probes

import (
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

// mockNode is go-nvml's DGX H100 in good health. The mock knows names and
// memory; what it leaves open is filled in here.
func mockNode() *server.Server {
	lib := dgxh100.New()
	lib.EventSetCreateFunc = func() (nvml.EventSet, nvml.Return) { return nil, nvml.ERROR_NOT_SUPPORTED }
	for _, d := range lib.Devices {
		d := d.(*server.Device)
		d.GetClockInfoFunc = func(c nvml.ClockType) (uint32, nvml.Return) {
			if c == nvml.CLOCK_MEM {
				return 2619, nvml.SUCCESS
			}
			return 1980, nvml.SUCCESS
		}
		d.GetMaxClockInfoFunc = d.GetClockInfoFunc
		d.GetPowerUsageFunc = func() (uint32, nvml.Return) { return 400_000, nvml.SUCCESS }
		d.GetEnforcedPowerLimitFunc = func() (uint32, nvml.Return) { return 700_000, nvml.SUCCESS }
		d.GetTemperatureFunc = func(nvml.TemperatureSensors) (uint32, nvml.Return) { return 40, nvml.SUCCESS }
		d.GetCurrentClocksEventReasonsFunc = func() (uint64, nvml.Return) { return 0, nvml.SUCCESS }
		d.GetEccModeFunc = func() (nvml.EnableState, nvml.EnableState, nvml.Return) {
			return nvml.FEATURE_ENABLED, nvml.FEATURE_ENABLED, nvml.SUCCESS
		}
		d.GetTotalEccErrorsFunc = func(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) { return 0, nvml.SUCCESS }
		d.GetNvLinkStateFunc = linksUp(18)
		d.GetNvLinkRemoteDeviceTypeFunc = func(int) (nvml.IntNvLinkDeviceType, nvml.Return) {
			return nvml.NVLINK_DEVICE_TYPE_SWITCH, nvml.SUCCESS
		}
		d.GetNvLinkErrorCounterFunc = func(int, nvml.NvLinkErrorCounter) (uint64, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
		d.GetP2PStatusFunc = func(nvml.Device, nvml.GpuP2PCapsIndex) (nvml.GpuP2PStatus, nvml.Return) {
			return nvml.P2P_STATUS_OK, nvml.SUCCESS
		}
		d.GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 0, 0, false, false, nvml.SUCCESS }
		d.GetPcieReplayCounterFunc = func() (int, nvml.Return) { return 7, nvml.SUCCESS }
		d.GetPersistenceModeFunc = func() (nvml.EnableState, nvml.Return) { return nvml.FEATURE_ENABLED, nvml.SUCCESS }
		d.GetComputeRunningProcessesFunc = func() ([]nvml.ProcessInfo, nvml.Return) { return nil, nvml.SUCCESS }
	}
	return lib
}

// linksUp is n links of the 18 that the chip has.
func linksUp(n int) func(int) (nvml.EnableState, nvml.Return) {
	return func(link int) (nvml.EnableState, nvml.Return) {
		if link >= 18 {
			return 0, nvml.ERROR_INVALID_ARGUMENT
		}
		if link < n {
			return nvml.FEATURE_ENABLED, nvml.SUCCESS
		}
		return nvml.FEATURE_DISABLED, nvml.SUCCESS
	}
}

func uuids(lib *server.Server) (out []string) {
	for _, d := range lib.Devices {
		out = append(out, d.(*server.Device).UUID)
	}
	return out
}

func TestAWholeNodeHasNoShortfall(t *testing.T) {
	got, err := ReadGPUs(mockNode())
	if err != nil {
		t.Fatal(err)
	}
	if s := got.Shortfalls(); s != nil {
		t.Errorf("a whole node lacks %q", s)
	}
	if c := got.Devices[0].Concerns(); c != nil {
		t.Errorf("a healthy GPU gives concerns: %q", c)
	}
}

func TestShortfallsAreNamed(t *testing.T) {
	lib := mockNode()
	lib.Devices = lib.Devices[:7]
	lib.DeviceGetCountFunc = func() (int, nvml.Return) { return 7, nvml.SUCCESS }
	lib.Devices[2].(*server.Device).GetNvLinkStateFunc = linksUp(16)
	lib.Devices[0].(*server.Device).GetP2PStatusFunc = func(other nvml.Device, _ nvml.GpuP2PCapsIndex) (nvml.GpuP2PStatus, nvml.Return) {
		if other == lib.Devices[5] {
			return nvml.P2P_STATUS_DISABLED_BY_REGKEY, nvml.SUCCESS
		}
		return nvml.P2P_STATUS_OK, nvml.SUCCESS
	}
	got, err := ReadGPUs(lib)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"7 NVIDIA H100 80GB HBM3 are here, and its board has 8: 1 are missing, or hidden from this process",
		"GPU 2 (" + uuids(lib)[2] + ") has 16 of 18 NVLinks up: its share of an all-reduce falls to 89 %",
		"GPUs 0 and 5 cannot reach each other over NVLink: disabled by the driver's settings",
	}
	if s := got.Shortfalls(); !slices.Equal(s, want) {
		t.Errorf("got  %q\nwant %q", s, want)
	}
}

// A driver older than R535 lacks the newer name of the call.
func TestOldDriversAreAskedByTheOldName(t *testing.T) {
	lib := mockNode()
	lib.LookupSymbolFunc = func(s string) error {
		if s == "nvmlDeviceGetCurrentClocksEventReasons" {
			return nvml.ERROR_FUNCTION_NOT_FOUND
		}
		return nil
	}
	for _, d := range lib.Devices {
		d := d.(*server.Device)
		d.GetCurrentClocksEventReasonsFunc = nil
		d.GetCurrentClocksThrottleReasonsFunc = func() (uint64, nvml.Return) { return nvml.ClocksThrottleReasonHwSlowdown, nvml.SUCCESS }
	}
	got, err := ReadGPUs(lib)
	if err != nil {
		t.Fatal(err)
	}
	if r := got.Devices[3].ClockReasons.Value; !slices.Equal(r, []string{"hardware slowdown"}) {
		t.Errorf("got %q", r)
	}
}

// The second GPU slows down, heats up, replays and falls from the bus; a
// stranger's process shares the first.
func TestGPUWatch(t *testing.T) {
	lib := mockNode()
	first, second := lib.Devices[0].(*server.Device), lib.Devices[1].(*server.Device)
	var sick atomic.Bool
	second.GetClockInfoFunc = func(c nvml.ClockType) (uint32, nvml.Return) {
		if sick.Load() {
			return 990, nvml.SUCCESS
		}
		return 1980, nvml.SUCCESS
	}
	second.GetCurrentClocksEventReasonsFunc = func() (uint64, nvml.Return) {
		if sick.Load() {
			return nvml.ClocksThrottleReasonHwThermalSlowdown | nvml.ClocksEventReasonSwPowerCap, nvml.SUCCESS
		}
		return nvml.ClocksEventReasonGpuIdle, nvml.SUCCESS
	}
	second.GetTemperatureFunc = func(nvml.TemperatureSensors) (uint32, nvml.Return) { return 91, nvml.SUCCESS }
	second.GetPcieReplayCounterFunc = func() (int, nvml.Return) {
		if sick.Load() {
			return 10, nvml.SUCCESS
		}
		return 7, nvml.SUCCESS
	}
	first.GetComputeRunningProcessesFunc = func() ([]nvml.ProcessInfo, nvml.Return) {
		return []nvml.ProcessInfo{{Pid: 1}, {Pid: uint32(os.Getpid())}}, nvml.SUCCESS // init is no child of ours
	}
	var xid atomic.Bool
	set := &mock.EventSet{
		WaitFunc: func(uint32) (nvml.EventData, nvml.Return) {
			if xid.CompareAndSwap(true, false) {
				return nvml.EventData{EventType: nvml.EventTypeXidCriticalError, EventData: 79}, nvml.SUCCESS
			}
			return nvml.EventData{}, nvml.ERROR_TIMEOUT
		},
		FreeFunc: func() nvml.Return { return nvml.SUCCESS },
	}
	lib.EventSetCreateFunc = func() (nvml.EventSet, nvml.Return) { return set, nvml.SUCCESS }
	for _, d := range lib.Devices {
		d.(*server.Device).RegisterEventsFunc = func(uint64, nvml.EventSet) nvml.Return { return nvml.SUCCESS }
	}

	w, err := WatchGPUs(lib, uuids(lib)[:2])
	if err != nil {
		t.Fatal(err)
	}
	sick.Store(true)
	xid.Store(true)
	time.Sleep(2 * gpuPeriod)
	got := w.End()
	if got.Samples < 2 || got.MinClockHz != 990e6 || got.ClockHz >= 1980e6 || got.ClockHz < 990e6 || got.TemperatureC != 91 ||
		got.PowerWatt != 400 || got.PCIeReplays != 3 || got.OtherProcesses != 1 || !slices.Equal(got.Xids, []uint64{79}) {
		t.Errorf("got %+v", got)
	}
	if !slices.Equal(got.ClockReasons, []string{"power cap", "hardware thermal slowdown"}) ||
		!slices.Equal(got.Throttled(), []string{"hardware thermal slowdown"}) || got.HeldRatio <= 0 || got.HeldRatio > 0.5 {
		t.Errorf("reasons %q, throttled %q in %.2f of the readings", got.ClockReasons, got.Throttled(), got.HeldRatio)
	}
}

func TestALostGPUIsNamed(t *testing.T) {
	lib := mockNode()
	var lost atomic.Bool
	lib.Devices[3].(*server.Device).GetClockInfoFunc = func(nvml.ClockType) (uint32, nvml.Return) {
		if lost.Load() {
			return 0, nvml.ERROR_GPU_IS_LOST
		}
		return 1980, nvml.SUCCESS
	}
	w, err := WatchGPUs(lib, uuids(lib)[3:4])
	if err != nil {
		t.Fatal(err)
	}
	lost.Store(true)
	if got := w.End(); !strings.Contains(got.Lost, uuids(lib)[3]) || got.ClockHz != 1980e6 {
		t.Errorf("got %+v", got)
	}
	if _, err := WatchGPUs(lib, []string{"GPU-nobody"}); err == nil || !strings.Contains(err.Error(), "GPU-nobody") {
		t.Errorf("an unknown UUID gives %v", err)
	}
}

func TestLockClocks(t *testing.T) {
	lib := mockNode()
	locked := map[string]uint32{}
	for _, d := range lib.Devices {
		d := d.(*server.Device)
		d.SetGpuLockedClocksFunc = func(low, high uint32) nvml.Return {
			locked[d.UUID] = high
			return nvml.SUCCESS
		}
		d.ResetGpuLockedClocksFunc = func() nvml.Return {
			delete(locked, d.UUID)
			return nvml.SUCCESS
		}
	}
	ids := uuids(lib)
	restore, err := lockClocks(lib, ids[:2], 1.41e9)
	if err != nil || locked[ids[0]] != 1410 || locked[ids[1]] != 1410 || len(locked) != 2 {
		t.Fatalf("locked %v, %v", locked, err)
	}
	for range 2 {
		if err := restore(); err != nil || len(locked) != 0 {
			t.Errorf("after restoring: %v, %v", locked, err)
		}
	}
	lib.Devices[1].(*server.Device).SetGpuLockedClocksFunc = func(uint32, uint32) nvml.Return { return nvml.ERROR_NO_PERMISSION }
	if _, err := lockClocks(lib, ids, 1.41e9); err == nil || !strings.Contains(err.Error(), "run as root") || len(locked) != 0 {
		t.Errorf("a refusal gives %v and leaves %v locked", err, locked)
	}
}
