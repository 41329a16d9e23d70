/*
 * tests/unit/test_nn_memory.c
 *	  Memory that runs out at every allocation of a network, and a network that
 *	  allocates nothing once it runs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include <limits.h>

#include "core/nn/bilstm.h"
#include "core/nn/head.h"
#include "core/nn/unet.h"
#include "core/stems/architecture.h"
#include "spleeter_source.h"

#define SIZE 64

static const int tiny[6] = {1, 2, 3, 4, 5, 6};

/* A host that counts what it has lent, and has nothing left from the n-th request on. */
typedef struct Host
{
	long lent, asked, fails_from;
} Host;

static void *
host_alloc(void *arg, size_t size)
{
	Host *host = arg;

	if (host->asked++ >= host->fails_from)
		return NULL;
	host->lent++;
	return malloc(size);
}

static void
host_release(void *arg, void *p)
{
	((Host *) arg)->lent--;
	free(p);
}

/* Makes and loads a network of both stems for two workers, runs it once. */
static SpStatus
load_and_run(const SpEnv *env, SpPrecision precision, const SpleeterSource *s, SpModelSpec *spec,
             float *io)
{
	SpNn *nn = NULL;
	SpNet *net = NULL;
	SpStatus st = sp_nn_new(env, precision, 2, &nn);

	if (st == SP_OK)
		st = sp_arch_spleeter.load(nn, &s->source, spec, &net, NULL);
	CHECK((st == SP_OK) == (net != NULL));
	for (int worker = 0; worker < 2 && st == SP_OK; worker++)
	{
		Host *host = env->host;
		long before = host->asked;

		st = sp_arch_spleeter.estimate(net, worker, worker, io, io + 2 * SIZE * SIZE, NULL);
		CHECK(host->asked == before);
	}
	sp_arch_spleeter.unload(net);
	sp_nn_free(nn);
	return st;
}

static void
check_network(SpPrecision precision)
{
	Host host = {.fails_from = LONG_MAX};
	SpEnv env = {host_alloc, host_release, NULL, &host};
	SpleeterSource *s = spleeter_source(2, tiny);
	float *io = calloc((size_t) 4 * SIZE * SIZE, sizeof(float));
	SpModelSpec spec;
	long needed;

	CHECK(sp_model_spec_parse("{\"frames\": 64, \"bins\": 64}", &spec, NULL) == SP_OK);
	CHECK(sp_arch_spleeter.resolve(&s->source, &spec, NULL) == SP_OK);
	CHECK(load_and_run(&env, precision, s, &spec, io) == SP_OK);
	CHECK(host.lent == 0);
	needed = host.asked;
	CHECK(needed > 100);
	for (long n = 0; n < needed; n++)
	{
		host.asked = 0;
		host.fails_from = n;
		CHECK(load_and_run(&env, precision, s, &spec, io) == SP_ERR_NO_MEMORY);
		CHECK(host.lent == 0);
	}
	printf("# a network asks for memory %ld times\n", needed);
	free(io);
	free(s);
}

/* --- single layers ---------------------------------------------------------------------- */

static SpStatus
make_lstm(SpNn *nn, SpBilstm **out)
{
	static const float zeros[64] = {0};
	SpLstmWeights w = {{zeros, zeros}, {zeros, zeros}, {zeros, zeros}};

	return sp_bilstm_new(nn, 3, 2, 2, &w, out);
}

/* A layer of each kind that a U-Net does not have. */
static SpStatus
make_layers(const SpEnv *env)
{
	static const float zeros[64] = {0};
	SpLayer *linear = NULL;
	SpBilstm *lstm = NULL;
	SpNn *nn = NULL;
	SpStatus st = sp_nn_new(env, SP_PRECISION_F32, 1, &nn);

	if (st == SP_OK)
		st = sp_linear_new(nn, 1, 3, 2, zeros, NULL, &linear);
	if (st == SP_OK)
		st = make_lstm(nn, &lstm);
	sp_layer_free(linear);
	sp_bilstm_free(lstm);
	sp_nn_free(nn);
	return st;
}

static void
check_layers(void)
{
	Host host = {.fails_from = LONG_MAX};
	SpEnv env = {host_alloc, host_release, NULL, &host};
	long needed;

	CHECK(make_layers(&env) == SP_OK);
	CHECK(host.lent == 0);
	needed = host.asked;
	for (long n = 0; n < needed; n++)
	{
		host.asked = 0;
		host.fails_from = n;
		CHECK(make_layers(&env) == SP_ERR_NO_MEMORY);
		CHECK(host.lent == 0);
	}
}

/* Sizes whose product does not fit into size_t. */
static void
check_overflow(void)
{
	static const float zeros[64] = {0};
	SpHeadShape shape = {INT_MAX - 1, INT_MAX - 1, INT_MAX, INT_MAX, SP_PRECISION_F32};
	SpDeconvShape deconv = {2, 2, INT_MAX, INT_MAX, 16, 1, false};
	SpHeadRoom *room = NULL;
	SpDeconv *d = NULL;
	SpLayer *layer = NULL;
	SpNn *nn = NULL;

	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 1, &nn) == SP_OK);
	check_allocs_left = 1; /* whoever asks for a sum that wrapped would get it */
	CHECK(sp_head_room_new(&check_env, &shape, &room) == SP_ERR_NO_MEMORY);
	check_allocs_left = 1;
	CHECK(sp_deconv_new(nn, &deconv, zeros, NULL, &d) == SP_ERR_NO_MEMORY);
	check_allocs_left = 1;
	CHECK(sp_linear_new(nn, INT_MAX, INT_MAX, INT_MAX, zeros, NULL, &layer) != SP_OK);
	check_allocs_left = -1;
	CHECK(room == NULL && d == NULL && layer == NULL);
	sp_nn_free(nn);
}

/* What a network must not be made of, and cannot be asked. */
static void
check_refusals(void)
{
	SpUnetShape good = {64, 64, {1, 2, 3, 4, 5, 6}, {5, 4, 3, 2, 1, 1}, SP_ACT_ELU, SP_ACT_ELU};
	float ones[4 * 4 * 2] = {1};
	SpUnetBlock block = {ones, ones, {ones, ones, ones, ones, 1e-3f}};
	SpUnet *net = NULL;
	SpNn *nn = NULL;

	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 1, &nn) == SP_OK);
	for (int i = 0; i < 5; i++)
	{
		SpUnetShape bad = good;
		SpUnetRoom *room = NULL;

		*(i < 2 ? &bad.frames : i < 4 ? &bad.bins : &bad.up[5]) = i % 2 == 0 ? 63 : -64;
		CHECK(sp_unet_new(nn, &bad, &net) == SP_ERR_BAD_ARG && net == NULL);
		CHECK(sp_unet_room_new(nn, &bad, &room) == SP_ERR_BAD_ARG && room == NULL);
	}
	CHECK(sp_unet_new(nn, &good, &net) == SP_OK);
	/* the last layers take up what follows the one before them */
	CHECK(sp_unet_set_last(net, &block, &block) == SP_ERR_BAD_ARG);
	sp_unet_free(net);
	sp_unet_free(NULL);
	sp_unet_room_free(NULL);
	sp_nn_free(nn);
}

int
main(void)
{
	check_network(SP_PRECISION_F32);
	if (sp_nn_cpu_runs_bf16())
		check_network(SP_PRECISION_BF16);
	else
		printf("# SKIP bf16: %s\n", sp_nn_cpu_isa());
	check_layers();
	check_overflow();
	check_refusals();
	return check_report();
}
