/*
 * src/core/stems/arch_spleeter.c
 *	  The architecture `spleeter`: one U-Net for each stem.
 *
 * Hennequin, Khlif, Voituret, Moussallam, "Spleeter: a fast and efficient music
 * source separation tool with pre-trained models", JOSS 5 (50), 2020; the
 * network is that of Jansson et al., ISMIR 2017.  Six convolutions of 5x5, stride 2,
 * down; six transposed ones up, each joined with the raw output of its
 * twin on the way down; one dilated 4x4 convolution.  Layout, padding, order and names
 * of variables are those of the released TensorFlow checkpoints.
 *
 * The networks are fully convolutional, so frames and bins are free as long as
 * they halve six times; numbers of filters are read off the tensors.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nn/unet.h"
#include "core/stems/architecture.h"

#define DEPTH        SP_UNET_DEPTH
#define CONVS        (DEPTH + 1) /* of one stem, with the last */
#define NORMS        (2 * DEPTH) /* the one behind the deepest convolution is not used */
#define EPSILON      1e-3f       /* of Keras' BatchNormalization, as released */
#define MAX_CHANNELS 4096

struct SpNet
{
	SpNn *nn;
	bool logits; /* softmax needs all stems: the caller's */
	SpUnet *stems[SP_MODEL_MAX_STEMS];
	SpUnetRoom *rooms[SP_NN_MAX_WORKERS];
};

/* --- names and shapes -------------------------------------------------------- */

/* TensorFlow counts layers of one kind: name, name_1, name_2, ... */
static void
variable(char out[64], const char *layer, int number, const char *part)
{
	if (number == 0)
		snprintf(out, 64, "%s/%s", layer, part);
	else
		snprintf(out, 64, "%s_%d/%s", layer, number, part);
}

static bool
recognises(const SpTensorSource *tensors)
{
	return sp_tensor_find(tensors, "conv2d/kernel") >= 0 &&
	       sp_tensor_find(tensors, "conv2d_transpose/kernel") >= 0 &&
	       sp_tensor_find(tensors, "batch_normalization_11/gamma") >= 0;
}

/* The tensor of this name must have this shape (0: any up to MAX_CHANNELS). */
static SpStatus
expect(const SpTensorSource *tensors, const char *name, int rank, const int64_t *shape,
       const SpTensorInfo **out, SpFault *fault)
{
	const char *hint = "The file is damaged, or it holds a model of another architecture.";
	ptrdiff_t at = sp_tensor_find(tensors, name);
	const SpTensorInfo *t;

	if (at < 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint, "The tensor \"%s\" is missing.", name);
	t = &tensors->tensors[at];
	if (t->rank != rank)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "The tensor \"%s\" has %d dimensions instead of %d.", name, t->rank, rank);
	for (int i = 0; i < rank; i++)
		if (shape[i] != 0 ? t->shape[i] != shape[i] : t->shape[i] < 1 || t->shape[i] > MAX_CHANNELS)
			return sp_fault(fault, SP_ERR_BAD_DATA, hint,
			                "Dimension %d of the tensor \"%s\" is %lld, which does not fit.", i,
			                name, (long long) t->shape[i]);
	*out = t;
	return SP_OK;
}

static SpStatus
expect_vector(const SpTensorSource *tensors, const char *layer, int number, const char *part,
              int64_t size, SpFault *fault)
{
	const SpTensorInfo *t;
	char name[64];

	variable(name, layer, number, part);
	return expect(tensors, name, 1, &size, &t, fault);
}

static SpStatus
expect_norm(const SpTensorSource *tensors, int number, int64_t size, SpFault *fault)
{
	static const char *const parts[] = {"gamma", "beta", "moving_mean", "moving_variance"};
	SpStatus st = SP_OK;

	for (int i = 0; i < 4 && st == SP_OK; i++)
		st = expect_vector(tensors, "batch_normalization", number, parts[i], size, fault);
	return st;
}

/* A kernel and its bias; *out_channels 0 is read off, else it must fit. */
static SpStatus
expect_kernel(const SpTensorSource *tensors, const char *layer, int number, bool transposed,
              int size, int in_channels, int *out_channels, SpFault *fault)
{
	int64_t shape[4] = {size, size, transposed ? *out_channels : in_channels,
	                    transposed ? in_channels : *out_channels};
	const SpTensorInfo *t;
	char name[64];
	SpStatus st;

	variable(name, layer, number, "kernel");
	st = expect(tensors, name, 4, shape, &t, fault);
	if (st != SP_OK)
		return st;
	*out_channels = (int) t->shape[transposed ? 2 : 3];
	return expect_vector(tensors, layer, number, "bias", *out_channels, fault);
}

