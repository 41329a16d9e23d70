/*
 * src/core/stems/arch_openunmix.c
 *	  The architecture `openunmix`: one recurrent network for each target.
 *
 * Stöter, Uhlich, Liutkus, Mitsufuji, "Open-Unmix - a reference implementation
 * for music source separation", JOSS 4 (41), 2019.  A frame's magnitudes below
 * 16 kHz, shifted and scaled, go through a dense layer, three bidirectional
 * LSTM layers with a skip around them, and two dense layers back to a mask
 * without upper bound on all bins.  Sizes are read off the tensors, so umx,
 * umxhq (hidden 512) and umxl (hidden 1024) are the same code.
 *
 * The releases are one PyTorch pickle a target, which nobody should have to
 * unpickle in a server.  Here a model is one .npz or safetensors whose tensors are
 * called "<target>.<name in the state_dict>".  Where vocals-b62c91ce.pth and the others lie, this
 * makes it:
 *
 *	python3 -c "import glob, numpy, torch; numpy.savez('umxhq.npz', **{f.split('-')[0] + '.' + k:
 *	v.numpy() for f in glob.glob('*-*.pth') for k, v in
 *	torch.load(f, 'cpu', weights_only=True).items()})"
 *
 * Each batch normalisation is folded into one scale and shift, the last one with
 * the output's own.  A patch is a sequence of its own: state is zero at its ends.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "core/nn/pointwise.h"
#include "core/nn/umx.h"
#include "core/stems/openunmix_tensors.h"

#define EPSILON 1e-5f /* PyTorch's BatchNorm1d, never set otherwise */

/* --- hyper-parameters -------------------------------------------------------- */

static SpStatus
resolve_numbers(const SpUmxShape *s, SpModelSpec *spec, SpFault *fault)
{
	const char *hint = "Leave the hyper-parameter out to get what the weights are for.";

	if (spec->sample_rate_hz == 0)
		spec->sample_rate_hz = 44100;
	if (spec->bins == 0)
		spec->bins = s->bins;
	if (spec->fft_size == 0)
		spec->fft_size = 2 * (s->bins - 1);
	if (spec->hop == 0)
		spec->hop = spec->fft_size / 4;
	if (spec->frames == 0)
		spec->frames = 512; /* 12 s: twice the sequences that the releases were trained on */
	if (spec->mask == SP_MASK_NONE)
		spec->mask = SP_MASK_RELU;
	if (spec->bins != s->bins || spec->fft_size != 2 * (s->bins - 1))
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "The weights are for all %d bins of frames of %d samples.", s->bins,
		                2 * (s->bins - 1));
	if (spec->mask != SP_MASK_RELU)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint, "The mask of this architecture is \"relu\".");
	if (spec->encoder != SP_ACT_NONE || spec->decoder != SP_ACT_NONE)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "The activations of this architecture cannot be chosen.");
	return SP_OK;
}

static SpStatus
resolve(const SpTensorSource *tensors, SpModelSpec *spec, SpFault *fault)
{
	SpUmxShape shape = {0};
	SpStatus st = sp_openunmix_targets(tensors, spec, fault);

	if (st == SP_OK)
		st = sp_openunmix_shape(tensors, spec, &shape, fault);
	return st != SP_OK ? st : resolve_numbers(&shape, spec, fault);
}

/* --- weights ----------------------------------------------------------------- */

struct SpNet
{
	SpNn *nn;
	SpUmxShape shape;
	SpUmx *targets[SP_MODEL_MAX_STEMS];
	SpUmxRoom *rooms[SP_NN_MAX_WORKERS];
};

/* Reads one target's tensors into buffers that all its layers share. */
typedef struct Loader
{
	const SpEnv *env;
	const SpTensorSource *tensors;
	SpFault *fault;
	const SpUmxShape *shape;
	const char *target;
	SpUmx *net;
	float *matrix;        /* as large as the weights of any layer */
	float *scale, *shift; /* [the longest vector], as the next four */
	float *vectors[4];
} Loader;

static SpStatus
read_part(Loader *l, const char *part, float *out)
{
	ptrdiff_t at = sp_openunmix_find(l->tensors, l->target, part);

	return l->tensors->read(l->tensors->self, (size_t) at, out, l->fault);
}

