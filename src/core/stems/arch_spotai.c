/*
 * src/core/stems/arch_spotai.c
 *	  The architecture `spotai`: one network that refines what cues.h tells of
 *	  four stems.
 *
 * Magnitudes and the shares of voice, drums, bass and other, in bands, are the
 * planes of a patch; a U-Net (nn/masknet) gives logits for all stems and both
 * channels at once, which are added to the logarithm of the shares.  A network
 * whose last layer is zero is the built-in method; what training adds is local
 * detail, while repetition over 40 s and pitch come from the cues.
 *
 * train/networks.py has the same network in PyTorch.  Sizes are read off the tensors; how
 * bins make bands is a hyper-parameter.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "core/stems/spotai_planes.h"
#include "core/stems/spotai_tensors.h"

/* What train/networks.py has. */
static const SpBandTable trained_bands = {4, {192, 160, 96, 64}, {1, 2, 4, 18}};
static const char *const trained_stems[SP_SPOTAI_STEMS] = {"vocals", "drums", "bass", "other"};

/* Frames that stand closer would make the window of the cues, 40 s, too long for memory. */
#define MIN_FRAME_S 0.01

struct SpNet
{
	SpNn *nn;
	SpPlanes *planes;
	SpMaskNet *net;
	SpMaskNetRoom *room;
	float *work; /* of planes */
};

/* --- hyper-parameters -------------------------------------------------------- */

static void
fill_trained(SpModelSpec *spec)
{
	for (int i = 0; i < SP_SPOTAI_STEMS && spec->stems == 0; i++)
		snprintf(spec->names[i], sizeof(spec->names[i]), "%s", trained_stems[i]);
	if (spec->stems == 0)
		spec->stems = SP_SPOTAI_STEMS;
	if (spec->bands.regions == 0)
		spec->bands = trained_bands;
	if (spec->sample_rate_hz == 0)
		spec->sample_rate_hz = 44100;
	if (spec->bins == 0)
		spec->bins = (int) sp_band_table_bins(&spec->bands);
	if (spec->fft_size == 0)
		spec->fft_size = 2 * (spec->bins - 1);
	if (spec->hop == 0)
		spec->hop = spec->fft_size / 4;
	if (spec->frames == 0)
		spec->frames = 128;
	if (spec->mask == SP_MASK_NONE)
		spec->mask = SP_MASK_SOFTMAX;
}

static SpStatus
check_transform(const SpModelSpec *spec, SpFault *fault)
{
	const char *hint = "Leave the hyper-parameter out to get the trained value.";

	if (spec->bins != (int) sp_band_table_bins(&spec->bands) ||
	    spec->bins != spec->fft_size / 2 + 1)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "The bands are of %zu bins, frames of %d samples have %d.",
		                sp_band_table_bins(&spec->bands), spec->fft_size, spec->fft_size / 2 + 1);
	if (spec->hop < MIN_FRAME_S * spec->sample_rate_hz)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "Frames that start every %d samples are too many at %d Hz.", spec->hop,
		                spec->sample_rate_hz);
	return SP_OK;
}

static SpStatus
check_spec(const SpModelSpec *spec, const SpMaskNetShape *shape, SpFault *fault)
{
	const char *hint = "Leave the hyper-parameter out to get the trained value.";

	if (spec->stems != SP_SPOTAI_STEMS)
		return sp_fault(fault, SP_ERR_BAD_DATA, "Name as many stems as the model has.",
		                "The weights are of %d stems, the hyper-parameters name %d.",
		                SP_SPOTAI_STEMS, spec->stems);
	if ((int) sp_band_table_bands(&spec->bands) != shape->bands)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "The weights are for %d bands, the hyper-parameters make %zu.",
		                shape->bands, sp_band_table_bands(&spec->bands));
	if (spec->frames % (1 << shape->levels) != 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "Frames (%d) of these weights are a multiple of %d.", spec->frames,
		                1 << shape->levels);
	if (spec->mask != SP_MASK_SOFTMAX)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "The mask of this architecture is \"softmax\".");
	if (spec->encoder != SP_ACT_NONE || spec->decoder != SP_ACT_NONE)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "The activations of this architecture cannot be chosen.");
	return check_transform(spec, fault);
}

static SpStatus
resolve(const SpTensorSource *tensors, SpModelSpec *spec, SpFault *fault)
{
	SpSpotaiPlan plan;
	SpStatus st = sp_spotai_plan(tensors, &plan, fault);

	if (st != SP_OK)
		return st;
	fill_trained(spec);
	return check_spec(spec, &plan.shape, fault);
}