/* One stem's tensors; filters are read off the first stem and must be the same in all. */
static SpStatus
expect_stem(const SpTensorSource *tensors, int stem, int down[DEPTH], int up[DEPTH], SpFault *fault)
{
	SpStatus st = SP_OK;
	int mask = 2;

	for (int i = 0; i < DEPTH && st == SP_OK; i++)
	{
		st = expect_kernel(tensors, "conv2d", CONVS * stem + i, false, 5, i == 0 ? 2 : down[i - 1],
		                   &down[i], fault);
		if (st == SP_OK)
			st = expect_norm(tensors, NORMS * stem + i, down[i], fault);
	}
	for (int i = 0; i < DEPTH && st == SP_OK; i++)
	{
		int in = i == 0 ? down[DEPTH - 1] : down[DEPTH - 1 - i] + up[i - 1];

		if (i == DEPTH - 1)
			up[i] = 1;
		st = expect_kernel(tensors, "conv2d_transpose", DEPTH * stem + i, true, 5, in, &up[i],
		                   fault);
		if (st == SP_OK)
			st = expect_norm(tensors, NORMS * stem + DEPTH + i, up[i], fault);
	}
	if (st == SP_OK)
		st = expect_kernel(tensors, "conv2d", CONVS * stem + DEPTH, false, 4, 1, &mask, fault);
	return st;
}

/* Tensors of one stem: kernels and biases of 13 layers, 12 norms of four. */
#define STEM_TENSORS (2 * (CONVS + DEPTH) + 4 * NORMS)

/* Which stem has the variable of this name; -1 when it is none of this architecture's. */
static int
stem_of(const char *name)
{
	static const struct
	{
		const char *layer;
		int per_stem;
		const char *parts[5];
	} kinds[] = {
		{"conv2d", CONVS, {"kernel", "bias"}},
		{"conv2d_transpose", DEPTH, {"kernel", "bias"}},
		{"batch_normalization", NORMS, {"gamma", "beta", "moving_mean", "moving_variance"}},
	};
	char expected[64];

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
	{
		size_t n = strlen(kinds[k].layer);
		long number;

		if (strncmp(name, kinds[k].layer, n) != 0)
			continue;
		number = name[n] == '_' ? strtol(name + n + 1, NULL, 10) : 0;
		if (number < 0 || number >= (long) SP_MODEL_MAX_STEMS * kinds[k].per_stem)
			continue;
		for (int i = 0; kinds[k].parts[i] != NULL; i++)
		{
			/* written again, so that there is one spelling of each */
			variable(expected, kinds[k].layer, (int) number, kinds[k].parts[i]);
			if (strcmp(expected, name) == 0)
				return (int) number / kinds[k].per_stem;
		}
	}
	return -1;
}

/* Of how many stems there are the most part, so that what lacks or is too much has a name. */
static int
count_stems(const SpTensorSource *tensors)
{
	size_t known = 0;
	int stems;

	for (size_t i = 0; i < tensors->count; i++)
		known += stem_of(tensors->tensors[i].name) >= 0;
	stems = (int) ((known + STEM_TENSORS / 2) / STEM_TENSORS);
	return stems > 0 ? stems : 1;
}

/* No tensors but those of the stems, and the counter of training steps. */
static SpStatus
expect_no_other(const SpTensorSource *tensors, int stems, SpFault *fault)
{
	for (size_t i = 0; i < tensors->count; i++)
	{
		const char *name = tensors->tensors[i].name;
		int stem = stem_of(name);

		if ((stem < 0 || stem >= stems) && strcmp(name, "global_step") != 0)
			return sp_fault(fault, SP_ERR_BAD_DATA,
			                "The file is damaged, or it holds a model of another architecture.",
			                "The tensor \"%s\" belongs to none of the %d stems.", name, stems);
	}
	return SP_OK;
}

