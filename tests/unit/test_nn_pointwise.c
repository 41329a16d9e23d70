/*
 * tests/unit/test_nn_pointwise.c
 *	  Activation, normalisation, softmax and the move between layers against
 *	  their twins; exp and bf16 over all of their ranges.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn_check.h"

#include "core/nn/pointwise.h"
#include "core/nn/vmath.h"

/* --- vmath.h ---------------------------------------------------------------------- */

static float
float_of(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* Units in the last place of the float nearest to want. */
static double
ulps(float got, double want)
{
	double ulp = ldexp(1.0, ilogb(want) - 23);

	return fabs(got - want) / ulp;
}

/* 2 ulp everywhere from where it is clamped below to where it is clamped above. */
static void
check_exp(void)
{
	double worst = 0;
	bool monotone = true;

	for (float x = -87.0f; x <= 88.0f; x += 0x1p-11f)
	{
		worst = fmax(worst, ulps(sp_exp(x), exp(x)));
		/* to within the rounding of the last bits */
		monotone = monotone && sp_exp(x + 0x1p-11f) >= sp_exp(x);
	}
	for (int i = 0; i < 1000000; i++)
	{
		float x = check_noise() * 87.0f;

		worst = fmax(worst, ulps(sp_exp(x), exp(x)));
	}
	printf("# exp: %.2f ulp at most\n", worst);
	CHECK(worst <= 2.0);
	CHECK(monotone);
	CHECK(sp_exp(0.0f) == 1.0f);
	CHECK(sp_exp(-INFINITY) == sp_exp(-87.0f) && sp_exp(-87.0f) > 0);
	CHECK(sp_exp(INFINITY) == sp_exp(88.0f) && isfinite(sp_exp(88.0f)));
	CHECK(isnan(sp_exp(NAN)));
}

/* Absolute near 1, where the logarithm is small; else 2 ulp of it. */
static void
check_log(void)
{
	double worst = 0;

	for (uint32_t bits = 0x00800000u; bits < 0x7f800000u; bits += 977)
	{
		float x = float_of(bits);
		double want = log((double) x);

		worst = fmax(worst, fabs(sp_log(x) - want) / fmax(fabs(want), 0.5));
	}
	printf("# log: %.2f ulp at most\n", worst * 0x1p23);
	CHECK(worst <= 2 * 0x1p-23);
	CHECK(sp_log(1.0f) == 0.0f);
	CHECK_NEAR(sp_log(1.0f + 0x1p-23f), 0x1p-23, 0x1p-46);
}

/*
 * Absolute distances: of values in (-1, 1) a few units of 2^-24, more where tanh
 * doubles the error of a sigmoid.
 */
static void
check_activations(void)
{
	double worst[SP_ACT_TANH + 1] = {0};

	for (float x = -100.0f; x <= 100.0f; x += 0x1p-9f)
		for (int act = SP_ACT_NONE; act <= SP_ACT_TANH; act++)
		{
			double want = twin_activate((SpActivation) act, x);
			double d = fabs(sp_activate((SpActivation) act, x) - want) / fmax(1, fabs(want));

			worst[act] = fmax(worst[act], d);
		}
	CHECK(worst[SP_ACT_NONE] == 0 && worst[SP_ACT_RELU] == 0);
	CHECK_NEAR(worst[SP_ACT_LEAKY_RELU], 0, 0x1p-23); /* 0.2 and the product are rounded */
	CHECK_NEAR(worst[SP_ACT_ELU], 0, 0x1p-22);
	CHECK_NEAR(worst[SP_ACT_SIGMOID], 0, 0x1p-22);
	CHECK_NEAR(worst[SP_ACT_TANH], 0, 0x1p-21);
	CHECK(sp_sigmoid(-INFINITY) >= 0 && sp_sigmoid(-INFINITY) < 1e-37f);
	CHECK(sp_sigmoid(INFINITY) == 1.0f);
	CHECK(sp_activate(SP_ACT_ELU, -INFINITY) == -1.0f);
}

/* --- bf16 --------------------------------------------------------------------- */

static bool
same_rounding(float x)
{
	uint16_t hardware, inline_ = sp_bf16_of(x);
	float want = twin_bf16(x);

	sp_f32_to_bf16(&hardware, &x, 1);
	return hardware == inline_ && nn_float_of_bf16(hardware) == want &&
	       signbit(nn_float_of_bf16(hardware)) == signbit(want);
}

/* Every exponent with fractions around the ties. */
static void
check_bf16(void)
{
	static const uint32_t tails[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
	size_t wrong = 0;
	uint16_t out[3];
	float odd[3] = {NAN, INFINITY, -INFINITY};

	for (uint32_t high = 0; high < 0x10000; high++)
		for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		{
			float x = float_of(high << 16 | tails[i]);

			wrong += isfinite(x) && !same_rounding(x);
		}
	CHECK(wrong == 0);
	for (int i = 0; i < 1000000; i++)
	{
		float x = float_of(check_random());

		wrong += isfinite(x) && !same_rounding(x);
	}
	CHECK(wrong == 0);
	/* 1 + 2^-8 lies between 1 and 1 + 2^-7: to the even one; the next tie goes up */
	CHECK(nn_float_of_bf16(sp_bf16_of(1.00390625f)) == 1.0f);
	CHECK(nn_float_of_bf16(sp_bf16_of(1.01171875f)) == 1.015625f);
	sp_f32_to_bf16(out, odd, 3);
	CHECK(isnan(nn_float_of_bf16(out[0])));
	CHECK(nn_float_of_bf16(out[1]) == INFINITY && nn_float_of_bf16(out[2]) == -INFINITY);
	odd[0] = float_of(0x7f800001u); /* the least of NaNs: what is cut off would be all of it */
	sp_f32_to_bf16(out, odd, 1);
	CHECK(isnan(nn_float_of_bf16(out[0])));
}

/* --- passes ---------------------------------------------------------------------- */

/* Floats may contract and approximate; bf16 is then off by one rounding, 2^-8 at most. */
static bool
near_enough(SpPrecision precision, double got, double want, double size)
{
	double tolerance = 4e-7 * size + (precision == SP_PRECISION_BF16 ? 0x1p-8 * fabs(want) : 0);

	return fabs(got - want) <= tolerance;
}

/* Room for an image with guards: what lies beside its elements must stay. */
typedef struct Image
{
	SpPixels to;
	size_t elements;
	uint8_t *bytes;
	size_t size;
} Image;

static Image
make_image(SpPrecision precision, size_t pixels, size_t stride, size_t offset)
{
	size_t element = precision == SP_PRECISION_BF16 ? 2 : 4;
	Image image = {{precision, NULL, stride, offset}, pixels * stride, NULL, 0};

	image.size = image.elements * element;
	image.to.data = image.bytes = nn_malloc(image.elements, element);
	memset(image.bytes, 0x5A, image.size);
	return image;
}

static double
element_of(const Image *image, size_t at)
{
	if (image->to.precision == SP_PRECISION_BF16)
		return nn_float_of_bf16(((const uint16_t *) image->to.data)[at]);
	return ((const float *) image->to.data)[at];
}

static bool
untouched(const Image *image, size_t at)
{
	size_t element = image->to.precision == SP_PRECISION_BF16 ? 2 : 4;

	for (size_t i = 0; i < element; i++)
		if (image->bytes[at * element + i] != 0x5A)
			return false;
	return true;
}

typedef struct Pass
{
	SpPointwise op;
	size_t channels;
	float *in;      /* what the twin reads */
	void *elements; /* the same in op.from */
} Pass;

/* Compares pixel `pixel` of the image with the operation on x[channels]. */
static size_t
wrong_in_pixel(const Pass *p, const Image *image, size_t pixel, const float *x)
{
	size_t wrong = 0, start = pixel * image->to.stride;

	for (size_t i = 0; i < image->to.stride; i++)
	{
		size_t c = i - image->to.offset;
		double want, size;

		if (i < image->to.offset || c >= p->channels)
		{
			wrong += !untouched(image, start + i);
			continue;
		}
		want = twin_point(&p->op, c, x[c]);
		size = 1 + fabs(x[c]) + (p->op.scale != NULL ? fabsf(p->op.shift[c]) : 0);
		wrong += !near_enough(image->to.precision, element_of(image, start + i), want, size);
	}
	return wrong;
}

static Pass
random_pass(SpPointwise op, bool affine, size_t channels, size_t values)
{
	Pass p = {op, channels, nn_random(values, 4, op.from), NULL};

	p.elements = nn_elements(op.from, p.in, values);
	if (affine)
	{
		p.op.scale = nn_random(channels, 1, SP_PRECISION_F32);
		p.op.shift = nn_random(channels, 1, SP_PRECISION_F32);
	}
	return p;
}

static void
free_pass(Pass *p)
{
	free(p->in);
	free(p->elements);
	free((float *) p->op.scale);
	free((float *) p->op.shift);
}

static void
check_run(Pass *p, SpPrecision precision, size_t pixels, size_t stride, size_t offset)
{
	Image image = make_image(precision, pixels, stride, offset);
	size_t wrong = 0;

	sp_pointwise_run(&p->op, p->elements, pixels, p->channels, &image.to);
	for (size_t i = 0; i < pixels; i++)
		wrong += wrong_in_pixel(p, &image, i, p->in + i * p->channels);
	if (wrong > 0)
		printf("# pointwise: activation %d, first %d, %zu x %zu channels, stride %zu: %zu wrong\n",
		       p->op.act, p->op.act_first, pixels, p->channels, stride, wrong);
	CHECK(wrong == 0);
	free(image.bytes);
}

static void
check_join(Pass *p, SpPrecision precision, size_t height, size_t width, size_t stride,
           size_t offset)
{
	Image image = make_image(precision, 4 * height * width, stride, offset);
	size_t wrong = 0;

	sp_pointwise_join(&p->op, p->elements, height, width, p->channels, &image.to);
	for (size_t y = 0; y < 2 * height; y++)
		for (size_t x = 0; x < 2 * width; x++)
		{
			size_t plane = (y % 2) * 2 + x % 2;
			const float *from = p->in + ((plane * height + y / 2) * width + x / 2) * p->channels;

			wrong += wrong_in_pixel(p, &image, y * 2 * width + x, from);
		}
	if (wrong > 0)
		printf("# join: activation %d, %zu x %zu x %zu channels, stride %zu: %zu wrong\n",
		       p->op.act, height, width, p->channels, stride, wrong);
	CHECK(wrong == 0);
	free(image.bytes);
}

/* Random images of this many channels, to both precisions. */
static void
check_channels(SpPointwise op, bool affine, size_t n)
{
	size_t height = 1 + check_random() % 3, width = 1 + check_random() % 7;
	Pass p = random_pass(op, affine, n, 4 * height * width * n);

	for (int i = 0; i < 2; i++)
	{
		SpPrecision to = i == 0 ? SP_PRECISION_F32 : SP_PRECISION_BF16;
		size_t extra = check_random() % 20, offset = check_random() % (extra + 1);

		check_run(&p, to, 4 * height * width, n, 0);
		check_run(&p, to, 4 * height * width, n + extra, offset);
		check_join(&p, to, height, width, n, 0);
		check_join(&p, to, height, width, n + extra, offset);
	}
	free_pass(&p);
}

static void
check_passes(void)
{
	static const size_t channels[] = {1,  2,   3,   7,   16,  17,  32,   64,
	                                  85, 256, 511, 512, 513, 600, 1024, 1537};

	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
		for (int act = SP_ACT_NONE; act <= SP_ACT_TANH; act++)
			for (int variant = 0; variant < 4; variant++)
			{
				SpPointwise op = {.act = (SpActivation) act, .act_first = variant % 2};

				op.from = (variant + act) / 2 % 2 ? SP_PRECISION_BF16 : SP_PRECISION_F32;
				check_channels(op, (variant + act + (int) i) % 3 != 0, channels[i]);
			}
	for (int act = SP_ACT_NONE; act <= SP_ACT_TANH; act++)
		for (int variant = 0; variant < 16; variant++)
		{
			SpPointwise op = {.act = (SpActivation) act, .act_first = variant % 2};
			SpPrecision to = variant / 4 % 2 ? SP_PRECISION_BF16 : SP_PRECISION_F32;
			Pass p;

			op.from = variant / 8 ? SP_PRECISION_BF16 : SP_PRECISION_F32;
			p = random_pass(op, variant / 2 % 2, 5, 5 * 103);
			check_run(&p, to, 103, 5, 0);
			check_run(&p, to, 103, 9, 4);
			free_pass(&p);
		}
}

/* --- normalisation, softmax ------------------------------------------------------ */

static void
check_norm(bool with_gamma)
{
	enum
	{
		CHANNELS = 37
	};
	float gamma[CHANNELS], beta[CHANNELS], mean[CHANNELS], variance[CHANNELS];
	float scale[CHANNELS], shift[CHANNELS];

	for (size_t c = 0; c < CHANNELS; c++)
	{
		gamma[c] = check_noise();
		beta[c] = check_noise();
		mean[c] = check_noise();
		variance[c] = fabsf(check_noise());
	}
	variance[0] = 0;
	sp_fold_norm(scale, shift, with_gamma ? gamma : NULL, beta, mean, variance, 1e-3f, CHANNELS);
	for (size_t c = 0; c < CHANNELS; c++)
		for (int i = 0; i < 10; i++)
		{
			float x = check_noise() * 10;
			double want = twin_norm(with_gamma ? gamma : NULL, beta, mean, variance, 1e-3f, c, x);

			CHECK_NEAR((double) scale[c] * x + shift[c], want,
			           1e-7 * (fabs((double) scale[c] * x) + fabs(shift[c]) + 1));
		}
	/* the released models have mean 0 and variance 1 */
	mean[0] = 0;
	variance[0] = 1;
	gamma[0] = 1;
	sp_fold_norm(scale, shift, gamma, beta, mean, variance, 1e-3f, 1);
	CHECK_NEAR(scale[0], 1 / sqrt(1.001), 1e-7);
	CHECK(shift[0] == beta[0]);
}

static void
check_softmax(size_t stems, size_t n, float size)
{
	float *logits[8], *copy[8];
	double *want = nn_malloc(stems * n, sizeof(double)), worst = 0;

	for (size_t s = 0; s < stems; s++)
	{
		logits[s] = nn_random(n, size, SP_PRECISION_F32);
		copy[s] = nn_malloc(n, sizeof(float));
		memcpy(copy[s], logits[s], n * sizeof(float));
	}
	twin_softmax((const float *const *) copy, stems, n, want);
	sp_softmax(logits, stems, n);
	for (size_t i = 0; i < n; i++)
	{
		double sum = 0;

		for (size_t s = 0; s < stems; s++)
		{
			worst = fmax(worst, fabs(logits[s][i] - want[s * n + i]));
			sum += logits[s][i];
		}
		worst = fmax(worst, fabs(sum - 1));
	}
	CHECK_NEAR(worst, 0, 1e-6);
	for (size_t s = 0; s < stems; s++)
	{
		free(logits[s]);
		free(copy[s]);
	}
	free(want);
}

int
main(void)
{
	check_exp();
	check_log();
	check_activations();
	check_bf16();
	check_passes();
	check_norm(true);
	check_norm(false);
	check_softmax(5, 1, 3);
	check_softmax(1, 700, 3);
	check_softmax(4, 511, 3);
	check_softmax(5, 1025, 10);
	check_softmax(8, 513, 60);
	return check_report();
}
