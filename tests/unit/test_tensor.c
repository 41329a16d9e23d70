/*
 * tests/unit/test_tensor.c
 *	  Kinds of numbers against published encodings and against the compiler's
 *	  own arithmetic; CRC-32C against published vectors.
 */
#include "core/model/crc32c.h"
#include "core/nn/tensor.h"

#include "fixtures/make_bundle.h"
#include "unit/check.h"

static float
float_of(uint32_t bits)
{
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static uint32_t
bits_of(float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

static void
check_names(void)
{
	static const struct
	{
		SpDtype dtype;
		size_t size;
		const char *name;
	} kinds[] = {{SP_DTYPE_F32, 4, "f32"}, {SP_DTYPE_BF16, 2, "bf16"}, {SP_DTYPE_F16, 2, "f16"},
	             {SP_DTYPE_F64, 8, "f64"}, {SP_DTYPE_I32, 4, "i32"},   {SP_DTYPE_I64, 8, "i64"}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		CHECK(sp_dtype_size(kinds[i].dtype) == kinds[i].size);
		CHECK(strcmp(sp_dtype_name(kinds[i].dtype), kinds[i].name) == 0);
	}
	CHECK(sp_dtype_size((SpDtype) 99) == 0 && sp_dtype_name((SpDtype) 99) == NULL);
}

static void
check_find(void)
{
	SpTensorInfo infos[] = {{.name = "a"}, {.name = "a/b"}, {.name = "a_1"}, {.name = "b"}};
	SpTensorSource source = {.tensors = infos};

	for (size_t n = 0; n <= 4; n++)
	{
		source.count = n;
		for (size_t i = 0; i < 4; i++)
			CHECK(sp_tensor_find(&source, infos[i].name) == (i < n ? (ptrdiff_t) i : -1));
		CHECK(sp_tensor_find(&source, "") == -1 && sp_tensor_find(&source, "a/") == -1);
		CHECK(sp_tensor_find(&source, "c") == -1);
	}
}

/*
 * Every half: by the formula of IEEE 754-2008, 3.4, computed in double, and
 * back to the same half.
 */
static void
check_halves(void)
{
	for (uint32_t h = 0; h < 65536; h++)
	{
		uint8_t in[3] = {0, (uint8_t) h, (uint8_t) (h >> 8)};
		int exponent = h >> 10 & 31;
		int fraction = h & 1023;
		double want = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
		uint16_t back;
		float got;
		bool finite = sp_tensor_to_f32(&got, in + 1, SP_DTYPE_F16, 1);

		CHECK(finite == (exponent != 31));
		sp_f32_to_f16(&back, &got, 1);
		if (exponent == 31 && fraction != 0)
		{
			CHECK(isnan(got) && (back & 0x7FFF) > 0x7C00);
			continue;
		}
		if (exponent == 31)
			want = INFINITY;
		CHECK(got == (float) (h & 0x8000 ? -want : want) && !signbit(got) == !(h & 0x8000));
		CHECK(back == h);
	}
}

/* Nearest by search among the two neighbours, ties to the even one. */
static uint16_t
nearest_bf16(float x)
{
	uint16_t low = (uint16_t) (bits_of(x) >> 16);
	double below = fabs((double) x - (double) float_of((uint32_t) low << 16));
	double above = fabs((double) float_of((uint32_t) (low + 1) << 16) - (double) x);

	return below < above || (below == above && low % 2 == 0) ? low : (uint16_t) (low + 1);
}

static double
half_value(uint32_t h)
{
	int exponent = h >> 10 & 31;

	return exponent ? ldexp(1024 + (h & 1023), exponent - 25) : ldexp(h & 1023, -24);
}

/* The same among halves, of a positive number below 65504. */
static uint16_t
nearest_half(float x)
{
	uint16_t low = 0;
	double below, above;

	for (int bit = 14; bit >= 0; bit--)
		if (half_value(low | 1u << bit) <= (double) x && (low | 1u << bit) < 0x7C00)
			low |= (uint16_t) (1u << bit);
	below = (double) x - half_value(low);
	above = half_value(low + 1u) - (double) x;
	return below < above || (below == above && low % 2 == 0) ? low : (uint16_t) (low + 1);
}

static void
check_rounding(void)
{
	static const struct
	{
		uint32_t in;
		uint16_t out;
	} ties[] = {{0x3F808000, 0x3F80}, {0x3F818000, 0x3F82}, {0x3F808001, 0x3F81},
	            {0x7F7FFFFF, 0x7F80}, {0x7F800000, 0x7F80}, {0xFF800000, 0xFF80},
	            {0x80000000, 0x8000}, {0x00000001, 0x0000}, {0x7F800001, 0x7FC0}};
	uint16_t out;
	float x;

	for (size_t i = 0; i < sizeof(ties) / sizeof(ties[0]); i++)
	{
		x = float_of(ties[i].in);
		sp_f32_to_bf16(&out, &x, 1);
		CHECK(out == ties[i].out);
	}
	x = float_of(0xFFFFFFFF);
	sp_f32_to_bf16(&out, &x, 1);
	CHECK((out & 0x7F80) == 0x7F80 && (out & 0x7F) != 0);
	for (int i = 0; i < 20000; i++)
	{
		float back;

		x = float_of(check_random() & 0xBFFFFFFF);
		sp_f32_to_bf16(&out, &x, 1);
		CHECK(out == nearest_bf16(x));
		CHECK(sp_tensor_to_f32(&back, &out, SP_DTYPE_BF16, 1));
		CHECK(bits_of(back) == (uint32_t) out << 16);
		/* 2^-27 to 2^15: below the smallest half to just below the largest */
		x = float_of((100u + check_random() % 42) << 23 | (check_random() & 0x7FFFFF));
		sp_f32_to_f16(&out, &x, 1);
		CHECK(out == nearest_half(x));
	}
	x = 65519.996f;
	sp_f32_to_f16(&out, &x, 1);
	CHECK(out == 0x7BFF);
	x = -65520.0f;
	sp_f32_to_f16(&out, &x, 1);
	CHECK(out == 0xFC00);
}

static void
check_kinds(void)
{
	const double doubles[] = {1.0 / 3, 1e300, -0.0, 3.4028235e38, 1e-50};
	const int32_t ints[] = {-5, INT32_MAX, 0};
	const int64_t longs[] = {1500000, INT64_MIN, -1};
	uint8_t buffer[64];
	float out[8];
	float x[] = {1.5f, -2.25f, INFINITY, 4.0f};

	/* At every alignment. */
	for (int shift = 0; shift < 8; shift++)
	{
		memcpy(buffer + shift, doubles, sizeof(doubles));
		CHECK(!sp_tensor_to_f32(out, buffer + shift, SP_DTYPE_F64, 5));
		CHECK(out[0] == 1.0f / 3 && isinf(out[1]) && signbit(out[2]) && out[4] == 0);
		memcpy(buffer + shift, ints, sizeof(ints));
		CHECK(sp_tensor_to_f32(out, buffer + shift, SP_DTYPE_I32, 3));
		CHECK(out[0] == -5 && out[1] == 2147483648.0f && out[2] == 0);
		memcpy(buffer + shift, longs, sizeof(longs));
		CHECK(sp_tensor_to_f32(out, buffer + shift, SP_DTYPE_I64, 3));
		CHECK(out[0] == 1500000 && out[1] == -9223372036854775808.0f && out[2] == -1);
		memcpy(buffer + shift, x, sizeof(x));
		CHECK(!sp_tensor_to_f32(out, buffer + shift, SP_DTYPE_F32, 4));
		CHECK(memcmp(out, x, sizeof(x)) == 0);
		CHECK(sp_tensor_to_f32(out, buffer + shift, SP_DTYPE_F32, 2));
	}
	x[2] = NAN;
	CHECK(!sp_tensor_to_f32(out, x, SP_DTYPE_F32, 4) && out[3] == 4.0f);
	CHECK(sp_tensor_to_f32(out, x, SP_DTYPE_F32, 0));
}

/* RFC 3720, B.4, and the check value of the catalogue of CRCs ("123456789"). */
static void
check_crc(bool instruction)
{
	SpCrc32c *crc = malloc(sizeof(SpCrc32c));
	uint8_t block[32] = {0};
	uint8_t noise[3000];

	sp_crc32c_init(crc);
	if (instruction && !crc->instruction)
		printf("# SKIP the CPU's own CRC-32C: it has none\n");
	crc->instruction &= instruction;
	CHECK(sp_crc32c_extend(crc, 0, "123456789", 9) == 0xE3069283);
	CHECK(sp_crc32c_extend(crc, 0, block, 32) == 0x8A9136AA);
	memset(block, 0xFF, 32);
	CHECK(sp_crc32c_extend(crc, 0, block, 32) == 0x62A8AB43);
	for (int i = 0; i < 32; i++)
		block[i] = (uint8_t) i;
	CHECK(sp_crc32c_extend(crc, 0, block, 32) == 0x46DD794E);
	for (int i = 0; i < 32; i++)
		block[i] = (uint8_t) (31 - i);
	CHECK(sp_crc32c_extend(crc, 0, block, 32) == 0x113FDB5C);
	CHECK(sp_crc32c_extend(crc, 0, NULL, 0) == 0);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t) check_random();
	for (int i = 0; i < 300; i++)
	{
		size_t from = check_random() % 1000;
		size_t cut = check_random() % 1000;
		size_t to = from + cut + check_random() % 1000;
		uint32_t parts = sp_crc32c_extend(crc, 0, noise + from, cut);

		parts = sp_crc32c_extend(crc, parts, noise + from + cut, to - from - cut);
		CHECK(parts == bundle_crc(noise + from, to - from));
		CHECK(sp_crc32c_mask(parts) == bundle_masked(noise + from, to - from));
	}
	free(crc);
}

int
main(void)
{
	check_names();
	check_find();
	check_halves();
	check_rounding();
	check_kinds();
	check_crc(false);
	check_crc(true);
	return check_report();
}
