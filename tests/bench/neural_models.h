/*
 * tests/bench/neural_models.h
 *	  Networks with seeded weights, loaded and ready to be timed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef NEURAL_MODELS_H
#define NEURAL_MODELS_H

#include "bench/neural_batch.h"
#include "core/stems/architecture.h"
#include "spleeter_source.h"

/* --- Open-Unmix: umxhq's sizes, names as tests/golden/neural/umx.py has them --- */

#define UMX_BINS    2049
#define UMX_BAND    1487
#define UMX_HIDDEN  512
#define UMX_TENSORS 64 /* of a target; 43 */

typedef struct UmxSource
{
	SpTensorSource source;
	SpTensorInfo tensors[4 * UMX_TENSORS];
	char names[4 * UMX_TENSORS][64];
} UmxSource;

/* cols 0: a vector */
static inline void
umx_add(UmxSource *s, const char *target, const char *part, int64_t rows, int64_t cols)
{
	size_t i = s->source.count++;

	snprintf(s->names[i], sizeof(s->names[i]), "%s.%s", target, part);
	s->tensors[i] = (SpTensorInfo){.name = s->names[i], .rank = cols == 0 ? 1 : 2};
	s->tensors[i].shape[0] = rows;
	s->tensors[i].shape[1] = cols;
	s->tensors[i].elements = cols == 0 ? rows : rows * cols;
}

static inline void
umx_add_lstm(UmxSource *s, const char *target)
{
	char part[48];

	for (int i = 0; i < 6; i++)
	{
		const char *end = i % 2 == 0 ? "" : "_reverse";

		snprintf(part, sizeof(part), "lstm.weight_ih_l%d%s", i / 2, end);
		umx_add(s, target, part, 2 * UMX_HIDDEN, UMX_HIDDEN);
		snprintf(part, sizeof(part), "lstm.weight_hh_l%d%s", i / 2, end);
		umx_add(s, target, part, 2 * UMX_HIDDEN, UMX_HIDDEN / 2);
		snprintf(part, sizeof(part), "lstm.bias_ih_l%d%s", i / 2, end);
		umx_add(s, target, part, 2 * UMX_HIDDEN, 0);
		snprintf(part, sizeof(part), "lstm.bias_hh_l%d%s", i / 2, end);
		umx_add(s, target, part, 2 * UMX_HIDDEN, 0);
	}
}

static inline void
umx_add_target(UmxSource *s, const char *target)
{
	static const char *const norms[] = {"weight", "bias", "running_mean", "running_var"};
	char part[48];

	umx_add(s, target, "fc1.weight", UMX_HIDDEN, 2 * UMX_BAND);
	umx_add(s, target, "fc2.weight", UMX_HIDDEN, 2 * UMX_HIDDEN);
	umx_add(s, target, "fc3.weight", 2 * UMX_BINS, UMX_HIDDEN);
	umx_add(s, target, "input_mean", UMX_BAND, 0);
	umx_add(s, target, "input_scale", UMX_BAND, 0);
	umx_add(s, target, "output_mean", UMX_BINS, 0);
	umx_add(s, target, "output_scale", UMX_BINS, 0);
	for (int bn = 1; bn <= 3; bn++)
		for (int i = 0; i < 4; i++)
		{
			snprintf(part, sizeof(part), "bn%d.%s", bn, norms[i]);
			umx_add(s, target, part, bn < 3 ? UMX_HIDDEN : 2 * UMX_BINS, 0);
		}
	umx_add_lstm(s, target);
}

static inline SpStatus
umx_read(void *self, size_t i, float *out, SpFault *fault)
{
	const SpTensorInfo *t = &((UmxSource *) self)->tensors[i];

	(void) fault;
	golden_weights(t->name, t->rank, t->shape, out);
	return SP_OK;
}

/* Release with free(). */
static inline UmxSource *
umx_source(void)
{
	static const char *const targets[] = {"bass", "drums", "other", "vocals"};
	UmxSource *s = calloc(1, sizeof(*s));

	for (int i = 0; i < 4; i++)
		umx_add_target(s, targets[i]);
	qsort(s->tensors, s->source.count, sizeof(SpTensorInfo), spleeter_by_name);
	s->source.tensors = s->tensors;
	s->source.read = umx_read;
	s->source.self = s;
	return s;
}

