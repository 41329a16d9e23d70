/*
 * tests/unit/test_nn_workers.c
 *	  One network on several threads at once: the numbers of one thread, bit for
 *	  bit; no thread that nobody asked for; stopping between layers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include <dirent.h>
#include <stdatomic.h>

#include "core/stems/model.h"
#include "spleeter_source.h"

#define WORKERS 4
#define TASKS   40
#define FRAMES  64
#define BINS    128
#define VALUES  ((size_t) 2 * FRAMES * BINS)

static const int filters[6] = {4, 5, 6, 7, 8, 9};

typedef struct Batch
{
	const SpModel *model;
	float *mix;  /* [TASKS][VALUES] */
	float *want; /* of one thread */
	float *got;
} Batch;

static int
count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	if (dir == NULL)
		return -1;
	for (struct dirent *e; (e = readdir(dir)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static SpStatus
run_task(void *arg, int task, int worker, const SpStop *stop)
{
	Batch *b = arg;

	return sp_model_estimate(b->model, worker, task % 2, b->mix + (size_t) task * VALUES,
	                         b->got + (size_t) task * VALUES, stop);
}

static bool
always(void *arg)
{
	(void) arg;
	return true;
}

/* Asked once a layer: true from the n-th question on. */
typedef struct Countdown
{
	int left, asked;
} Countdown;

static bool
after_some(void *arg)
{
	Countdown *c = arg;

	c->asked++;
	return c->left-- <= 0;
}

static void
check_stop(Batch *b)
{
	SpStop at_once = {always, NULL};
	Countdown never = {1000, 0};
	SpStop stop = {after_some, &never};

	CHECK(sp_model_estimate(b->model, 0, 0, b->mix, b->got, &at_once) == SP_ERR_CANCELED);
	CHECK(sp_model_estimate(b->model, 0, 0, b->mix, b->got, &stop) == SP_OK);
	CHECK(never.asked >= 11); /* six layers down, five up */
	for (int n = 0; n < never.asked; n++)
	{
		Countdown some = {n, 0};
		SpStop later = {after_some, &some};

		CHECK(sp_model_estimate(b->model, 0, 0, b->mix, b->got, &later) == SP_ERR_CANCELED);
		CHECK(some.asked == n + 1);
	}
	/* what was left half done spoils nothing */
	CHECK(sp_model_estimate(b->model, 0, 0, b->mix, b->got, NULL) == SP_OK);
	CHECK(memcmp(b->got, b->want, VALUES * sizeof(float)) == 0);
}

static void
check_precision(SpPrecision precision)
{
	SpleeterSource *source = spleeter_source(2, filters);
	SpModelSpec spec = {.architecture = &sp_arch_spleeter, .frames = FRAMES, .bins = BINS};
	Batch b = {.mix = malloc(TASKS * VALUES * sizeof(float)),
	           .want = malloc(TASKS * VALUES * sizeof(float)),
	           .got = malloc(TASKS * VALUES * sizeof(float))};
	SpModel *model = NULL;

	CHECK(sp_arch_spleeter.resolve(&source->source, &spec, NULL) == SP_OK);
	CHECK(sp_model_load(&check_env, &source->source, &spec, precision, WORKERS, &model, NULL) ==
	      SP_OK);
	if (model == NULL)
		exit(check_report());
	b.model = model;
	for (size_t i = 0; i < TASKS * VALUES; i++)
		b.mix[i] = fabsf(check_noise()) * 20;
	for (int t = 0; t < TASKS; t++)
		CHECK(sp_model_estimate(model, 0, t % 2, b.mix + (size_t) t * VALUES,
		                        b.want + (size_t) t * VALUES, NULL) == SP_OK);
	for (int round = 0; round < 3; round++)
	{
		memset(b.got, 0, TASKS * VALUES * sizeof(float));
		sp_pool_start(sp_model_pool(model), run_task, &b, TASKS);
		CHECK(sp_pool_wait(sp_model_pool(model)) == SP_OK);
		CHECK(memcmp(b.got, b.want, TASKS * VALUES * sizeof(float)) == 0);
	}
	CHECK(count_threads() == 1 + WORKERS);
	check_stop(&b);
	sp_model_free(model);
	free(source);
	free(b.mix);
	free(b.want);
	free(b.got);
}

int
main(void)
{
	check_precision(SP_PRECISION_F32);
	if (sp_nn_cpu_runs_bf16())
		check_precision(SP_PRECISION_BF16);
	else
		printf("# SKIP bf16: %s\n", sp_nn_cpu_isa());
	CHECK(count_threads() == 1);
	return check_report();
}
