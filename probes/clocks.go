package probes

import (
	"errors"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// LockClocks holds the SM clock of the GPUs of these UUIDs at hz, which NVML
// rounds to a step that the GPU has. restore lets them go again and may be called
// more than once. It needs the right to administer the
// GPUs; where one refuses, those that were locked are let go.
func LockClocks(uuids []string, hz float64) (restore func() error, err error) {
	return lockClocks(nvml.New(), uuids, hz)
}

// UnlockClocks lets the SM clocks go, whoever locked them.
func UnlockClocks(uuids []string) error { return unlockClocks(nvml.New(), uuids) }

func lockClocks(lib nvml.Interface, uuids []string, hz float64) (restore func() error, err error) {
	if err := initNVML(lib); err != nil {
		return nil, err
	}
	defer lib.Shutdown()
	mhz := uint32(hz/1e6 + 0.5)
	for i, id := range uuids {
		d, ret := lib.DeviceGetHandleByUUID(id)
		if ret == nvml.SUCCESS {
			ret = d.SetGpuLockedClocks(mhz, mhz)
		}
		if ret == nvml.SUCCESS {
			continue
		}
		err := fmt.Errorf("the clock of GPU %s cannot be locked: %s", id, ret.Error())
		if ret == nvml.ERROR_NO_PERMISSION {
			err = fmt.Errorf("the clock of GPU %s cannot be locked without administrator's rights: run as root, or leave --lock-clocks away", id)
		}
		return nil, errors.Join(err, unlockClocks(lib, uuids[:i]))
	}
	return func() error { return unlockClocks(lib, uuids) }, nil
}

func unlockClocks(lib nvml.Interface, uuids []string) error {
	if len(uuids) == 0 {
		return nil
	}
	if err := initNVML(lib); err != nil {
		return err
	}
	defer lib.Shutdown()
	var errs []error
	for _, id := range uuids {
		d, ret := lib.DeviceGetHandleByUUID(id)
		if ret == nvml.SUCCESS {
			ret = d.ResetGpuLockedClocks()
		}
		if ret != nvml.SUCCESS {
			errs = append(errs, fmt.Errorf("the clock of GPU %s stays locked: %s; nvidia-smi --reset-gpu-clocks lets it go", id, ret.Error()))
		}
	}
	return errors.Join(errs...)
}
