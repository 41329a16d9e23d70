/*
 * src/core/stems/spotai_tensors.c
 *	  Names and shapes of the tensors of arch_spotai.c.
 *
 * First the sizes are read off a few tensors, then the list of all that a network
 * of these sizes has is compared with what is there.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/spotai_tensors.h"

#include <stdio.h>
#include <string.h>

#include "core/stems/spotai_planes.h"

#define MAX_CHANNELS 1024
#define MAX_BANDS    4096
#define MAX_KERNEL   15
/* 3, and 4 of each convolution with norm or pair of maps: levels of down, stages and up, head */
#define MAX_TENSORS (3 + 4 * SP_MASKNET_MAX_LEVELS * (SP_MASKNET_MAX_STAGES + 2) + 2)

static const char *const hint = "The file is damaged, or it holds a model of another architecture.";

/* --- sizes ------------------------------------------------------------------- */

/* The tensor of this name and rank; NULL with a fault. */
static const SpTensorInfo *
find(const SpTensorSource *tensors, const char *name, int rank, SpFault *fault)
{
	ptrdiff_t at = sp_tensor_find(tensors, name);

	if (at >= 0 && tensors->tensors[at].rank == rank)
		return &tensors->tensors[at];
	if (at < 0)
		sp_fault(fault, SP_ERR_BAD_DATA, hint, "The tensor \"%s\" is missing.", name);
	else
		sp_fault(fault, SP_ERR_BAD_DATA, hint, "The tensor \"%s\" has %d dimensions instead of %d.",
		         name, tensors->tensors[at].rank, rank);
	return NULL;
}

/* One dimension, from 1 to max. */
static SpStatus
read_size(const SpTensorSource *tensors, const char *name, int rank, int dimension, int max,
          int *out, SpFault *fault)
{
	const SpTensorInfo *t = find(tensors, name, rank, fault);

	if (t == NULL)
		return SP_ERR_BAD_DATA;
	if (t->shape[dimension] < 1 || t->shape[dimension] > max)
		return sp_fault(fault, SP_ERR_BAD_DATA, hint,
		                "Dimension %d of the tensor \"%s\" is %lld, which does not fit.", dimension,
		                name, (long long) t->shape[dimension]);
	*out = (int) t->shape[dimension];
	return SP_OK;
}

static SpStatus
read_kernel(const SpTensorSource *tensors, const char *name, int *out, SpFault *fault)
{
	SpStatus st = read_size(tensors, name, 4, 2, MAX_KERNEL, out, fault);

	if (st == SP_OK && *out % 2 == 0)
		st = sp_fault(fault, SP_ERR_BAD_DATA, hint,
		              "Dimension 2 of the tensor \"%s\" is %d, which is not odd.", name, *out);
	return st;
}

static bool
has(const SpTensorSource *tensors, const char *name)
{
	return sp_tensor_find(tensors, name) >= 0;
}

/* The stages of a level, until a number that there is not. */
static SpStatus
read_stages(const SpTensorSource *tensors, int level, SpSpotaiPlan *plan, SpFault *fault)
{
	SpStatus st = SP_OK;

	for (int i = 0; i < SP_MASKNET_MAX_STAGES && st == SP_OK; i++)
	{
		char conv[SP_SPOTAI_MAX_NAME], inwards[SP_SPOTAI_MAX_NAME];

		snprintf(conv, sizeof(conv), "stage.%d.%d.conv.weight", level, i);
		snprintf(inwards, sizeof(inwards), "stage.%d.%d.inwards.weight", level, i);
		if (has(tensors, conv))
			st = read_kernel(tensors, conv, &plan->kernel[level][i], fault);
		else if (has(tensors, inwards))
			st = read_size(tensors, inwards, 2, 0, MAX_BANDS, &plan->narrow[level][i], fault);
		else
			return SP_OK;
		plan->stages[level] = i + 1;
	}
	return st;
}

static SpStatus
read_level(const SpTensorSource *tensors, int level, SpSpotaiPlan *plan, SpFault *fault)
{
	char name[SP_SPOTAI_MAX_NAME];
	SpStatus st;

	snprintf(name, sizeof(name), "down.%d.conv.weight", level);
	st = read_size(tensors, name, 4, 0, MAX_CHANNELS, &plan->shape.channels[level], fault);
	if (st == SP_OK)
		st = read_kernel(tensors, name, &plan->down_kernel[level], fault);
	if (st == SP_OK)
		st = read_stages(tensors, level, plan, fault);
	if (st != SP_OK || level == 0)
		return st;
	snprintf(name, sizeof(name), "up.%d.conv.weight", plan->shape.levels - 1 - level);
	return read_kernel(tensors, name, &plan->up_kernel[level - 1], fault);
}

static SpStatus
read_sizes(const SpTensorSource *tensors, SpSpotaiPlan *plan, SpFault *fault)
{
	SpMaskNetShape *s = &plan->shape;
	char name[SP_SPOTAI_MAX_NAME];
	SpStatus st = read_size(tensors, "scale", 2, 1, MAX_BANDS, &s->bands, fault);

	s->in_channels = SP_SPOTAI_CHANNELS;
	s->out_channels = SP_SPOTAI_LOGITS;
	do
		snprintf(name, sizeof(name), "down.%d.conv.weight", ++s->levels);
	while (s->levels < SP_MASKNET_MAX_LEVELS && has(tensors, name));
	if (st == SP_OK && s->bands % (1 << s->levels) != 0)
		st = sp_fault(fault, SP_ERR_BAD_DATA, hint,
		              "Dimension 1 of the tensor \"scale\" is %d, which is no multiple of %d.",
		              s->bands, 1 << s->levels);
	for (int i = 0; i < s->levels && st == SP_OK; i++)
		st = read_level(tensors, i, plan, fault);
	return st != SP_OK ? st : read_kernel(tensors, "head.conv.weight", &plan->head_kernel, fault);
}

