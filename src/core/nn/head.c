/*
 * src/core/nn/head.c
 *	  Memory and order of a U-Net's last layers; head_rows.c computes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/nn/head.h"

#include <string.h>

#include "core/nn/head_rows.h"

struct SpHead
{
	const SpEnv *env;
	SpHeadShape shape;
	size_t channels;
	size_t pitch; /* of a packed row of one channel */
	SpPointwise up, act;
	float *affine; /* what up points to: scale, then shift */
	float act_affine[2];
	float *deconv; /* [channels][SP_HEAD_TAPS] */
	float deconv_bias;
	float conv[2][16];
	float conv_bias[2];
};

struct SpHeadRoom
{
	const SpEnv *env;
	float *rows[3]; /* packed: [channels][pitch] */
	float *plane;   /* the one channel between the layers, with margins */
};

static void
copy_pointwise(SpPointwise *to, const SpPointwise *from, float *affine, size_t channels)
{
	*to = *from;
	if (from->scale == NULL)
		return;
	memcpy(affine, from->scale, channels * sizeof(float));
	memcpy(affine + channels, from->shift, channels * sizeof(float));
	to->scale = affine;
	to->shift = affine + channels;
}

static void
copy_weights(SpHead *head, const SpHeadWeights *w)
{
	copy_pointwise(&head->up, &w->up, head->affine, (size_t) head->shape.up_channels);
	head->up.from = head->shape.from;
	copy_pointwise(&head->act, &w->act, head->act_affine, 1);
	sp_head_order_taps(head->deconv, w->deconv, head->channels);
	head->deconv_bias = w->deconv_bias;
	for (int c = 0; c < 2; c++)
	{
		head->conv_bias[c] = w->conv_bias[c];
		for (int i = 0; i < 16; i++)
			head->conv[c][i] = w->conv[2 * i + c];
	}
}

static size_t
plane_pitch(const SpHeadShape *shape)
{
	return 2 * (size_t) shape->width + 2 * SP_HEAD_MARGIN;
}

/* Rows come in pairs and so do columns, because the planes are of every second one. */
static bool
possible(const SpHeadShape *s)
{
	return s->height > 0 && s->height % 2 == 0 && s->width > 0 && s->width % 2 == 0 &&
	       s->skip_channels > 0 && s->up_channels > 0;
}

SpStatus
sp_head_new(const SpEnv *env, const SpHeadShape *shape, const SpHeadWeights *weights, SpHead **out)
{
	SpHead *head;

	*out = NULL;
	if (!possible(shape))
		return SP_ERR_BAD_ARG;
	head = sp_calloc(env, 1, sizeof(*head));
	if (head == NULL)
		return SP_ERR_NO_MEMORY;
	head->env = env;
	head->shape = *shape;
	head->channels = (size_t) shape->skip_channels + (size_t) shape->up_channels;
	head->pitch = sp_head_pitch((size_t) shape->width);
	head->affine = sp_alloc(env, 2 * (size_t) shape->up_channels, sizeof(float));
	head->deconv = sp_alloc(env, head->channels * SP_HEAD_TAPS, sizeof(float));
	if (head->affine == NULL || head->deconv == NULL)
	{
		sp_head_free(head);
		return SP_ERR_NO_MEMORY;
	}
	copy_weights(head, weights);
	*out = head;
	return SP_OK;
}

void
sp_head_free(SpHead *head)
{
	if (head == NULL)
		return;
	sp_free(head->env, head->affine);
	sp_free(head->env, head->deconv);
	sp_free(head->env, head);
}