/* --- a network, its input and its outputs --- */

typedef struct Loaded
{
	SpModelSpec spec;
	SpNn *nn;
	SpNet *net;
	float *mix; /* [2][frames][bins] */
	float *out[SP_MODEL_MAX_STEMS];
} Loaded;

static inline Loaded *
load_source(const SpArchitecture *architecture, const SpTensorSource *source, SpPrecision precision,
            int workers)
{
	Loaded *l = calloc(1, sizeof(*l));
	size_t n;

	l->spec.architecture = architecture;
	must(architecture->resolve(source, &l->spec, NULL), "resolving seeded weights");
	must(sp_nn_new(&env, precision, workers, &l->nn), "starting oneDNN");
	must(architecture->load(l->nn, source, &l->spec, &l->net, NULL), "loading seeded weights");
	n = (size_t) 2 * (size_t) l->spec.frames * (size_t) l->spec.bins;
	l->mix = malloc(n * sizeof(float));
	golden_patch((size_t) l->spec.frames, (size_t) l->spec.bins, l->mix);
	for (int i = 0; i < l->spec.stems; i++)
		l->out[i] = calloc(n, sizeof(float));
	return l;
}

static inline Loaded *
load_spleeter(int stems, SpPrecision precision, int workers)
{
	SpleeterSource *source = spleeter_source(stems, spleeter_full);
	Loaded *l = load_source(&sp_arch_spleeter, &source->source, precision, workers);

	free(source);
	return l;
}

static inline Loaded *
load_openunmix(SpPrecision precision, int workers)
{
	UmxSource *source = umx_source();
	Loaded *l = load_source(&sp_arch_openunmix, &source->source, precision, workers);

	free(source);
	return l;
}

static inline void
unload(Loaded *l)
{
	l->spec.architecture->unload(l->net);
	sp_nn_free(l->nn);
	free(l->mix);
	for (int i = 0; i < l->spec.stems; i++)
		free(l->out[i]);
	free(l);
}

/* --- what a patch costs --- */

#define UNET_LAYERS 12 /* six down, five up, and the last two in one */

static const char *const unet_layers[UNET_LAYERS] = {
	"down 1, 2 to 16", "down 2, to 32",   "down 3, to 64",    "down 4, to 128",
	"down 5, to 256",  "down 6, to 512",  "up 1, 512 to 256", "up 2, 512 to 128",
	"up 3, 256 to 64", "up 4, 128 to 32", "up 5, 64 to 16",   "up 6, 32 to 1, and the mask"};

/* Floating-point operations of a layer of one U-Net; a multiplication with its addition is two. */
static inline double
unet_flop(int layer)
{
	double pixels = 512.0 * 1024.0;

	if (layer < 6)
		return 2 * 25 * pixels / (4 << (2 * layer)) * (layer == 0 ? 2 : 8 << layer) * (16 << layer);
	if (layer == 11)
		return 2 * (25 * pixels / 4 * 32 + 16 * pixels * 2);
	/* of the transposed ones, each input pixel meets all taps; the first has no skip beside it */
	return 2 * 25 * pixels / (4096 >> (2 * (layer - 6))) *
	       (layer == 6 ? 512 : 2 * (512 >> (layer - 6))) * (256 >> (layer - 6));
}

/* One target of Open-Unmix, a patch of `frames`. */
static inline double
umx_flop(int frames)
{
	double dense =
		2.0 * UMX_BAND * UMX_HIDDEN + 2.0 * UMX_HIDDEN * UMX_HIDDEN + 2.0 * UMX_BINS * UMX_HIDDEN;
	double lstm = 6.0 * 2 * UMX_HIDDEN * (UMX_HIDDEN + UMX_HIDDEN / 2);

	return 2.0 * frames * (dense + lstm);
}

#endif /* NEURAL_MODELS_H */
