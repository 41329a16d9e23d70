/*
 * tests/unit/test_nn_bilstm.c
 *	  The bidirectional LSTM against its naive twin on many shapes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"
#include "twins/nn_conv.h"

#include "core/nn/bilstm.h"
#include "core/nn/tensor.h"

/* n numbers in [-scale, scale), as elements of the precision hold them; the caller frees. */
static float *
make_noise(size_t n, float scale, SpPrecision precision)
{
	float *x = calloc(n, sizeof(float));

	if (x == NULL)
		abort();
	for (size_t i = 0; i < n; i++)
	{
		uint16_t rounded;

		x[i] = scale * check_noise();
		sp_f32_to_bf16(&rounded, &x[i], 1);
		if (precision == SP_PRECISION_BF16)
			sp_tensor_to_f32(&x[i], &rounded, SP_DTYPE_BF16, 1);
	}
	return x;
}

typedef struct Case
{
	int steps, in_size, hidden;
	SpLstmWeights weights;
	float *in;
} Case;

static Case
make_case(int steps, int in_size, int hidden, SpPrecision precision)
{
	size_t gates = 4 * (size_t) hidden;
	float scale =
		1.0f / sqrtf((float) hidden); /* as networks are initialised: errors do not grow */
	Case c = {.steps = steps, .in_size = in_size, .hidden = hidden};

	for (int d = 0; d < 2; d++)
	{
		c.weights.w_in[d] = make_noise(gates * (size_t) in_size, scale, precision);
		c.weights.w_rec[d] = make_noise(gates * (size_t) hidden, scale, precision);
		c.weights.bias[d] = make_noise(gates, scale, SP_PRECISION_F32);
	}
	c.in = make_noise((size_t) steps * (size_t) in_size, 1.0f, precision);
	return c;
}

static void
free_case(Case *c)
{
	for (int d = 0; d < 2; d++)
	{
		free((void *) c->weights.w_in[d]);
		free((void *) c->weights.w_rec[d]);
		free((void *) c->weights.bias[d]);
	}
	free(c->in);
}

/* The input as elements, [steps][in_size]; the caller frees. */
static void *
make_elements(const Case *c, SpPrecision precision)
{
	size_t n = (size_t) c->steps * (size_t) c->in_size;
	void *out = calloc(n, sizeof(float));

	if (out == NULL)
		abort();
	if (precision == SP_PRECISION_BF16)
		sp_f32_to_bf16(out, c->in, n);
	else
		memcpy(out, c->in, n * sizeof(float));
	return out;
}

/* Weights and input are elements already, so that both precisions are exact but for sums. */
static void
check_shape(SpNn *nn, int steps, int in_size, int hidden)
{
	size_t n = (size_t) steps * 2 * (size_t) hidden;
	Case c = make_case(steps, in_size, hidden, sp_nn_precision(nn));
	void *elements = make_elements(&c, sp_nn_precision(nn));
	float *room = calloc(sp_bilstm_room(steps, hidden), sizeof(float));
	float *got = calloc(n, sizeof(float)), *again = calloc(n, sizeof(float));
	double *want = calloc(n, sizeof(double)), worst = 0.0;
	SpBilstm *lstm = NULL;

	CHECK(sp_bilstm_new(nn, steps, in_size, hidden, &c.weights, &lstm) == SP_OK);
	twin_lstm(steps, in_size, hidden, &c.weights, c.in, want);
	check_allocs_left = 0;
	CHECK(sp_bilstm_run(lstm, 0, elements, room, got, NULL) == SP_OK);
	CHECK(sp_bilstm_run(lstm, 1, elements, room, again, NULL) == SP_OK);
	check_allocs_left = -1;
	for (size_t i = 0; i < n; i++)
		worst = fmax(worst, fabs(got[i] - want[i]));
	if (!(worst < 2e-6))
		printf("# %d steps, %d to 2 x %d: %.2g\n", steps, in_size, hidden, worst);
	CHECK(worst < 2e-6);
	CHECK(memcmp(got, again, n * sizeof(float)) == 0);
	sp_bilstm_free(lstm);
	free(elements);
	free(room);
	free(got);
	free(again);
	free(want);
	free_case(&c);
}

