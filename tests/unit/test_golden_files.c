/*
 * tests/unit/test_golden_files.c
 *	  Weight files that tests/golden/make_neural.py wrote hold the seeded
 *	  weights, bit for bit: the same model as .tar.gz and .npz, and others.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include "core/model/weights.h"
#include "spleeter_source.h"

#define FOLDER "tests/fixtures/models/"

/* As TINY in tests/golden/neural/unet.py. */
static const int *
tiny_filters(int stems)
{
	static const int two[6] = {1, 2, 3, 2, 3, 5};
	static const int four[6] = {1, 1, 2, 1, 2, 3};
	static const int five[6] = {1, 2, 2, 3, 3, 4};

	return stems == 2 ? two : stems == 4 ? four : five;
}

/* Every tensor of expected is in the file, with its shape and its numbers. */
static void
compare(const SpTensorSource *got, const SpTensorSource *expected)
{
	SpFault fault = {0};

	for (size_t i = 0; i < expected->count; i++)
	{
		const SpTensorInfo *want = &expected->tensors[i];
		size_t bytes = (size_t) want->elements * sizeof(float);
		ptrdiff_t at = sp_tensor_find(got, want->name);
		float *a = malloc(bytes), *b = malloc(bytes);

		CHECK(at >= 0 && got->tensors[at].rank == want->rank &&
		      memcmp(got->tensors[at].shape, want->shape, sizeof(want->shape)) == 0);
		if (at >= 0 && got->tensors[at].elements == want->elements && a != NULL && b != NULL)
		{
			CHECK(got->read(got->self, (size_t) at, a, &fault) == SP_OK);
			CHECK(expected->read(expected->self, i, b, &fault) == SP_OK);
			CHECK(memcmp(a, b, bytes) == 0);
		}
		free(a);
		free(b);
	}
}

static void
check_file(const char *path, const char *format, int stems)
{
	SpWeightsLimits limits = {.max_bytes = 1 << 20, .max_tensors = 1000, .temp_dir = "/tmp"};
	SpleeterSource *expected = spleeter_source(stems, tiny_filters(stems));
	const SpTensorSource *got;
	float step = 0.0f;
	SpWeights *w = NULL;
	SpFault fault = {0};
	SpStatus st = sp_weights_open_path(&check_env, path, &limits, &w, &fault);

	if (st != SP_OK)
		printf("# %s: %s\n", path, fault.detail);
	CHECK(st == SP_OK && expected != NULL);
	if (st == SP_OK && expected != NULL)
	{
		CHECK(strcmp(sp_weights_format(w), format) == 0);
		got = sp_weights_tensors(w);
		CHECK(got->count == expected->source.count + 1);
		CHECK(sp_tensor_find(got, "global_step") >= 0);
		CHECK(got->read(got->self, (size_t) sp_tensor_find(got, "global_step"), &step, &fault) ==
		      SP_OK);
		CHECK(step == GOLDEN_SCALAR);
		compare(got, &expected->source);
	}
	sp_weights_free(w);
	free(expected);
}

int
main(void)
{
	check_file(FOLDER "tiny-2stems.tar.gz", "tensorflow", 2);
	check_file(FOLDER "tiny-2stems.npz", "npz", 2);
	check_file(FOLDER "tiny-4stems.safetensors", "safetensors", 4);
	check_file(FOLDER "tiny-5stems.tar.gz", "tensorflow", 5);
	return check_report();
}