/* --- weights ----------------------------------------------------------------- */

/* Reads one layer's tensors at a time into buffers that all share. */
typedef struct Loader
{
	const SpEnv *env;
	const SpTensorSource *tensors;
	SpFault *fault;
	SpSpotaiPlan plan;
	SpMaskNet *net;
	float *parts[4]; /* each as large as the largest tensor */
} Loader;

/* "LAYER.conv.weight" and its like, or "LAYER" where part is empty. */
static SpStatus
read_part(Loader *l, const char *layer, const char *part, float *out)
{
	char name[SP_SPOTAI_MAX_NAME];

	snprintf(name, sizeof(name), "%s%s", layer, part);
	return l->tensors->read(l->tensors->self, (size_t) sp_tensor_find(l->tensors, name), out,
	                        l->fault);
}

static SpStatus
read_four(Loader *l, const char *layer, const char *const parts[4], int count)
{
	SpStatus st = SP_OK;

	for (int i = 0; i < count && st == SP_OK; i++)
		st = read_part(l, layer, parts[i], l->parts[i]);
	return st;
}

static SpStatus
read_conv(Loader *l, const char *layer, int kernel, bool norm, SpMaskNetConv *out)
{
	static const char *const parts[4] = {".conv.weight", ".conv.bias", ".norm.weight",
	                                     ".norm.bias"};

	*out = (SpMaskNetConv){
		.kernel = kernel,
		.weights = l->parts[0],
		.bias = l->parts[1],
		.gamma = norm ? l->parts[2] : NULL,
		.beta = norm ? l->parts[3] : NULL,
	};
	return read_four(l, layer, parts, norm ? 4 : 2);
}

static SpStatus
load_stage(Loader *l, int level, int i)
{
	static const char *const parts[4] = {".inwards.weight", ".inwards.bias", ".outwards.weight",
	                                     ".outwards.bias"};
	SpMaskNetAcross across = {l->plan.narrow[level][i], l->parts[0], l->parts[1], l->parts[2],
	                          l->parts[3]};
	SpMaskNetConv conv;
	char layer[SP_SPOTAI_MAX_LAYER];
	SpStatus st;

	snprintf(layer, sizeof(layer), "stage.%d.%d", level, i);
	if (across.narrow > 0)
	{
		st = read_four(l, layer, parts, 4);
		return st != SP_OK ? st : sp_masknet_add_across(l->net, level, &across);
	}
	st = read_conv(l, layer, l->plan.kernel[level][i], true, &conv);
	return st != SP_OK ? st : sp_masknet_add_conv(l->net, level, &conv);
}

static SpStatus
load_level(Loader *l, int level)
{
	SpMaskNetConv conv;
	char layer[SP_SPOTAI_MAX_LAYER];
	SpStatus st;

	snprintf(layer, sizeof(layer), "down.%d", level);
	st = read_conv(l, layer, l->plan.down_kernel[level], level > 0, &conv);
	if (st == SP_OK)
		st = sp_masknet_set_down(l->net, level, &conv);
	for (int i = 0; i < l->plan.stages[level] && st == SP_OK; i++)
		st = load_stage(l, level, i);
	if (st != SP_OK || level == l->plan.shape.levels - 1)
		return st;
	snprintf(layer, sizeof(layer), "up.%d", l->plan.shape.levels - 2 - level);
	st = read_conv(l, layer, l->plan.up_kernel[level], level > 0, &conv);
	return st != SP_OK ? st : sp_masknet_set_up(l->net, level, &conv);
}

static SpStatus
load_network(Loader *l)
{
	SpMaskNetConv head;
	SpStatus st = SP_OK;

	for (int i = 0; i < l->plan.shape.levels && st == SP_OK; i++)
	{
		st = load_level(l, i);
		if (st == SP_OK && sp_should_stop(l->env))
			st = SP_ERR_CANCELED;
	}
	if (st == SP_OK)
		st = read_conv(l, "head", l->plan.head_kernel, false, &head);
	return st != SP_OK ? st : sp_masknet_set_head(l->net, &head);
}

