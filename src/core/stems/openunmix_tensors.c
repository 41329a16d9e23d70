/*
 * src/core/stems/openunmix_tensors.c
 *	  Names and shapes of Open-Unmix' tensors, and which targets they are of.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/openunmix_tensors.h"

#include <stdio.h>
#include <string.h>

#define MAX_HIDDEN 4096 /* four times umxl's */
#define MIN_BINS   33   /* of the shortest and longest transform that hyper-parameters allow */
#define MAX_BINS   32769

static const char *const foreign_hint =
	"The file is damaged, or it holds a model of another architecture.";
static const char *const naming_hint =
	"Name tensors \"<target>.<name in PyTorch's state_dict>\", as in \"vocals.fc1.weight\".";

/* --- names and shapes -------------------------------------------------------- */

/* What the size of a dimension is made of; NONE: there is no such dimension. */
typedef enum Extent
{
	NONE = 0,
	HIDDEN,
	TWO_HIDDEN,
	CELL,  /* half of hidden: each direction's */
	GATES, /* of a cell: input, forget, cell, output */
	BAND,
	TWO_BAND, /* left, right */
	BINS,
	TWO_BINS,
	EXTENTS
} Extent;

/* Every tensor of a target. */
static const struct
{
	const char *name;
	Extent extents[2]; /* a vector has one */
} parts[] = {
	{"fc1.weight", {HIDDEN, TWO_BAND}},
	{"fc2.weight", {HIDDEN, TWO_HIDDEN}},
	{"fc3.weight", {TWO_BINS, HIDDEN}},
	{"input_mean", {BAND}},
	{"input_scale", {BAND}},
	{"output_mean", {BINS}},
	{"output_scale", {BINS}},
	{"bn1.weight", {HIDDEN}},
	{"bn1.bias", {HIDDEN}},
	{"bn1.running_mean", {HIDDEN}},
	{"bn1.running_var", {HIDDEN}},
	{"bn2.weight", {HIDDEN}},
	{"bn2.bias", {HIDDEN}},
	{"bn2.running_mean", {HIDDEN}},
	{"bn2.running_var", {HIDDEN}},
	{"bn3.weight", {TWO_BINS}},
	{"bn3.bias", {TWO_BINS}},
	{"bn3.running_mean", {TWO_BINS}},
	{"bn3.running_var", {TWO_BINS}},
	{"lstm.weight_ih_l0", {GATES, HIDDEN}},
	{"lstm.weight_hh_l0", {GATES, CELL}},
	{"lstm.bias_ih_l0", {GATES}},
	{"lstm.bias_hh_l0", {GATES}},
	{"lstm.weight_ih_l0_reverse", {GATES, HIDDEN}},
	{"lstm.weight_hh_l0_reverse", {GATES, CELL}},
	{"lstm.bias_ih_l0_reverse", {GATES}},
	{"lstm.bias_hh_l0_reverse", {GATES}},
	{"lstm.weight_ih_l1", {GATES, HIDDEN}},
	{"lstm.weight_hh_l1", {GATES, CELL}},
	{"lstm.bias_ih_l1", {GATES}},
	{"lstm.bias_hh_l1", {GATES}},
	{"lstm.weight_ih_l1_reverse", {GATES, HIDDEN}},
	{"lstm.weight_hh_l1_reverse", {GATES, CELL}},
	{"lstm.bias_ih_l1_reverse", {GATES}},
	{"lstm.bias_hh_l1_reverse", {GATES}},
	{"lstm.weight_ih_l2", {GATES, HIDDEN}},
	{"lstm.weight_hh_l2", {GATES, CELL}},
	{"lstm.bias_ih_l2", {GATES}},
	{"lstm.bias_hh_l2", {GATES}},
	{"lstm.weight_ih_l2_reverse", {GATES, HIDDEN}},
	{"lstm.weight_hh_l2_reverse", {GATES, CELL}},
	{"lstm.bias_ih_l2_reverse", {GATES}},
	{"lstm.bias_hh_l2_reverse", {GATES}},
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* What a released state_dict also holds: counters of training, the transform's window and rate. */
static const char *const ignored[] = {"bn1.num_batches_tracked",
                                      "bn2.num_batches_tracked",
                                      "bn3.num_batches_tracked",
                                      "sample_rate",
                                      "stft.window",
                                      "transform.0.window"};

ptrdiff_t
sp_openunmix_find(const SpTensorSource *tensors, const char *target, const char *part)
{
	char name[SP_MODEL_MAX_STEM_NAME + 1 + SP_OPENUNMIX_MAX_PART];

	snprintf(name, sizeof(name), "%s.%s", target, part);
	return sp_tensor_find(tensors, name);
}

/* Length of the target's name before the first dot; 0 when none can stand there. */
static size_t
target_length(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	bool good = name[n] == '.' && name[0] >= 'a' && name[0] <= 'z' && n <= SP_MODEL_MAX_STEM_NAME;

	return good ? n : 0;
}

/* One target's tensors without its name in front. */
static bool
is_bare(const SpTensorSource *tensors)
{
	return sp_tensor_find(tensors, "lstm.weight_hh_l0_reverse") >= 0 &&
	       sp_tensor_find(tensors, "output_scale") >= 0;
}

/* What is bare is recognised too, so that resolve can say what it lacks. */
bool
sp_openunmix_recognises(const SpTensorSource *tensors)
{
	for (size_t i = 0; i < tensors->count; i++)
	{
		const char *name = tensors->tensors[i].name;
		size_t n = target_length(name);
		char target[SP_MODEL_MAX_STEM_NAME + 1];

		if (n == 0 || strcmp(name + n, ".lstm.weight_hh_l0_reverse") != 0)
			continue;
		memcpy(target, name, n);
		target[n] = '\0';
		return sp_openunmix_find(tensors, target, "output_scale") >= 0;
	}
	return is_bare(tensors);
}

/* This part of a target, of this rank; NULL with a fault that names it. */
static const SpTensorInfo *
expect(const SpTensorSource *tensors, const char *target, const char *part, int rank,
       SpFault *fault)
{
	ptrdiff_t at = sp_openunmix_find(tensors, target, part);

	if (at >= 0 && tensors->tensors[at].rank == rank)
		return &tensors->tensors[at];
	if (at < 0)
		sp_fault(fault, SP_ERR_BAD_DATA, foreign_hint, "The tensor \"%s.%s\" is missing.", target,
		         part);
	else
		sp_fault(fault, SP_ERR_BAD_DATA, foreign_hint,
		         "The tensor \"%s.%s\" has %d dimensions instead of %d.", target, part,
		         tensors->tensors[at].rank, rank);
	return NULL;
}

/* The first dimension of a part, from min to max. */
static SpStatus
read_size(const SpTensorSource *tensors, const char *target, const char *part, int rank, int min,
          int max, int *out, SpFault *fault)
{
	const SpTensorInfo *t = expect(tensors, target, part, rank, fault);

	if (t == NULL)
		return SP_ERR_BAD_DATA;
	if (t->shape[0] < min || t->shape[0] > max)
		return sp_fault(fault, SP_ERR_BAD_DATA, foreign_hint,
		                "Dimension 0 of the tensor \"%s\" is %lld, which does not fit.", t->name,
		                (long long) t->shape[0]);
	*out = (int) t->shape[0];
	return SP_OK;
}

/* What the tensors of a target say of its network, all but the frames. */
static SpStatus
read_shape(const SpTensorSource *tensors, const char *target, SpUmxShape *s, SpFault *fault)
{
	const SpTensorInfo *fc1 = expect(tensors, target, "fc1.weight", 2, fault);
	SpStatus st;

	if (fc1 == NULL)
		return SP_ERR_BAD_DATA;
	st = read_size(tensors, target, "fc1.weight", 2, 2, MAX_HIDDEN, &s->hidden, fault);
	if (st == SP_OK)
		st = read_size(tensors, target, "output_mean", 1, MIN_BINS, MAX_BINS, &s->bins, fault);
	if (st == SP_OK)
		st = read_size(tensors, target, "input_mean", 1, 1, s->bins, &s->band, fault);
	if (st == SP_OK && s->hidden % 2 != 0)
		st = sp_fault(fault, SP_ERR_BAD_DATA, foreign_hint,
		              "Dimension 0 of the tensor \"%s\" is %d, which is not even.", fc1->name,
		              s->hidden);
	if (st == SP_OK && fc1->shape[1] == s->band)
		st = sp_fault(fault, SP_ERR_UNSUPPORTED, "Only models of two channels can be used.",
		              "The tensor \"%s\" is of a model of one channel.", fc1->name);
	return st;
}

static SpStatus
expect_target(const SpTensorSource *tensors, const char *target, const SpUmxShape *s,
              SpFault *fault)
{
	const int sizes[EXTENTS] = {[HIDDEN] = s->hidden,   [TWO_HIDDEN] = 2 * s->hidden,
	                            [CELL] = s->hidden / 2, [GATES] = 2 * s->hidden,
	                            [BAND] = s->band,       [TWO_BAND] = 2 * s->band,
	                            [BINS] = s->bins,       [TWO_BINS] = 2 * s->bins};

	for (size_t i = 0; i < PARTS; i++)
	{
		int rank = parts[i].extents[1] == NONE ? 1 : 2;
		const SpTensorInfo *t = expect(tensors, target, parts[i].name, rank, fault);

		if (t == NULL)
			return SP_ERR_BAD_DATA;
		for (int k = 0; k < rank; k++)
			if (t->shape[k] != sizes[parts[i].extents[k]])
				return sp_fault(fault, SP_ERR_BAD_DATA, foreign_hint,
				                "Dimension %d of the tensor \"%s\" is %lld instead of %d.", k,
				                t->name, (long long) t->shape[k], sizes[parts[i].extents[k]]);
	}
	return SP_OK;
}

static SpStatus
expect_known(const SpTensorInfo *t, SpFault *fault)
{
	const char *part = t->name + target_length(t->name) + 1;

	for (size_t i = 0; i < PARTS; i++)
		if (strcmp(parts[i].name, part) == 0)
			return SP_OK;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (strcmp(ignored[i], part) == 0)
			return SP_OK;
	return sp_fault(fault, SP_ERR_BAD_DATA, foreign_hint,
	                "The tensor \"%s\" has no place in this architecture.", t->name);
}

/* --- targets -------------------------------------------------------- */

/* Into an empty spec's names, sorted as tensors are: those of a target are neighbours. */
static SpStatus
list_targets(const SpTensorSource *tensors, SpModelSpec *spec, SpFault *fault)
{
	for (size_t i = 0; i < tensors->count; i++)
	{
		const char *name = tensors->tensors[i].name;
		const char *last = spec->stems == 0 ? "" : spec->names[spec->stems - 1];
		size_t n = target_length(name);

		if (n == 0 || is_bare(tensors))
			return sp_fault(fault, SP_ERR_BAD_DATA, naming_hint,
			                "The name of the tensor \"%s\" does not begin with a target.", name);
		if (strlen(last) == n && memcmp(last, name, n) == 0)
			continue;
		if (spec->stems == SP_MODEL_MAX_STEMS)
			return sp_fault(fault, SP_ERR_UNSUPPORTED, naming_hint,
			                "There are more than %d targets.", SP_MODEL_MAX_STEMS);
		snprintf(spec->names[spec->stems++], sizeof(spec->names[0]), "%.*s", (int) n, name);
	}
	return SP_OK;
}

static int
find_stem(const SpModelSpec *spec, const char *name)
{
	for (int i = 0; i < spec->stems; i++)
		if (strcmp(spec->names[i], name) == 0)
			return i;
	return -1;
}

/* The released targets have an order that people expect; others stay as they are. */
static void
order_targets(SpModelSpec *spec)
{
	static const char *const released[] = {"vocals", "drums", "bass", "other"};
	SpModelSpec ordered = {.stems = 0};

	for (size_t i = 0; i < sizeof(released) / sizeof(released[0]); i++)
		if (find_stem(spec, released[i]) >= 0)
			strcpy(ordered.names[ordered.stems++], released[i]);
	if (ordered.stems == spec->stems)
		memcpy(spec->names, ordered.names, sizeof(spec->names));
}

/* Names that were given may have any order, but they are those of the targets. */
SpStatus
sp_openunmix_targets(const SpTensorSource *tensors, SpModelSpec *spec, SpFault *fault)
{
	SpModelSpec found = {.stems = 0};
	SpStatus st = list_targets(tensors, &found, fault);

	if (st != SP_OK)
		return st;
	order_targets(&found);
	for (int i = 0; i < spec->stems; i++)
		if (find_stem(&found, spec->names[i]) < 0)
			return sp_fault(fault, SP_ERR_BAD_DATA, naming_hint,
			                "There are no tensors of the stem \"%s\".", spec->names[i]);
	if (spec->stems != 0 && spec->stems != found.stems)
		return sp_fault(fault, SP_ERR_BAD_DATA, "Name as many stems as the model has.",
		                "The weights are of %d stems, the hyper-parameters name %d.", found.stems,
		                spec->stems);
	if (spec->stems == 0)
	{
		spec->stems = found.stems;
		memcpy(spec->names, found.names, sizeof(spec->names));
	}
	return SP_OK;
}

SpStatus
sp_openunmix_shape(const SpTensorSource *tensors, const SpModelSpec *spec, SpUmxShape *shape,
                   SpFault *fault)
{
	SpStatus st = SP_OK;

	if (spec->stems == 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, foreign_hint, "There are no tensors.");
	st = read_shape(tensors, spec->names[0], shape, fault);
	for (int i = 0; i < spec->stems && st == SP_OK; i++)
		st = expect_target(tensors, spec->names[i], shape, fault);
	for (size_t i = 0; i < tensors->count && st == SP_OK; i++)
		st = expect_known(&tensors->tensors[i], fault);
	return st;
}
