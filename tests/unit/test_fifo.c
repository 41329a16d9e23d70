/*
 * tests/unit/test_fifo.c
 *	  The queue of samples against a plain count: what went in comes out in order.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include "core/stems/fifo.h"

/* Sample number n of the stream; exact in a float. */
static float
value(size_t n)
{
	return (float) (n % 16777216);
}

/* Takes up to max frames and compares them with numbers from *taken on. */
static void
take(SpFifo *f, size_t channels, size_t max, size_t *taken, bool drop)
{
	static float out[8 * 4096];
	size_t queued = sp_fifo_queued(f), wanted = max < queued ? max : queued;
	bool same = true;

	if (wanted > 0)
		CHECK(sp_fifo_peek(f)[0] == value(*taken));
	CHECK(sp_fifo_pull(f, drop ? NULL : out, max) == wanted);
	for (size_t i = 0; i < wanted * channels && !drop; i++)
		same = same && out[i] == value(*taken + i);
	CHECK(same);
	*taken += wanted * channels;
	CHECK(sp_fifo_queued(f) == queued - wanted);
}

static void
add(SpFifo *f, size_t channels, size_t frames, size_t *given)
{
	float *to = NULL;

	CHECK(sp_fifo_append(f, frames, &to) == SP_OK);
	for (size_t i = 0; i < frames * channels; i++)
		to[i] = value(*given + i);
	*given += frames * channels;
}

/* A long random life, from a queue that is too small for its first block. */
static void
test_order(size_t channels, size_t first_frames)
{
	size_t given = 0, taken = 0;
	SpFifo *f = NULL;

	CHECK(sp_fifo_new(&check_env, channels, first_frames, &f) == SP_OK);
	CHECK(sp_fifo_queued(f) == 0);
	take(f, channels, 10, &taken, false);
	for (int i = 0; i < 3000; i++)
	{
		if (check_random() % 8 == 0)
			CHECK(sp_fifo_reserve(f, check_random() % 3000) == SP_OK);
		add(f, channels, check_random() % 600, &given);
		take(f, channels, check_random() % 700, &taken, check_random() % 4 == 0);
		CHECK(sp_fifo_queued(f) * channels == given - taken);
	}
	while (sp_fifo_queued(f) > 0)
		take(f, channels, 4096, &taken, false);
	CHECK(given == taken);
	sp_fifo_free(f);
}

static size_t largest;

static void *
watching_alloc(void *host, size_t size)
{
	(void) host;
	if (size > largest)
		largest = size;
	return malloc(size);
}

/* A queue that is emptied as fast as it is filled does not grow with what passes. */
static void
test_bounded(void)
{
	const SpEnv env = {watching_alloc, check_release, NULL, NULL};
	size_t given = 0, taken = 0, after_a_while;
	SpFifo *f = NULL;

	CHECK(sp_fifo_new(&env, 2, 64, &f) == SP_OK);
	for (int i = 0; i < 100; i++)
	{
		add(f, 2, 1000, &given);
		take(f, 2, i % 10 == 0 ? 500 : 1050, &taken, false);
	}
	after_a_while = largest;
	for (int i = 0; i < 5000; i++)
	{
		add(f, 2, 1000, &given);
		take(f, 2, i % 10 == 0 ? 500 : 1060, &taken, false);
	}
	CHECK(largest == after_a_while);
	CHECK(largest < 8 * 2 * 1600 * sizeof(float));
	sp_fifo_free(f);
}

/* No memory: nothing is lost, and later there may be some. */
static void
test_no_memory(void)
{
	size_t given = 0, taken = 0;
	SpFifo *f = (SpFifo *) &given;
	float *to;

	for (long n = 0; n < 2; n++)
	{
		check_allocs_left = n;
		CHECK(sp_fifo_new(&check_env, 2, 16, &f) == SP_ERR_NO_MEMORY);
		CHECK(f == NULL);
	}
	check_allocs_left = -1;
	CHECK(sp_fifo_new(&check_env, 2, 16, &f) == SP_OK);
	add(f, 2, 10, &given);
	check_allocs_left = 0;
	CHECK(sp_fifo_append(f, 1000, &to) == SP_ERR_NO_MEMORY);
	CHECK(sp_fifo_reserve(f, 1000) == SP_ERR_NO_MEMORY);
	CHECK(sp_fifo_queued(f) == 10);
	check_allocs_left = -1;
	add(f, 2, 1000, &given);
	take(f, 2, 2000, &taken, false);
	CHECK(given == taken);
	sp_fifo_free(f);
	sp_fifo_free(NULL);
}

/* After reserve, as many frames are appended without an allocation. */
static void
test_reserve(void)
{
	size_t given = 0, taken = 0;
	SpFifo *f = NULL;

	CHECK(sp_fifo_new(&check_env, 1, 8, &f) == SP_OK);
	for (int i = 0; i < 50; i++)
	{
		size_t frames = 1 + check_random() % 3000;

		CHECK(sp_fifo_reserve(f, frames) == SP_OK);
		check_allocs_left = 0;
		for (size_t left = frames, n; left > 0; left -= n)
		{
			n = 1 + check_random() % 700;
			n = n < left ? n : left;
			add(f, 1, n, &given);
		}
		check_allocs_left = -1;
		take(f, 1, check_random() % 4000, &taken, false);
	}
	sp_fifo_free(f);
}

int
main(void)
{
	for (size_t channels = 1; channels <= 8; channels *= 2)
	{
		test_order(channels, 1);
		test_order(channels, 777);
	}
	test_bounded();
	test_no_memory();
	test_reserve();
	return check_report();
}
