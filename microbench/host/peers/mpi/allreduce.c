/* allreduce_mpi: the MPI library's all-reduce of fp32 sums on this machine, for
   comparison with ours. Arguments: sizes in bytes. For each it prints the size
   and the seconds of one all-reduce: the mean of a batch of some 50 ms on rank
   0, which begins and ends with a barrier. Built by BenchmarkPeerAllReduce. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double batch(float *in, float *out, int count, long n)
{
	MPI_Barrier(MPI_COMM_WORLD);
	double begin = MPI_Wtime();
	for (long i = 0; i < n; i++)
		MPI_Allreduce(in, out, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
	MPI_Barrier(MPI_COMM_WORLD);
	return MPI_Wtime() - begin;
}

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	int rank;
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	for (int a = 1; a < argc; a++) {
		long bytes = atol(argv[a]);
		float *in = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096), *out = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
		memset(in, 0, bytes);
		memset(out, 0, bytes);
		batch(in, out, bytes / 4, 2);
		double once = batch(in, out, bytes / 4, 3) / 3;
		long n = once > 0 ? 0.05 / once + 1 : 1;
		MPI_Bcast(&n, 1, MPI_LONG, 0, MPI_COMM_WORLD);
		double seconds = batch(in, out, bytes / 4, n) / n;
		if (rank == 0)
			printf("%ld %.9f\n", bytes, seconds);
		free(in);
		free(out);
	}
	MPI_Finalize();
	return 0;
}
