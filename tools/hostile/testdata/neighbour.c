/* neighbour.c: somebody else's process, for at most three minutes.
     spin ON OFF       computes for ON ms and sleeps for OFF ms
     stream            copies 256 MiB to and fro
     fill FREE         takes memory until FREE MiB are available, and keeps to that
     timers            six threads that sleep for 20 us each time
     sync FILE         writes 64 MiB of a file and syncs it, again and again
   It says "ready" once it is at work. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static void pause_for(long ns)
{
	struct timespec t = {ns / 1000000000, ns % 1000000000};
	nanosleep(&t, NULL);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static long available_mib(void)
{
	char line[128];
	long kib = 0;
	FILE *f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "MemAvailable: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib / 1024;
}

static void ready(void) { puts("ready"), fflush(stdout); }

static void fill(long keep)
{
	const size_t step = 32 << 20;
	static char *taken[4096];
	int n = 0, said = 0;
	for (;;) {
		long left = available_mib();
		if (left > keep + 64 && n < 4096) {
			char *p = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (p == MAP_FAILED)
				exit(1);
			memset(p, 1, step);
			taken[n++] = p;
			continue;
		}
		if (left < keep - 128 && n > 0)
			munmap(taken[--n], step);
		if (!said++)
			ready();
		pause_for(5000000);
	}
}

static void *sleeper(void *p)
{
	for (;;)
		pause_for(20000);
	return p;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	/* The kernel takes this process first, should memory run out. */
	FILE *f = fopen("/proc/self/oom_score_adj", "w");
	if (!f || fputs("1000", f) < 0 || fclose(f))
		return 1;
	alarm(180);
	if (!strcmp(argv[1], "spin") && argc == 4) {
		double on = atof(argv[2]) * 1e-3;
		long off = (long)(atof(argv[3]) * 1e6);
		for (ready();; off ? pause_for(off) : (void)0)
			for (double end = now() + on; now() < end;)
				;
	}
	if (!strcmp(argv[1], "stream")) {
		const size_t half = 128 << 20;
		char *p = malloc(2 * half);
		if (!p)
			return 1;
		memset(p, 1, 2 * half);
		for (ready();;)
			memcpy(p, p + half, half), memcpy(p + half, p, half);
	}
	if (!strcmp(argv[1], "fill") && argc == 3)
		fill(atol(argv[2]));
	if (!strcmp(argv[1], "timers")) {
		pthread_t t;
		for (int i = 0; i < 5; i++)
			pthread_create(&t, NULL, sleeper, NULL);
		ready();
		sleeper(NULL);
	}
	if (!strcmp(argv[1], "sync") && argc == 3) {
		static char block[1 << 20];
		for (int said = 0;;) {
			int fd = open(argv[2], O_CREAT | O_WRONLY | O_TRUNC, 0600);
			if (fd < 0)
				return 1;
			for (int i = 0; i < 64; i++)
				if (write(fd, block, sizeof block) < 0)
					return 1;
			if (!said++)
				ready();
			fsync(fd);
			close(fd);
		}
	}
	return 2;
}