/* --- the list ---------------------------------------------------------------- */

typedef struct Expected
{
	char name[SP_SPOTAI_MAX_NAME];
	int rank;
	int shape[4];
} Expected;

typedef struct List
{
	size_t count;
	Expected items[MAX_TENSORS];
} List;

/* A tensor of the sizes that are not 0. */
static void
add(List *list, const char *layer, const char *part, int a, int b, int c, int d)
{
	Expected *e = &list->items[list->count++];

	*e = (Expected){.rank = b == 0 ? 1 : c == 0 ? 2 : 4, .shape = {a, b, c, d}};
	snprintf(e->name, sizeof(e->name), "%s%s", layer, part);
}

static void
add_conv(List *list, const char *layer, int out, int in, int kernel)
{
	add(list, layer, ".conv.weight", out, in, kernel, kernel);
	add(list, layer, ".conv.bias", out, 0, 0, 0);
}

static void
add_norm(List *list, const char *layer, int channels)
{
	add(list, layer, ".norm.weight", channels, 0, 0, 0);
	add(list, layer, ".norm.bias", channels, 0, 0, 0);
}

static void
add_stage(List *list, const SpSpotaiPlan *plan, int level, int i)
{
	char layer[SP_SPOTAI_MAX_LAYER];
	int channels = plan->shape.channels[level], width = plan->shape.bands >> (level + 1);
	int narrow = plan->narrow[level][i];

	snprintf(layer, sizeof(layer), "stage.%d.%d", level, i);
	if (narrow == 0)
	{
		add_conv(list, layer, channels, channels, plan->kernel[level][i]);
		add_norm(list, layer, channels);
		return;
	}
	add(list, layer, ".inwards.weight", narrow, width, 0, 0);
	add(list, layer, ".inwards.bias", narrow, 0, 0, 0);
	add(list, layer, ".outwards.weight", width, narrow, 0, 0);
	add(list, layer, ".outwards.bias", width, 0, 0, 0);
}

/* The outermost level has no norms: their cost is that of its pixels. */
static void
add_level(List *list, const SpSpotaiPlan *plan, int level)
{
	const int *channels = plan->shape.channels;
	char layer[SP_SPOTAI_MAX_LAYER];

	snprintf(layer, sizeof(layer), "down.%d", level);
	add_conv(list, layer, channels[level], level == 0 ? SP_SPOTAI_CHANNELS : channels[level - 1],
	         plan->down_kernel[level]);
	if (level > 0)
		add_norm(list, layer, channels[level]);
	for (int i = 0; i < plan->stages[level]; i++)
		add_stage(list, plan, level, i);
	if (level == plan->shape.levels - 1)
		return;
	snprintf(layer, sizeof(layer), "up.%d", plan->shape.levels - 2 - level);
	add_conv(list, layer, 4 * channels[level], channels[level + 1], plan->up_kernel[level]);
	if (level > 0)
		add_norm(list, layer, channels[level]);
}

static void
make_list(const SpSpotaiPlan *plan, List *list)
{
	list->count = 0;
	add(list, "scale", "", SP_SPOTAI_HEARD, plan->shape.bands, 0, 0);
	add(list, "shift", "", SP_SPOTAI_HEARD, plan->shape.bands, 0, 0);
	add(list, "prior", "", SP_SPOTAI_STEMS, 0, 0, 0);
	add(list, "trust", "", plan->shape.bands, 0, 0, 0);
	for (int i = 0; i < plan->shape.levels; i++)
		add_level(list, plan, i);
	add_conv(list, "head", 4 * SP_SPOTAI_LOGITS, plan->shape.channels[0], plan->head_kernel);
}

static SpStatus
expect(const SpTensorSource *tensors, const Expected *e, SpFault *fault)
{
	const SpTensorInfo *t = find(tensors, e->name, e->rank, fault);

	if (t == NULL)
		return SP_ERR_BAD_DATA;
	for (int i = 0; i < e->rank; i++)
		if (t->shape[i] != e->shape[i])
			return sp_fault(fault, SP_ERR_BAD_DATA, hint,
			                "Dimension %d of the tensor \"%s\" is %lld instead of %d.", i, e->name,
			                (long long) t->shape[i], e->shape[i]);
	return SP_OK;
}

static bool
listed(const List *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].name, name) == 0)
			return true;
	return false;
}

bool
sp_spotai_recognises(const SpTensorSource *tensors)
{
	return has(tensors, "prior") && has(tensors, "down.0.conv.weight") &&
	       has(tensors, "head.conv.weight");
}

SpStatus
sp_spotai_plan(const SpTensorSource *tensors, SpSpotaiPlan *plan, SpFault *fault)
{
	List list;
	SpStatus st;

	memset(plan, 0, sizeof(*plan));
	st = read_sizes(tensors, plan, fault);
	if (st != SP_OK)
		return st;
	make_list(plan, &list);
	for (size_t i = 0; i < list.count && st == SP_OK; i++)
		st = expect(tensors, &list.items[i], fault);
	for (size_t i = 0; i < tensors->count && st == SP_OK; i++)
		if (!listed(&list, tensors->tensors[i].name))
			st = sp_fault(fault, SP_ERR_BAD_DATA, hint,
			              "The tensor \"%s\" has no place in this architecture.",
			              tensors->tensors[i].name);
	return st;
}
