/* vector.h: what a transformer layer is made of, on the vectors of one
   instruction set. */
#ifndef BENCH_VECTOR_H
#define BENCH_VECTOR_H

/* A weight matrix of n × k (output × input) lies in panels of PANEL outputs:
   weight (o, i) is at panel[o / PANEL][i][o % PANEL], so that a product of any
   number of rows streams through it once, front to back. The last panel is
   filled up with zeros. Keys lie the same way (outputs are positions, inputs
   the head's dimensions), and so do values (outputs are dimensions, inputs
   positions). */
#define PANEL 16

static inline long panels_of(long outputs) { return (outputs + PANEL - 1) / PANEL; }

/* panel_index is where weight (output, input) of a matrix with k inputs lies. */
static inline long panel_index(long output, long input, long k)
{
	return (output / PANEL * k + input) * PANEL + output % PANEL;
}

enum { WEIGHT_F32, WEIGHT_BF16 };

/* One instruction set's functions. Rows are fp32; weights are of either type. */
typedef struct {
	/* product gives y = x·Wᵀ, or adds it to y: m rows of k inputs each against
	   `panels` panels that lie `stride` weights apart. Rows of x are ldx apart,
	   of y ldy, and y takes whole panels. Indexed by WEIGHT_. */
	void (*product[2])(long m, const float *x, long ldx, const void *w, long stride, long k, long panels,
	                   float *y, long ldy, int add);
	/* y = gain · x / sqrt(mean(x²) + 1e-5), element by element (Zhang and
	   Sennrich, "Root Mean Square Layer Normalization", 2019, equation 4). */
	void (*rms_norm)(long n, const float *x, const float *gain, float *y);
	/* gate = gate · sigmoid(gate) · up (Shazeer, "GLU Variants Improve
	   Transformer", 2020). */
	void (*silu_mul)(long n, float *gate, const float *up);
	/* x = GELU(x) by its tanh form (Hendrycks and Gimpel, 2016, section 2). */
	void (*gelu)(long n, float *x);
	/* One block of a softmax that sees its scores in parts (Milakov and
	   Gimelshein, "Online normalizer calculation for softmax", 2018, algorithm
	   3): scores of n positions become exp(score − max), max and sum are brought
	   up to date, and the result is the factor for what was summed before. */
	float (*softmax_part)(long n, float *scores, float *max, float *sum);
	/* y = f · y and y = y + f · x. */
	void (*scale)(long n, float f, float *y);
	void (*add_scaled)(long n, float f, const float *x, float *y);
} vector_ops;

const vector_ops *vector_ops_of(int isa);

#endif