/* (x + mean) scale: the releases store the mean negative and the scale inverted. */
static SpStatus
load_input(Loader *l)
{
	SpStatus st = read_part(l, "input_scale", l->scale);

	if (st == SP_OK)
		st = read_part(l, "input_mean", l->shift);
	for (int i = 0; i < l->shape->band && st == SP_OK; i++)
		l->shift[i] *= l->scale[i];
	return st != SP_OK ? st : sp_umx_set_input(l->net, l->scale, l->shift);
}

/* Folds a normalisation of n columns into scale and shift. */
static SpStatus
read_norm(Loader *l, const char *layer, size_t n)
{
	static const char *const names[] = {"weight", "bias", "running_mean", "running_var"};
	SpStatus st = SP_OK;
	char part[SP_OPENUNMIX_MAX_PART];

	for (int i = 0; i < 4 && st == SP_OK; i++)
	{
		snprintf(part, sizeof(part), "%s.%s", layer, names[i]);
		st = read_part(l, part, l->vectors[i]);
	}
	for (size_t i = 0; i < n && st == SP_OK; i++)
		if (l->vectors[3][i] < 0.0f)
			st = sp_fault(l->fault, SP_ERR_BAD_DATA, "The file is damaged.",
			              "The tensor \"%s.%s\" holds a variance below zero.", l->target, part);
	if (st == SP_OK)
		sp_fold_norm(l->scale, l->shift, l->vectors[0], l->vectors[1], l->vectors[2], l->vectors[3],
		             EPSILON, n);
	return st;
}

/* The output's own scale and shift of a bin come behind the last normalisation. */
static SpStatus
fold_output(Loader *l)
{
	size_t n = (size_t) l->shape->bins;
	float *scale = l->vectors[0], *mean = l->vectors[1];
	SpStatus st = read_part(l, "output_scale", scale);

	if (st == SP_OK)
		st = read_part(l, "output_mean", mean);
	for (size_t i = 0; i < 2 * n && st == SP_OK; i++)
	{
		l->scale[i] *= scale[i % n];
		l->shift[i] = l->shift[i] * scale[i % n] + mean[i % n];
	}
	return st;
}

static SpStatus
load_dense(Loader *l, SpUmxDense which)
{
	static const char *const weights[] = {"fc1.weight", "fc2.weight", "fc3.weight"};
	static const char *const norms[] = {"bn1", "bn2", "bn3"};
	int columns = which == SP_UMX_MASK ? 2 * l->shape->bins : l->shape->hidden;
	SpStatus st = read_part(l, weights[which], l->matrix);

	if (st == SP_OK)
		st = read_norm(l, norms[which], (size_t) columns);
	if (st == SP_OK && which == SP_UMX_MASK)
		st = fold_output(l);
	return st != SP_OK ? st : sp_umx_set_dense(l->net, which, l->matrix, l->scale, l->shift);
}

/* One direction into `to` and on; biases into vectors 2 d and 2 d + 1, whose sum counts. */
static SpStatus
read_direction(Loader *l, int layer, int d, float *to, SpLstmWeights *w)
{
	static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
	size_t hidden = (size_t) l->shape->hidden, gates = 2 * hidden;
	float *outs[] = {to, to + gates * hidden, l->vectors[2 * d], l->vectors[2 * d + 1]};
	SpStatus st = SP_OK;

	for (int i = 0; i < 4 && st == SP_OK; i++)
	{
		char part[SP_OPENUNMIX_MAX_PART];

		snprintf(part, sizeof(part), "lstm.%s_l%d%s", names[i], layer, d == 0 ? "" : "_reverse");
		st = read_part(l, part, outs[i]);
	}
	for (size_t i = 0; i < gates && st == SP_OK; i++)
		outs[2][i] += outs[3][i];
	w->w_in[d] = outs[0];
	w->w_rec[d] = outs[1];
	w->bias[d] = outs[2];
	return st;
}

static SpStatus
load_lstm(Loader *l, int layer)
{
	size_t hidden = (size_t) l->shape->hidden;
	SpLstmWeights w;
	SpStatus st = read_direction(l, layer, 0, l->matrix, &w);

	if (st == SP_OK)
		st = read_direction(l, layer, 1, l->matrix + 3 * hidden * hidden, &w);
	return st != SP_OK ? st : sp_umx_set_lstm(l->net, layer, &w);
}

