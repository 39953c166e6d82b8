// spin.cu: holds a stream until the host has put a batch on it.
#include "device.cuh"

// One thread waits until *host_flag, in pinned host memory, is not 0. After
// max_ns it gives up and says so: the host may have died, or its launches may
// block behind this one.
KERNEL void bench_spin(volatile unsigned *host_flag, unsigned long long max_ns, unsigned *gave_up)
{
	const unsigned long long start = globaltimer();
	while (ld_volatile(host_flag) == 0) {
		if (globaltimer() - start > max_ns) {
			*gave_up = 1;
			__threadfence_system();
			return;
		}
		__nanosleep(200);
	}
}
EXPORT(bench_spin)