static void
test_shapes(SpPrecision precision)
{
	SpNn *nn = NULL;

	CHECK(sp_nn_new(&check_env, precision, 2, &nn) == SP_OK);
	check_shape(nn, 1, 1, 1);
	check_shape(nn, 2, 3, 1);
	check_shape(nn, 1, 7, 32);
	check_shape(nn, 9, 5, 31);
	check_shape(nn, 9, 5, 33);
	check_shape(nn, 40, 64, 48);
	check_shape(nn, 70, 33, 80);
	for (int i = 0; i < 20; i++)
		check_shape(nn, 1 + (int) (check_random() % 24), 1 + (int) (check_random() % 40),
		            1 + (int) (check_random() % 70));
	sp_nn_free(nn);
}

/* What comes later does not change the forward half, nor what came before the backward one. */
static void
test_directions(void)
{
	Case c = make_case(6, 4, 3, SP_PRECISION_F32);
	float room[6 * 2 * 128 + 3], before[36], after[36];
	SpNn *nn = NULL;
	SpBilstm *lstm = NULL;

	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 1, &nn) == SP_OK);
	CHECK(sp_bilstm_room(6, 3) * sizeof(float) == sizeof(room));
	CHECK(sp_bilstm_new(nn, 6, 4, 3, &c.weights, &lstm) == SP_OK);
	CHECK(sp_bilstm_run(lstm, 0, c.in, room, before, NULL) == SP_OK);
	c.in[3 * 4] += 1.0f;
	CHECK(sp_bilstm_run(lstm, 0, c.in, room, after, NULL) == SP_OK);
	for (size_t t = 0; t < 6; t++)
	{
		size_t size = 3 * sizeof(float);

		CHECK((memcmp(before + 6 * t, after + 6 * t, size) == 0) == (t < 3));
		CHECK((memcmp(before + 6 * t + 3, after + 6 * t + 3, size) == 0) == (t > 3));
	}
	sp_bilstm_free(lstm);
	sp_nn_free(nn);
	free_case(&c);
}

static bool
always(void *arg)
{
	++*(int *) arg;
	return true;
}

static void
test_stop(void)
{
	Case c = make_case(200, 2, 2, SP_PRECISION_F32);
	int asked = 0;
	SpStop stop = {always, &asked};
	float *room = calloc(sp_bilstm_room(200, 2), sizeof(float)), out[800];
	SpNn *nn = NULL;
	SpBilstm *lstm = NULL;

	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 1, &nn) == SP_OK);
	CHECK(sp_bilstm_new(nn, 200, 2, 2, &c.weights, &lstm) == SP_OK);
	CHECK(sp_bilstm_run(lstm, 0, c.in, room, out, &stop) == SP_ERR_CANCELED);
	CHECK(asked == 1);
	sp_bilstm_free(lstm);
	sp_nn_free(nn);
	free(room);
	free_case(&c);
}

static void
test_refusals(SpPrecision precision)
{
	Case c = make_case(3, 4, 5, precision);
	SpStatus st = SP_ERR_NO_MEMORY;
	SpBilstm *lstm = NULL;
	SpNn *nn = NULL;

	CHECK(sp_nn_new(&check_env, precision, 1, &nn) == SP_OK);
	CHECK(sp_bilstm_new(nn, 0, 4, 5, &c.weights, &lstm) == SP_ERR_BAD_ARG);
	CHECK(sp_bilstm_new(nn, 3, 0, 5, &c.weights, &lstm) == SP_ERR_BAD_ARG);
	CHECK(sp_bilstm_new(nn, 3, 4, 0, &c.weights, &lstm) == SP_ERR_BAD_ARG);
	CHECK(sp_bilstm_new(nn, 3, 4, 1 << 29, &c.weights, &lstm) == SP_ERR_BAD_ARG);
	for (long allocs = 0; allocs < 100 && st != SP_OK; allocs++)
	{
		check_allocs_left = allocs;
		st = sp_bilstm_new(nn, 3, 4, 5, &c.weights, &lstm);
		check_allocs_left = -1;
		CHECK(st == SP_OK ? allocs >= 5 : st == SP_ERR_NO_MEMORY && lstm == NULL);
	}
	CHECK(st == SP_OK);
	sp_bilstm_free(lstm);
	sp_bilstm_free(NULL);
	sp_nn_free(nn);
	free_case(&c);
}

int
main(void)
{
	test_shapes(SP_PRECISION_F32);
	test_directions();
	test_stop();
	test_refusals(SP_PRECISION_F32);
	if (sp_nn_cpu_runs_bf16())
	{
		test_shapes(SP_PRECISION_BF16);
		test_refusals(SP_PRECISION_BF16);
	}
	else
		printf("# SKIP bf16: not on this CPU\n");
	return check_report();
}