SpStatus
sp_head_room_new(const SpEnv *env, const SpHeadShape *shape, SpHeadRoom **out)
{
	size_t plane = plane_pitch(shape) * (2 * (size_t) shape->height + 6);
	size_t row = ((size_t) shape->skip_channels + (size_t) shape->up_channels) *
	             sp_head_pitch((size_t) shape->width);
	SpHeadRoom *room;
	bool complete;

	*out = NULL;
	if (!possible(shape))
		return SP_ERR_BAD_ARG;
	room = sp_calloc(env, 1, sizeof(*room));
	if (room == NULL)
		return SP_ERR_NO_MEMORY;
	room->env = env;
	/* cleared once: nothing ever writes to margins */
	room->plane = sp_calloc(env, plane, sizeof(float));
	complete = room->plane != NULL;
	for (int r = 0; r < 3; r++)
	{
		room->rows[r] = sp_calloc(env, row, sizeof(float));
		complete = complete && room->rows[r] != NULL;
	}
	if (!complete)
	{
		sp_head_room_free(room);
		return SP_ERR_NO_MEMORY;
	}
	*out = room;
	return SP_OK;
}

void
sp_head_room_free(SpHeadRoom *room)
{
	if (room == NULL)
		return;
	for (int r = 0; r < 3; r++)
		sp_free(room->env, room->rows[r]);
	sp_free(room->env, room->plane);
	sp_free(room->env, room);
}

/* Row y of both inputs of the concatenation, channel by channel; zeros beyond the edges. */
static void
pack_row(const SpHead *head, float *row, const void *skip, const void *planes, int y)
{
	size_t element = head->shape.from == SP_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);
	size_t width = (size_t) head->shape.width, half = width / 2;
	size_t skips = (size_t) head->shape.skip_channels, ups = (size_t) head->shape.up_channels;
	size_t plane = (size_t) head->shape.height / 2 * half * ups * element;
	const char *even;

	if (y < 0 || y >= head->shape.height)
	{
		memset(row, 0, head->channels * head->pitch * sizeof(float));
		return;
	}
	sp_head_pack(head->shape.from, (const char *) skip + (size_t) y * width * skips * element,
	             width, skips, row, head->pitch);
	even = (const char *) planes + (size_t) (y % 2) * 2 * plane +
	       (size_t) (y / 2) * half * ups * element;
	sp_head_pack_pair(&head->up, even, even + plane, half, ups, row + skips * head->pitch,
	                  head->pitch);
}

/* The rows of the last convolution, from *done up to ready. */
static void
last_rows(const SpHead *head, const SpHeadRoom *room, int *done, int ready, const float *mix,
          float *out)
{
	size_t width = 2 * (size_t) head->shape.width;
	size_t image = 2 * (size_t) head->shape.height * width;
	size_t pitch = plane_pitch(&head->shape);

	for (; *done < ready; ++*done)
		for (size_t c = 0; c < 2; c++)
		{
			size_t at = c * image + (size_t) *done * width;

			sp_head_conv(room->plane + (size_t) *done * pitch + SP_HEAD_MARGIN, pitch, width,
			             head->conv[c], head->conv_bias[c], mix != NULL ? mix + at : NULL,
			             out + at);
		}
}

void
sp_head_run(const SpHead *head, SpHeadRoom *room, const void *skip, const void *planes,
            const float *mix, float *out)
{
	int height = head->shape.height;
	size_t pitch = plane_pitch(&head->shape);
	float *const *rows = room->rows;
	int done = 0; /* rows of the output */

	pack_row(head, rows[2], skip, planes, -1);
	pack_row(head, rows[0], skip, planes, 0);
	for (int y = 0; y < height; y++)
	{
		SpHeadDeconv in = {
			.rows = {rows[(y + 2) % 3], rows[y % 3], rows[(y + 1) % 3]},
			.channels = head->channels,
			.pitch = head->pitch,
			.width = (size_t) head->shape.width,
			.taps = head->deconv,
			.bias = head->deconv_bias,
		};
		/* three rows above the first are margin */
		float *to = room->plane + (size_t) (2 * y + 3) * pitch + SP_HEAD_MARGIN;

		pack_row(head, rows[(y + 1) % 3], skip, planes, y + 1);
		sp_head_deconv(&in, &head->act, to, to + pitch);
		/* a row needs three below it */
		last_rows(head, room, &done, y + 1 < height ? 2 * y - 1 : 2 * height, mix, out);
	}
}
