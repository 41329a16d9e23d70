/*
 * tests/unit/test_vector_half.c
 *	  Halves against a table of all of them made from the format's definition,
 *	  and sums against long double, by each set of loops that this machine has.
 */
#include "check.h"

#include <float.h>

#include "core/vector/half.h"
#include "core/vector/half_kernels.h"

#define FINITE 0x7c00 /* halves of one sign that are numbers */
#define MOST   200
#define GUARD  0xabcd

/* Sign, five bits of exponent, ten behind the point. */
static double
value_of(uint16_t half)
{
	int exponent = half >> 10 & 0x1f;
	double size =
		exponent == 0 ? ldexp(half & 0x3ff, -24) : ldexp(0x400 + (half & 0x3ff), exponent - 25);

	return half & 0x8000 ? -size : size;
}

/* The nearest of all, of two equally near the even one, by bisection. */
static uint16_t
nearest_half(float x)
{
	uint16_t sign = signbit(x) ? 0x8000 : 0;
	unsigned low = 0, high = FINITE - 1;
	double size = fabs((double) x), below, above;

	while (low < high)
	{
		unsigned middle = (low + high + 1) / 2;

		if (value_of((uint16_t) middle) <= size)
			low = middle;
		else
			high = middle - 1;
	}
	if (low == FINITE - 1)
		return (uint16_t) (sign | low);
	below = size - value_of((uint16_t) low);
	above = value_of((uint16_t) (low + 1)) - size;
	if (above < below || (above == below && low % 2 == 1))
		low++;
	return (uint16_t) (sign | low);
}

static void
check_halves(const SpHalfKernels *k)
{
	enum
	{
		ALL = 65536
	};
	uint16_t *halves = malloc(ALL * sizeof(uint16_t)), *back = malloc(ALL * sizeof(uint16_t));
	float *floats = malloc(ALL * sizeof(float));
	int wrong = 0;

	for (size_t i = 0; i < ALL; i++)
		halves[i] = (uint16_t) i;
	k->to_floats(halves, floats, ALL);
	k->from_floats(floats, back, ALL);
	for (size_t i = 0; i < ALL; i++)
	{
		size_t size = i & 0x7fff;
		bool sign = i >> 15;

		if (size < FINITE)
			wrong += floats[i] != value_of((uint16_t) i) || back[i] != i;
		else if (size == FINITE)
			wrong += floats[i] != (sign ? -INFINITY : INFINITY) || back[i] != i - 1;
		else /* a NaN with what it carries, and quiet */
			wrong += !isnan(floats[i]) || back[i] != (i | 0x200);
		wrong += !signbit(floats[i]) != !sign;
	}
	CHECK(wrong == 0);
	free(halves);
	free(back);
	free(floats);
}

static int
is_wrong(const SpHalfKernels *k, float x)
{
	uint16_t half;

	k->from_floats(&x, &half, 1);
	return half != nearest_half(x);
}

/* Halfway between each two halves, beside that, and floats of any bits. */
static void
check_rounding(const SpHalfKernels *k)
{
	int wrong = 0;

	for (unsigned i = 0; i < FINITE; i++)
	{
		double next = i + 1 < FINITE ? value_of((uint16_t) (i + 1)) : 65536.0;
		float middle = (float) ((value_of((uint16_t) i) + next) / 2);

		wrong += is_wrong(k, middle) + is_wrong(k, -middle);
		wrong += is_wrong(k, nextafterf(middle, 0)) + is_wrong(k, nextafterf(middle, FLT_MAX));
	}
	for (int i = 0; i < 200000; i++)
	{
		uint32_t bits = check_random();
		float x;

		memcpy(&x, &bits, sizeof(x));
		if (!isnan(x))
			wrong += is_wrong(k, x);
	}
	wrong += is_wrong(k, FLT_MAX) + is_wrong(k, -FLT_MAX) + is_wrong(k, FLT_TRUE_MIN);
	wrong += is_wrong(k, INFINITY) + is_wrong(k, -INFINITY) + is_wrong(k, -0.0f);
	CHECK(wrong == 0);
}