/* What the released configurations say that the tensors do not. */
static void
fill_released(SpModelSpec *spec)
{
	static const char *const two[] = {"vocals", "accompaniment"};
	static const char *const four[] = {"vocals", "drums", "bass", "other"};
	static const char *const five[] = {"vocals", "piano", "drums", "bass", "other"};
	const char *const *names = spec->stems == 2   ? two
	                           : spec->stems == 4 ? four
	                           : spec->stems == 5 ? five
	                                              : NULL;

	for (int i = 0; names != NULL && i < spec->stems; i++)
		if (spec->names[i][0] == '\0')
			snprintf(spec->names[i], sizeof(spec->names[i]), "%s", names[i]);
	if (spec->encoder == SP_ACT_NONE)
		spec->encoder = spec->stems == 2 ? SP_ACT_LEAKY_RELU : SP_ACT_ELU;
	if (spec->decoder == SP_ACT_NONE)
		spec->decoder = spec->stems == 2 ? SP_ACT_RELU : SP_ACT_ELU;
	if (spec->mask == SP_MASK_NONE)
		spec->mask = spec->stems == 5 ? SP_MASK_SOFTMAX : SP_MASK_SIGMOID;
	if (spec->sample_rate_hz == 0)
		spec->sample_rate_hz = 44100;
	if (spec->fft_size == 0)
		spec->fft_size = 4096;
	if (spec->hop == 0)
		spec->hop = 1024;
	if (spec->frames == 0)
		spec->frames = 512;
	if (spec->bins == 0)
		spec->bins = 1024;
}

static SpStatus
check_spec(const SpModelSpec *spec, SpFault *fault)
{
	const char *hint = "Leave the hyper-parameter out to get the released value.";

	if (spec->names[0][0] == '\0')
		return sp_fault(fault, SP_ERR_BAD_DATA, "Give \"stems\" as an array of names.",
		                "The names of %d stems are not known.", spec->stems);
	if (spec->frames % (1 << DEPTH) != 0 || spec->bins % (1 << DEPTH) != 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "Frames (%d) and bins (%d) of this architecture are multiples of %d.",
		                spec->frames, spec->bins, 1 << DEPTH);
	if (spec->bins > spec->fft_size / 2)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint, "A frame of %d samples has no %d bins.",
		                spec->fft_size, spec->bins);
	if (spec->mask == SP_MASK_RELU)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "The mask of this architecture is \"sigmoid\" or \"softmax\".");
	return SP_OK;
}

static SpStatus
resolve(const SpTensorSource *tensors, SpModelSpec *spec, SpFault *fault)
{
	int stems = count_stems(tensors);
	int down[DEPTH] = {0}, up[DEPTH] = {0};
	SpStatus st = SP_OK;

	for (int s = 0; s < stems && st == SP_OK; s++)
		st = expect_stem(tensors, s, down, up, fault);
	if (st == SP_OK)
		st = expect_no_other(tensors, stems, fault);
	if (st != SP_OK)
		return st;
	if (spec->stems != 0 && spec->stems != stems)
		return sp_fault(fault, SP_ERR_BAD_DATA, "Name as many stems as the model has.",
		                "The weights are of %d stems, the hyper-parameters name %d.", stems,
		                spec->stems);
	spec->stems = stems;
	fill_released(spec);
	return check_spec(spec, fault);
}

/* --- weights ----------------------------------------------------------------- */

/* Reads the tensors of one layer at a time into buffers that all layers share. */
typedef struct Loader
{
	const SpTensorSource *tensors;
	SpFault *fault;
	float *kernel; /* as large as the largest */
	float *vectors[5];
} Loader;

static SpStatus
read_tensor(Loader *l, const char *layer, int number, const char *part, float *out)
{
	char name[64];

	variable(name, layer, number, part);
	return l->tensors->read(l->tensors->self, (size_t) sp_tensor_find(l->tensors, name), out,
	                        l->fault);
}

/* The layer `number` of this kind, and the norm of this number (-1: none). */
static SpStatus
read_block(Loader *l, const char *layer, int number, int norm, SpUnetBlock *out)
{
	static const char *const parts[] = {"gamma", "beta", "moving_mean", "moving_variance"};
	SpStatus st = read_tensor(l, layer, number, "kernel", l->kernel);

	if (st == SP_OK)
		st = read_tensor(l, layer, number, "bias", l->vectors[4]);
	for (int i = 0; i < 4 && norm >= 0 && st == SP_OK; i++)
		st = read_tensor(l, "batch_normalization", norm, parts[i], l->vectors[i]);
	*out = (SpUnetBlock){
		.kernel = l->kernel,
		.bias = l->vectors[4],
		.norm = {l->vectors[0], l->vectors[1], l->vectors[2], l->vectors[3], EPSILON},
	};
	return st;
}

