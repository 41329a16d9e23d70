/*
 * tests/unit/test_nn_head.c
 *	  The fused last layers against their twin: odd numbers of channels,
 *	  widths that vectors do not divide, every activation.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn_check.h"

#include "core/nn/head.h"

/*
 * Of outputs of order 1 to 30, sums of up to 9 * 40 + 16 floats after one
 * another; the largest distance seen is 5e-6.
 */
#define HEAD_TOLERANCE 2e-5

/* Weights and inputs of a head; everything is freed by free_case. */
typedef struct Case
{
	SpHeadShape shape;
	SpHeadWeights w;
	float *skip, *planes, *mix;            /* what the twin reads */
	void *skip_elements, *planes_elements; /* the same in shape.from */
	size_t outs;
} Case;

static SpPointwise
random_pointwise(SpActivation act, bool act_first, bool affine, int channels)
{
	SpPointwise op = {act, act_first, NULL, NULL, SP_PRECISION_F32};

	if (affine)
	{
		op.scale = nn_random((size_t) channels, 1, SP_PRECISION_F32);
		op.shift = nn_random((size_t) channels, 1, SP_PRECISION_F32);
	}
	return op;
}

static Case
make_case(const SpHeadShape *shape, SpActivation act, bool act_first, bool affine)
{
	Case c = {.shape = *shape};
	int skips = shape->skip_channels, ups = shape->up_channels;
	size_t pixels = (size_t) shape->height * (size_t) shape->width;
	/* so that outputs stay of order 1, whatever the channels */
	float scale = 1.0f / sqrtf((float) (skips + ups));

	c.outs = 8 * pixels;
	c.skip = nn_random(pixels * (size_t) skips, 2, shape->from);
	c.planes = nn_random(pixels * (size_t) ups, 2, shape->from);
	c.skip_elements = nn_elements(shape->from, c.skip, pixels * (size_t) skips);
	c.planes_elements = nn_elements(shape->from, c.planes, pixels * (size_t) ups);
	c.mix = nn_random(c.outs, 3, SP_PRECISION_F32);
	c.w.up = random_pointwise(act, act_first, affine, ups);
	c.w.deconv = nn_random(25 * (size_t) (skips + ups), scale, SP_PRECISION_F32);
	c.w.deconv_bias = check_noise();
	c.w.act = random_pointwise(act, act_first, affine, 1);
	c.w.conv = nn_random(32, 1, SP_PRECISION_F32);
	c.w.conv_bias[0] = check_noise();
	c.w.conv_bias[1] = check_noise();
	return c;
}

static void
free_case(Case *c)
{
	free(c->skip);
	free(c->planes);
	free(c->skip_elements);
	free(c->planes_elements);
	free(c->mix);
	free((float *) c->w.up.scale);
	free((float *) c->w.up.shift);
	free((float *) c->w.act.scale);
	free((float *) c->w.act.shift);
	free((float *) c->w.deconv);
	free((float *) c->w.conv);
}

static double
distance(const float *got, const double *want, size_t n)
{
	double worst = 0;

	for (size_t i = 0; i < n; i++)
		worst = fmax(worst, isnan(got[i]) ? INFINITY : fabs(got[i] - want[i]));
	return worst;
}

/* Logits and masked mix of one case, in a room that served others before. */
static void
check_case(const Case *c, SpHeadRoom *room)
{
	double *want = nn_malloc(c->outs, sizeof(double));
	float *got = nn_malloc(c->outs, sizeof(float));
	SpHead *head = NULL;
	double logits, masked;

	CHECK(sp_head_new(&check_env, &c->shape, &c->w, &head) == SP_OK);
	twin_head(&c->shape, &c->w, c->skip, c->planes, NULL, want);
	sp_head_run(head, room, c->skip_elements, c->planes_elements, NULL, got);
	logits = distance(got, want, c->outs);
	twin_head(&c->shape, &c->w, c->skip, c->planes, c->mix, want);
	sp_head_run(head, room, c->skip_elements, c->planes_elements, c->mix, got);
	masked = distance(got, want, c->outs);
	if (!(logits <= HEAD_TOLERANCE && masked <= HEAD_TOLERANCE))
		printf("# head %dx%d, %d + %d channels, activation %d: %g, %g\n", c->shape.height,
		       c->shape.width, c->shape.skip_channels, c->shape.up_channels, c->w.act.act, logits,
		       masked);
	CHECK(logits <= HEAD_TOLERANCE);
	CHECK(masked <= HEAD_TOLERANCE);
	sp_head_free(head);
	free(want);
	free(got);
}

static void
check_shape(int height, int width, int skips, int ups, SpActivation act, bool act_first,
            bool affine)
{
	for (int i = 0; i < 2; i++)
	{
		SpHeadShape shape = {height, width, skips, ups,
		                     i == 0 ? SP_PRECISION_F32 : SP_PRECISION_BF16};
		Case first = make_case(&shape, act, act_first, affine);
		Case second = make_case(&shape, act, act_first, affine);
		SpHeadRoom *room = NULL;

		CHECK(sp_head_room_new(&check_env, &shape, &room) == SP_OK);
		check_case(&first, room);
		/* nothing of the first is left in the room */
		check_case(&second, room);
		sp_head_room_free(room);
		free_case(&first);
		free_case(&second);
	}
}

static void
check_shapes(void)
{
	static const int channels[][2] = {{1, 1}, {3, 5}, {16, 16}, {17, 1}, {2, 33}, {7, 16}, {32, 8}};
	static const int widths[] = {2, 4, 14, 16, 18, 30, 32, 34, 62, 64, 66, 96};
	size_t pairs = sizeof(channels) / sizeof(channels[0]);

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		check_shape(nn_between(1, 5) * 2, widths[i], channels[i % pairs][0], channels[i % pairs][1],
		            SP_ACT_ELU, true, true);
	for (int act = SP_ACT_NONE; act <= SP_ACT_TANH; act++)
		for (int i = 0; i < 4; i++)
			check_shape(4, 10, 3, 4, (SpActivation) act, i % 2 == 0, i / 2 == 0);
	check_shape(2, 2, 1, 1, SP_ACT_RELU, true, true);
	check_shape(20, 34, 5, 3, SP_ACT_LEAKY_RELU, true, true);
}

/* Sizes that it does not have. */
static void
check_refusals(void)
{
	SpHeadShape good = {4, 6, 2, 3, SP_PRECISION_F32};
	Case c = make_case(&good, SP_ACT_RELU, true, true);
	SpHead *head = NULL;
	SpHeadRoom *room = NULL;

	for (size_t i = 0; i < 4; i++)
	{
		static const int bad[] = {0, -2, 3};

		/* channels may be odd */
		for (size_t k = 0; k < (i < 2 ? 3 : 2); k++)
		{
			SpHeadShape shape = c.shape;

			((int *) &shape)[i] = bad[k];
			CHECK(sp_head_new(&check_env, &shape, &c.w, &head) == SP_ERR_BAD_ARG);
			CHECK(sp_head_room_new(&check_env, &shape, &room) == SP_ERR_BAD_ARG);
			CHECK(head == NULL && room == NULL);
		}
	}
	sp_head_free(NULL);
	sp_head_room_free(NULL);
	free_case(&c);
}

int
main(void)
{
	check_shapes();
	check_refusals();
	return check_report();
}
