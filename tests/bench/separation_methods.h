/*
 * tests/bench/separation_methods.h
 *	  Ways to separate a clip, from doing nothing to knowing the answer.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SEPARATION_METHODS_H
#define SEPARATION_METHODS_H

#include <math.h>
#include <string.h>

#include "bench/separation_clips.h"
#include "core/model/weights.h"
#include "core/stems/classical.h"
#include "core/stems/neural.h"
#include "host.h"
#include "twins/hpss.h"
#include "twins/repet_sim.h"

#define ORACLE_SIZE 4096

/* Fills estimates, each [count][channels]; a part that it leaves alone stays silent. */
typedef void (*Method)(const Clip *clip, float **estimates);

static void
check(SpStatus st)
{
	if (st == SP_OK)
		return;
	fprintf(stderr, "status %d\n", (int) st);
	exit(2);
}

static void
scale_mix(const Clip *c, float **estimates, float gain)
{
	for (int p = 0; p < PARTS; p++)
		for (size_t i = 0; i < c->count * c->channels; i++)
			estimates[p][i] = gain * c->mix[i];
}

static void
method_mixture(const Clip *c, float **estimates)
{
	scale_mix(c, estimates, 1.0f);
}

static void
method_half(const Clip *c, float **estimates)
{
	scale_mix(c, estimates, 0.5f);
}

static void
take_rest(const Clip *c, float **estimates)
{
	for (size_t i = 0; i < c->count * c->channels; i++)
		estimates[ACCOMPANIMENT][i] = c->mix[i] - estimates[VOCALS][i];
}

static void
method_hpss(const Clip *c, float **estimates)
{
	TwinStems out = {estimates[VOCALS], estimates[DRUMS], estimates[BASS], estimates[OTHER]};

	twin_hpss_stems(c->mix, c->count, c->channels, c->rate, out);
	take_rest(c, estimates);
}

static void
method_repet(const Clip *c, float **estimates)
{
	twin_repet_vocals(c->mix, c->count, c->channels, c->rate, estimates[VOCALS]);
	take_rest(c, estimates);
}

/* Takes the separator. */
static void
run_separator(SpSeparator *s, const Clip *c, float **estimates)
{
	float *out[4] = {estimates[VOCALS], estimates[DRUMS], estimates[BASS], estimates[OTHER]};

	check(sp_separator_push(s, c->mix, c->count));
	check(sp_separator_finish(s));
	if (sp_separator_pull(s, out, c->count) != c->count)
		check(SP_ERR_BAD_DATA);
	sp_separator_free(s);
	take_rest(c, estimates);
}

static void
method_classical(const Clip *c, float **estimates)
{
	SpSeparatorConfig cfg = {c->rate, (int) c->channels, 4, true};
	SpSeparator *s;

	check(sp_classical_new(&env, &cfg, &s));
	run_separator(s, c, estimates);
}

/* The network that comes with the extension. */
static const SpModel *
base_model(void)
{
	static SpModel *model = NULL;
	SpWeightsLimits limits = {0, 1000, "/tmp"};
	SpModelSpec spec = {.architecture = sp_architecture_find("spotai")};
	SpFault fault = {{0}, {0}};
	SpWeights *weights;

	if (model != NULL)
		return model;
	check(sp_weights_open_path(&env, "models/spotai-base.safetensors", &limits, &weights, &fault));
	check(sp_model_spec_parse(sp_weights_metadata(weights, "spotai.params"), &spec, &fault));
	spec.architecture = sp_architecture_find("spotai");
	check(spec.architecture->resolve(sp_weights_tensors(weights), &spec, &fault));
	check(sp_model_load(&env, sp_weights_tensors(weights), &spec, SP_PRECISION_F32, 2, &model,
	                    &fault));
	sp_weights_free(weights);
	return model;
}

static void
method_base(const Clip *c, float **estimates)
{
	SpNeuralConfig cfg = {.song = {c->rate, (int) c->channels, 4, true}};
	SpSeparator *s;

	check(sp_neural_new(&env, base_model(), &cfg, &s));
	run_separator(s, c, estimates);
}

/* Power ratio masks of the true parts: what no mask on this transform beats by much. */
static void
method_oracle(const Clip *c, float **estimates)
{
	bool all = c->truth[DRUMS] != NULL;

	for (size_t channel = 0; channel < c->channels; channel++)
	{
		TwinSpectrogram mix =
			twin_spectrogram(c->mix + channel, c->count, c->channels, ORACLE_SIZE);
		size_t n = mix.frames * mix.bins;
		float *total = twin_alloc(n, sizeof(float));
		TwinSpectrogram parts[PARTS];

		memset(total, 0, n * sizeof(float));
		for (int p = 0; p < PARTS; p++)
		{
			if (c->truth[p] == NULL)
				continue;
			parts[p] = twin_spectrogram(c->truth[p] + channel, c->count, c->channels, ORACLE_SIZE);
			for (size_t i = 0; i < n; i++)
				if (all ? p != ACCOMPANIMENT : true)
					total[i] += parts[p].magnitude[i] * parts[p].magnitude[i];
		}
		for (int p = 0; p < PARTS; p++)
		{
			if (c->truth[p] == NULL)
				continue;
			for (size_t i = 0; i < n; i++)
				parts[p].magnitude[i] *= parts[p].magnitude[i] / fmaxf(total[i], 1e-20f);
			twin_resynthesise(&mix, parts[p].magnitude, estimates[p] + channel, c->count,
			                  c->channels);
			twin_spectrogram_free(&parts[p]);
		}
		twin_spectrogram_free(&mix);
		free(total);
	}
	take_rest(c, estimates);
}

static const struct
{
	const char *name;
	Method run;
} methods[] = {
	{"mixture", method_mixture},
	{"half the mixture", method_half},
	{"two-stage HPSS (twin)", method_hpss},
	{"REPET-SIM (twin)", method_repet},
	{"classical", method_classical},
	{"spotai-base", method_base},
	{"oracle power ratio mask", method_oracle},
};

/* Their places in the table. */
enum
{
	CLASSICAL = 4,
	BASE
};

#define METHODS (sizeof(methods) / sizeof(methods[0]))

#endif /* SEPARATION_METHODS_H */