/* The last two layers are set together, so the small one has buffers of its own. */
static SpStatus
load_last(Loader *l, int stem, SpUnet *net)
{
	float kernel[4 * 4 * 2], bias[2];
	SpUnetBlock up, mask = {.kernel = kernel, .bias = bias};
	SpStatus st = read_tensor(l, "conv2d", CONVS * stem + DEPTH, "kernel", kernel);

	if (st == SP_OK)
		st = read_tensor(l, "conv2d", CONVS * stem + DEPTH, "bias", bias);
	if (st == SP_OK)
		st = read_block(l, "conv2d_transpose", DEPTH * stem + DEPTH - 1, NORMS * stem + NORMS - 1,
		                &up);
	return st != SP_OK ? st : sp_unet_set_last(net, &up, &mask);
}

static SpStatus
load_stem(Loader *l, int stem, SpUnet *net)
{
	SpUnetBlock block;
	SpStatus st = SP_OK;

	for (int i = 0; i < DEPTH && st == SP_OK; i++)
	{
		st = read_block(l, "conv2d", CONVS * stem + i, NORMS * stem + i, &block);
		if (st == SP_OK)
			st = sp_unet_set_down(net, i, &block);
	}
	for (int i = 0; i < DEPTH - 1 && st == SP_OK; i++)
	{
		st = read_block(l, "conv2d_transpose", DEPTH * stem + i, NORMS * stem + DEPTH + i, &block);
		if (st == SP_OK)
			st = sp_unet_set_up(net, i, &block);
	}
	return st != SP_OK ? st : load_last(l, stem, net);
}

static SpStatus
make_loader(const SpEnv *env, Loader *l)
{
	int64_t largest = 1;

	for (size_t i = 0; i < l->tensors->count; i++)
		if (l->tensors->tensors[i].elements > largest)
			largest = l->tensors->tensors[i].elements;
	l->kernel = sp_alloc(env, (size_t) largest, sizeof(float));
	for (int i = 0; i < 5; i++)
		l->vectors[i] = sp_alloc(env, MAX_CHANNELS, sizeof(float));
	for (int i = 0; i < 5; i++)
		if (l->vectors[i] == NULL)
			return SP_ERR_NO_MEMORY;
	return l->kernel == NULL ? SP_ERR_NO_MEMORY : SP_OK;
}

static void
free_loader(const SpEnv *env, Loader *l)
{
	sp_free(env, l->kernel);
	for (int i = 0; i < 5; i++)
		sp_free(env, l->vectors[i]);
}

static SpStatus
unet_shape(const SpTensorSource *tensors, const SpModelSpec *spec, SpUnetShape *shape)
{
	*shape = (SpUnetShape){
		.frames = spec->frames,
		.bins = spec->bins,
		.encoder = spec->encoder,
		.decoder = spec->decoder,
	};
	return expect_stem(tensors, 0, shape->down, shape->up, NULL);
}

static void
unload(SpNet *net)
{
	if (net == NULL)
		return;
	for (int i = 0; i < SP_MODEL_MAX_STEMS; i++)
		sp_unet_free(net->stems[i]);
	for (int i = 0; i < SP_NN_MAX_WORKERS; i++)
		sp_unet_room_free(net->rooms[i]);
	sp_free(sp_nn_env(net->nn), net);
}

static SpStatus
load(SpNn *nn, const SpTensorSource *tensors, const SpModelSpec *spec, SpNet **out, SpFault *fault)
{
	const SpEnv *env = sp_nn_env(nn);
	SpNet *net = sp_calloc(env, 1, sizeof(*net));
	Loader loader = {.tensors = tensors, .fault = fault};
	SpUnetShape shape;
	SpStatus st;

	*out = NULL;
	if (net == NULL)
		return SP_ERR_NO_MEMORY;
	net->nn = nn;
	net->logits = spec->mask == SP_MASK_SOFTMAX;
	st = unet_shape(tensors, spec, &shape);
	if (st == SP_OK)
		st = make_loader(env, &loader);
	for (int i = 0; i < spec->stems && st == SP_OK; i++)
	{
		st = sp_unet_new(nn, &shape, &net->stems[i]);
		if (st == SP_OK)
			st = load_stem(&loader, i, net->stems[i]);
		if (st == SP_OK && sp_should_stop(env))
			st = SP_ERR_CANCELED;
	}
	for (int i = 0; i < sp_nn_workers(nn) && st == SP_OK; i++)
		st = sp_unet_room_new(nn, &shape, &net->rooms[i]);
	free_loader(env, &loader);
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
	return sp_unet_run(net->stems[stem], net->rooms[worker], worker, mix, net->logits, out, stop);
}

const SpArchitecture sp_arch_spleeter = {
	.name = "spleeter",
	.title = "Spleeter's U-Net (Hennequin et al. 2020)",
	.recognises = recognises,
	.resolve = resolve,
	.load = load,
	.unload = unload,
	.estimate = estimate,
};
