/* A stand-in for libnvidia-ml with one GPU, which writes down when its clock is
   locked and let go. What it does not know is "not supported" (3). */
#include <stdio.h>
#include <string.h>

#define NO(name) int name(void) { return 3; }

static void note(const char *what, unsigned mhz)
{
	FILE *f = fopen(JOURNAL, "a");
	fprintf(f, "%s %u\n", what, mhz);
	fclose(f);
}

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int r) { return r == 3 ? "not supported" : "error"; }
int nvmlSystemGetDriverVersion(char *s, unsigned n) { snprintf(s, n, "550.00"); return 0; }
int nvmlSystemGetNVMLVersion(char *s, unsigned n) { snprintf(s, n, "12.550"); return 0; }
int nvmlSystemGetCudaDriverVersion(int *v) { *v = 12040; return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 0; return 0; } /* bench devices is not what is tried here */
int nvmlDeviceGetHandleByUUID(const char *uuid, void **d) { *d = (void *)1; return strncmp(uuid, "GPU-", 4) ? 6 : 0; }
int nvmlDeviceSetGpuLockedClocks(void *d, unsigned low, unsigned high) { (void)d; note("lock", low == high ? low : 0); return 0; }
int nvmlDeviceResetGpuLockedClocks(void *d) { (void)d; note("reset", 0); return 0; }
NO(nvmlDeviceGetClockInfo)
NO(nvmlDeviceGetPowerUsage)
NO(nvmlDeviceGetTemperature)
NO(nvmlDeviceGetCurrentClocksEventReasons)
NO(nvmlDeviceGetComputeRunningProcesses)
NO(nvmlDeviceGetComputeRunningProcesses_v3)
NO(nvmlDeviceGetTotalEccErrors)
NO(nvmlDeviceGetRemappedRows)
NO(nvmlDeviceGetPcieReplayCounter)
NO(nvmlDeviceGetNvLinkErrorCounter)
NO(nvmlEventSetCreate)
