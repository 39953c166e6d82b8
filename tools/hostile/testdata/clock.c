/* clock.c, preloaded: the clocks that C sees are not the machine's. Go reads its
   own without the C library. HOSTILE_CLOCK is one of
     rate F      CLOCK_MONOTONIC_RAW runs F times as fast
     steps S     it steps by S seconds, each second
     days D      CLOCK_REALTIME is D days ahead in every other second */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ts)
{
	static const char *mode;
	static double by;
	if (!mode) {
		const char *s = getenv("HOSTILE_CLOCK");
		by = s && strchr(s, ' ') ? atof(strchr(s, ' ')) : 0;
		mode = s ? s : "";
	}
	int e = (int)syscall(SYS_clock_gettime, id, ts);
	long long ns = ts->tv_sec * 1000000000LL + ts->tv_nsec;
	if (e)
		return e;
	if (id == CLOCK_MONOTONIC_RAW && !strncmp(mode, "rate", 4))
		ns = (long long)(ns * by);
	else if (id == CLOCK_MONOTONIC_RAW && !strncmp(mode, "steps", 5))
		/* a beginning far enough on for steps back */
		ns += 1000000000000000LL + (long long)(1e9 * by) * ts->tv_sec;
	else if (id == CLOCK_REALTIME && !strncmp(mode, "days", 4) && ts->tv_sec % 2)
		ns += (long long)(86400e9 * by);
	ts->tv_sec = ns / 1000000000, ts->tv_nsec = ns % 1000000000;
	return 0;
}

time_t time(time_t *t)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (t)
		*t = ts.tv_sec;
	return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec, tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