/* Vectors that end anywhere in a block: nothing behind them is written, nothing missed. */
static void
check_lengths(const SpHalfKernels *k)
{
	float in[MOST + 16], out[MOST + 16];
	uint16_t halves[MOST + 16];
	int wrong = 0;

	for (size_t n = 0; n <= MOST; n++)
	{
		size_t off = n % 7;

		for (size_t i = 0; i < MOST + 16; i++)
		{
			in[i] = 100 * check_noise();
			halves[i] = GUARD;
			out[i] = GUARD;
		}
		k->from_floats(in + off, halves, n);
		k->to_floats(halves, out, n);
		for (size_t i = 0; i < n; i++)
			wrong += halves[i] != nearest_half(in[off + i]) || out[i] != value_of(halves[i]);
		for (size_t i = n; i < MOST + 16; i++)
			wrong += halves[i] != GUARD || out[i] != GUARD;
	}
	CHECK(wrong == 0);
}

typedef struct Truth
{
	double l2, product, size; /* size: of the product's terms */
} Truth;

static Truth
truth_of(const float *query, const uint16_t *v, size_t n)
{
	long double l2 = 0, product = 0, size = 0;

	for (size_t i = 0; i < n; i++)
	{
		long double x = query[i], y = value_of(v[i]);

		l2 += (x - y) * (x - y);
		product += x * y;
		size += fabsl(x * y);
	}
	return (Truth){(double) l2, (double) product, (double) size};
}

static void
check_sums(const SpHalfKernels *k, float scale)
{
	float query[MOST + 16];
	uint16_t v[MOST + 16];

	for (size_t n = 0; n <= MOST; n++)
	{
		size_t off = n % 16, other = n % 7;
		Truth t;

		for (size_t i = 0; i < MOST + 16; i++)
		{
			query[i] = scale * check_noise();
			v[i] = nearest_half(scale * check_noise());
		}
		t = truth_of(query + off, v + other, n);
		CHECK_NEAR(k->sum_squares(query + off, v + other, n), t.l2, 2e-6 * t.l2);
		CHECK_NEAR(k->sum_products(query + off, v + other, n), t.product, 2e-6 * t.size);
	}
}

/* What a float does not hold, and the public functions on the whole. */
static void
check_ends(float scale)
{
	float query[MOST];
	uint16_t v[MOST];

	for (size_t n = 0; n <= MOST; n++)
	{
		Truth t;

		for (size_t i = 0; i < n; i++)
		{
			query[i] = scale * check_noise();
			v[i] = nearest_half(check_noise());
		}
		t = truth_of(query, v, n);
		CHECK_NEAR(sp_half_l2_squared(query, v, n), t.l2, 2e-6 * t.l2);
		CHECK_NEAR(sp_half_inner_product(query, v, n), t.product, 2e-6 * t.size);
		sp_half_to_floats(v, query, n);
		CHECK(sp_half_l2_squared(query, v, n) == 0);
	}
}

int
main(void)
{
	for (SpHalfLevel level = 0; level < SP_HALF_LEVELS; level++)
	{
		const SpHalfKernels *k = sp_half_kernels(level);

		if (k == NULL)
		{
			printf("# SKIP loops of level %d: not of this machine or compiler\n", (int) level);
			continue;
		}
		check_halves(k);
		check_rounding(k);
		check_lengths(k);
		check_sums(k, 1);
		check_sums(k, 1e-5f); /* subnormal as halves */
		check_sums(k, 60000);
	}
	CHECK(sp_half_kernels(SP_HALF_PLAIN) != NULL);
	check_ends(1);
	check_ends(1e30f);
	check_ends(1e-38f);
	return check_report();
}
