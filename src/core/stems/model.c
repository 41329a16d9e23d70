/*
 * src/core/stems/model.c
 *	  A trained model in memory.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/model.h"

struct SpModel
{
	const SpEnv *env;
	SpModelSpec spec;
	SpNn *nn;
	SpNet *net;
	SpPool *pool;
};

SpStatus
sp_model_load(const SpEnv *env, const SpTensorSource *tensors, const SpModelSpec *spec,
              SpPrecision precision, int threads, SpModel **out, SpFault *fault)
{
	SpModel *m = sp_calloc(env, 1, sizeof(*m));
	SpStatus st;

	*out = NULL;
	if (m == NULL)
		return SP_ERR_NO_MEMORY;
	m->env = env;
	m->spec = *spec;
	st = sp_nn_new(env, precision, threads, &m->nn);
	if (st == SP_ERR_UNSUPPORTED)
		sp_fault(fault, st, "Set spotai.nn_precision to auto or f32.",
		         "Computing in bf16 takes a CPU with AVX-512; this one has %s.", sp_nn_cpu_isa());
	if (st == SP_OK)
		st = spec->architecture->load(m->nn, tensors, spec, &m->net, fault);
	if (st == SP_OK)
		st = sp_pool_new(env, threads, sp_nn_enter_thread, &m->pool);
	if (st != SP_OK)
	{
		sp_model_free(m);
		return st;
	}
	*out = m;
	return SP_OK;
}

void
sp_model_free(SpModel *model)
{
	if (model == NULL)
		return;
	/* threads first: they use the rest */
	sp_pool_free(model->pool);
	if (model->net != NULL)
		model->spec.architecture->unload(model->net);
	sp_nn_free(model->nn);
	sp_free(model->env, model);
}

const SpModelSpec *
sp_model_spec(const SpModel *model)
{
	return &model->spec;
}

SpPrecision
sp_model_precision(const SpModel *model)
{
	return sp_nn_precision(model->nn);
}

SpPool *
sp_model_pool(const SpModel *model)
{
	return model->pool;
}

SpStatus
sp_model_estimate(const SpModel *model, int worker, int stem, const float *mix, float *out,
                  const SpStop *stop)
{
	return model->spec.architecture->estimate(model->net, worker, stem, mix, out, stop);
}

void
sp_model_observe(const SpModel *model, const float *const spectra[2], size_t stride, float scale,
                 const float *const *levels, float *row)
{
	model->spec.architecture->masks->observe(model->net, spectra, stride, scale, levels, row);
}

SpStatus
sp_model_estimate_masks(const SpModel *model, int worker, const float *rows, size_t count,
                        float *const *masks, const SpStop *stop)
{
	return model->spec.architecture->masks->estimate(model->net, worker, rows, count, masks, stop);
}

void
sp_model_spread(const SpModel *model, const float *mask, float *out)
{
	model->spec.architecture->masks->spread(model->net, mask, out);
}