static SpStatus
load_target(Loader *l)
{
	SpStatus st = load_input(l);

	if (st == SP_OK)
		st = load_dense(l, SP_UMX_ENCODE);
	for (int i = 0; i < SP_UMX_LSTM_LAYERS && st == SP_OK; i++)
		st = load_lstm(l, i);
	if (st == SP_OK)
		st = load_dense(l, SP_UMX_DECODE);
	return st != SP_OK ? st : load_dense(l, SP_UMX_MASK);
}

static size_t
larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static SpStatus
make_loader(Loader *l)
{
	size_t hidden = (size_t) l->shape->hidden, bins = (size_t) l->shape->bins;
	size_t longest = larger(2 * bins, 2 * hidden);
	bool whole;

	/* dense layers, and both directions of an LSTM: 2 (2 hidden^2 + hidden^2) */
	l->matrix = sp_alloc(l->env, larger(2 * bins, 6 * hidden) * hidden, sizeof(float));
	l->scale = sp_alloc(l->env, longest, sizeof(float));
	l->shift = sp_alloc(l->env, longest, sizeof(float));
	whole = l->matrix != NULL && l->scale != NULL && l->shift != NULL;
	for (int i = 0; i < 4; i++)
	{
		l->vectors[i] = sp_alloc(l->env, longest, sizeof(float));
		whole = whole && l->vectors[i] != NULL;
	}
	return whole ? SP_OK : SP_ERR_NO_MEMORY;
}

static void
free_loader(Loader *l)
{
	sp_free(l->env, l->matrix);
	sp_free(l->env, l->scale);
	sp_free(l->env, l->shift);
	for (int i = 0; i < 4; i++)
		sp_free(l->env, l->vectors[i]);
}

static void
unload(SpNet *net)
{
	if (net == NULL)
		return;
	for (int i = 0; i < SP_MODEL_MAX_STEMS; i++)
		sp_umx_free(net->targets[i]);
	for (int i = 0; i < SP_NN_MAX_WORKERS; i++)
		sp_umx_room_free(net->rooms[i]);
	sp_free(sp_nn_env(net->nn), net);
}

static SpStatus
load_all(SpNet *net, Loader *l, const SpModelSpec *spec)
{
	SpStatus st = make_loader(l);

	for (int i = 0; i < spec->stems && st == SP_OK; i++)
	{
		st = sp_umx_new(net->nn, &net->shape, &net->targets[i]);
		l->target = spec->names[i];
		l->net = net->targets[i];
		if (st == SP_OK)
			st = load_target(l);
		if (st == SP_OK && sp_should_stop(l->env))
			st = SP_ERR_CANCELED;
	}
	for (int i = 0; i < sp_nn_workers(net->nn) && st == SP_OK; i++)
		st = sp_umx_room_new(net->nn, &net->shape, &net->rooms[i]);
	return st;
}

static SpStatus
load(SpNn *nn, const SpTensorSource *tensors, const SpModelSpec *spec, SpNet **out, SpFault *fault)
{
	const SpEnv *env = sp_nn_env(nn);
	SpNet *net = sp_calloc(env, 1, sizeof(*net));
	Loader loader = {.env = env, .tensors = tensors, .fault = fault};
	SpStatus st;

	*out = NULL;
	if (net == NULL)
		return SP_ERR_NO_MEMORY;
	net->nn = nn;
	net->shape.frames = spec->frames;
	loader.shape = &net->shape;
	st = sp_openunmix_shape(tensors, spec, &net->shape, fault);
	if (st == SP_OK)
		st = load_all(net, &loader, spec);
	free_loader(&loader);
	if (st != SP_OK)
	{
		unload(net);
		return st;
	}
	*out = net;
	return SP_OK;
}

static SpStatus
estimate(SpNet *net, int worker, int stem, const float *mix, float *out, const SpStop *stop)
{
	return sp_umx_run(net->targets[stem], net->rooms[worker], worker, mix, out, stop);
}

const SpArchitecture sp_arch_openunmix = {
	.name = "openunmix",
	.title = "Open-Unmix's recurrent networks (Stöter et al. 2019)",
	.recognises = sp_openunmix_recognises,
	.resolve = resolve,
	.load = load,
	.unload = unload,
	.estimate = estimate,
};
