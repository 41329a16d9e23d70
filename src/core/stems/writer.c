/*
 * src/core/stems/writer.c
 *	  Stems of one song into one file each, on threads.
 *
 * Two blocks change places: one is filled and rounded by the caller, the other
 * is encoded, a task for each stem.  A task touches its stem alone, so files
 * do not depend on the number of threads.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/writer.h"

#include "core/audio/quantise.h"

typedef struct Stem
{
	SpEncoder *encoder;
	SpMeasure measure;
	float *samples[2];
	int32_t *rounded[2];
	SpFault fault; /* of its task */
} Stem;

struct SpWriter
{
	const SpEnv *env;
	/* the same without should_stop, which threads may not ask */
	SpEnv threads_env;
	SpWriterConfig cfg;
	size_t filling; /* the block of the caller, 0 or 1 */
	size_t frames;  /* of the other one, which is encoded */
	bool working;
	bool finishing;
	float *block[2][SP_SEPARATOR_MAX_STEMS]; /* samples of all stems, for callers */
	Stem stems[SP_SEPARATOR_MAX_STEMS];
};

static SpStatus
make_stem(SpWriter *w, Stem *stem, SpSpool *sink, SpFault *fault)
{
	size_t n = SP_WRITER_FRAMES * (size_t) w->cfg.encoder.channels;

	for (int k = 0; k < 2; k++)
	{
		stem->samples[k] = sp_alloc(w->env, n, sizeof(float));
		stem->rounded[k] = sp_alloc(w->env, n, sizeof(int32_t));
		if (stem->samples[k] == NULL || stem->rounded[k] == NULL)
			return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for blocks of stems.");
	}
	sp_measure_init(&stem->measure, w->cfg.encoder.channels);
	return sp_encoder_open(&w->threads_env, &w->cfg.encoder, sink, &stem->encoder, fault);
}

SpStatus
sp_writer_new(const SpEnv *env, const SpWriterConfig *cfg, SpSpool *const *sinks, SpWriter **out,
              SpFault *fault)
{
	SpWriter *w;
	SpStatus st = SP_OK;

	*out = NULL;
	if (cfg->stems < 1 || cfg->stems > SP_SEPARATOR_MAX_STEMS)
		return sp_fault(fault, SP_ERR_BAD_ARG, NULL, "Files for %d stems.", cfg->stems);
	w = sp_calloc(env, 1, sizeof(*w));
	if (w == NULL)
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for writing stems.");
	w->env = env;
	w->threads_env = *env;
	w->threads_env.should_stop = NULL;
	w->cfg = *cfg;
	for (int i = 0; i < cfg->stems && st == SP_OK; i++)
	{
		st = make_stem(w, &w->stems[i], sinks[i], fault);
		w->block[0][i] = w->stems[i].samples[0];
		w->block[1][i] = w->stems[i].samples[1];
	}
	if (st != SP_OK)
	{
		sp_writer_free(w);
		return st;
	}
	*out = w;
	return SP_OK;
}

void
sp_writer_free(SpWriter *w)
{
	if (w == NULL)
		return;
	if (w->working && w->cfg.pool != NULL)
		sp_pool_cancel(w->cfg.pool);
	for (int i = 0; i < w->cfg.stems; i++)
	{
		sp_encoder_free(w->stems[i].encoder);
		for (int k = 0; k < 2; k++)
		{
			sp_free(w->env, w->stems[i].samples[k]);
			sp_free(w->env, w->stems[i].rounded[k]);
		}
	}
	sp_free(w->env, w);
}

float *const *
sp_writer_block(const SpWriter *w)
{
	return w->block[w->filling];
}

const SpMeasure *
sp_writer_measure(const SpWriter *w, int stem)
{
	return &w->stems[stem].measure;
}

/* A block of one stem, or the end of its file. */
static SpStatus
encode(void *arg, int task, int worker, const SpStop *stop)
{
	SpWriter *w = arg;
	Stem *stem = &w->stems[task];
	size_t k = 1 - w->filling;

	(void) worker;
	(void) stop;
	if (w->finishing)
		return sp_encoder_finish(stem->encoder, &stem->fault);
	sp_measure_push(&stem->measure, stem->samples[k], w->frames);
	return sp_encoder_write_int(stem->encoder, stem->rounded[k], w->frames, &stem->fault);
}

SpStatus
sp_writer_settle(SpWriter *w, SpFault *fault)
{
	SpStatus st;

	if (!w->working)
		return SP_OK;
	st = sp_pool_wait(w->cfg.pool);
	w->working = false;
	for (int i = 0; st != SP_OK && fault != NULL && i < w->cfg.stems; i++)
		if (w->stems[i].fault.detail[0] != '\0')
			*fault = w->stems[i].fault;
	return st;
}

static SpStatus
start_tasks(SpWriter *w, SpFault *fault)
{
	SpStatus st = SP_OK;

	if (w->cfg.pool != NULL)
	{
		w->working = true;
		sp_pool_start(w->cfg.pool, encode, w, w->cfg.stems);
		return SP_OK;
	}
	for (int i = 0; i < w->cfg.stems && st == SP_OK; i++)
	{
		st = sp_should_stop(w->env) ? SP_ERR_CANCELED : encode(w, i, 0, NULL);
		if (st != SP_OK && fault != NULL)
			*fault = w->stems[i].fault;
	}
	return st;
}

static void
round_block(SpWriter *w, size_t samples)
{
	const float *in[SP_SEPARATOR_MAX_STEMS];
	int32_t *out[SP_SEPARATOR_MAX_STEMS];

	for (int i = 0; i < w->cfg.stems; i++)
	{
		in[i] = w->stems[i].samples[w->filling];
		out[i] = w->stems[i].rounded[w->filling];
		if (!w->cfg.sum_to_mix)
			sp_quantise(out[i], in[i], samples, w->cfg.encoder.bits);
	}
	if (w->cfg.sum_to_mix)
		sp_quantise_stems(out, in, NULL, (size_t) w->cfg.stems, samples, w->cfg.encoder.bits);
}

SpStatus
sp_writer_put(SpWriter *w, size_t frames, SpFault *fault)
{
	SpStatus st;

	round_block(w, frames * (size_t) w->cfg.encoder.channels);
	st = sp_writer_settle(w, fault);
	if (st != SP_OK)
		return st;
	w->frames = frames;
	w->filling = 1 - w->filling;
	return start_tasks(w, fault);
}

SpStatus
sp_writer_finish(SpWriter *w, SpFault *fault)
{
	SpStatus st = sp_writer_settle(w, fault);

	if (st != SP_OK)
		return st;
	w->finishing = true;
	st = start_tasks(w, fault);
	return st == SP_OK ? sp_writer_settle(w, fault) : st;
}