static SpStatus
load_planes(Loader *l, SpNn *nn, const SpModelSpec *spec, SpPlanes **out)
{
	SpPlanesConfig cfg = {
		.frames = (size_t) spec->frames,
		.bins = (size_t) spec->bins,
		.bands = spec->bands,
		.precision = sp_nn_precision(nn),
	};
	SpStatus st = sp_planes_new(l->env, &cfg, out);

	if (st == SP_OK)
		st = read_part(l, "scale", "", sp_planes_scale(*out));
	if (st == SP_OK)
		st = read_part(l, "shift", "", sp_planes_shift(*out));
	if (st == SP_OK)
		st = read_part(l, "prior", "", sp_planes_prior(*out));
	return st != SP_OK ? st : read_part(l, "trust", "", sp_planes_trust(*out));
}

static SpStatus
make_loader(Loader *l)
{
	int64_t largest = 1;
	SpStatus st = sp_spotai_plan(l->tensors, &l->plan, l->fault);

	for (size_t i = 0; i < l->tensors->count; i++)
		if (l->tensors->tensors[i].elements > largest)
			largest = l->tensors->tensors[i].elements;
	for (int i = 0; i < 4 && st == SP_OK; i++)
	{
		l->parts[i] = sp_alloc(l->env, (size_t) largest, sizeof(float));
		if (l->parts[i] == NULL)
			st = SP_ERR_NO_MEMORY;
	}
	return st;
}

static void
unload(SpNet *net)
{
	if (net == NULL)
		return;
	sp_masknet_room_free(net->room);
	sp_free(sp_nn_env(net->nn), net->work);
	sp_masknet_free(net->net);
	sp_planes_free(net->planes);
	sp_free(sp_nn_env(net->nn), net);
}

static SpStatus
make_room(SpNet *net)
{
	net->work = sp_alloc(sp_nn_env(net->nn), sp_planes_room(net->planes), sizeof(float));
	return net->work == NULL ? SP_ERR_NO_MEMORY : sp_masknet_room_new(net->net, &net->room);
}

static SpStatus
load(SpNn *nn, const SpTensorSource *tensors, const SpModelSpec *spec, SpNet **out, SpFault *fault)
{
	const SpEnv *env = sp_nn_env(nn);
	SpNet *net = sp_calloc(env, 1, sizeof(*net));
	Loader l = {.env = env, .tensors = tensors, .fault = fault};
	SpStatus st;

	*out = NULL;
	if (net == NULL)
		return SP_ERR_NO_MEMORY;
	net->nn = nn;
	st = make_loader(&l);
	l.plan.shape.frames = spec->frames;
	if (st == SP_OK)
		st = load_planes(&l, nn, spec, &net->planes);
	if (st == SP_OK)
		st = sp_masknet_new(nn, &l.plan.shape, &net->net);
	l.net = net->net;
	if (st == SP_OK)
		st = load_network(&l);
	if (st == SP_OK)
		st = make_room(net);
	for (int i = 0; i < 4; i++)
		sp_free(env, l.parts[i]);
	if (st != SP_OK)
	{
		unload(net);
		return st;
	}
	*out = net;
	return SP_OK;
}

/* --- a patch ----------------------------------------------------------------- */

static size_t
row(const SpModelSpec *spec)
{
	return SP_SPOTAI_ROW * sp_band_table_bands(&spec->bands);
}

static size_t
columns(const SpModelSpec *spec)
{
	return sp_band_table_bands(&spec->bands);
}

static void
observe(SpNet *net, const float *const spectra[2], size_t stride, float scale,
        const float *const *levels, float *out)
{
	sp_planes_observe(net->planes, spectra, stride, scale, levels, out);
}

static SpStatus
estimate_masks(SpNet *net, int worker, const float *rows, size_t count, float *const *masks,
               const SpStop *stop)
{
	const float *logits;
	SpStatus st;

	sp_planes_fill(net->planes, rows, count, net->work, sp_masknet_input(net->room));
	st = sp_masknet_run(net->net, net->room, worker, &logits, stop);
	if (st == SP_OK)
		sp_planes_masks(net->planes, rows, count, logits, net->work, masks);
	return st;
}

static void
spread(const SpNet *net, const float *mask, float *out)
{
	sp_planes_spread(net->planes, mask, out);
}

static const SpMaskMethods mask_methods = {
	.row = row,
	.columns = columns,
	.observe = observe,
	.estimate = estimate_masks,
	.spread = spread,
};

const SpArchitecture sp_arch_spotai = {
	.name = "spotai",
	.title = "spotai's own U-Net, which refines the built-in method",
	.folds = true,
	.recognises = sp_spotai_recognises,
	.resolve = resolve,
	.load = load,
	.unload = unload,
	.masks = &mask_methods,
};
