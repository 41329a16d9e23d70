/*
 * src/core/stems/projection_conv.h
 *	  Apply projection filters to the references, block by block.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_STEMS_PROJECTION_CONV_H
#define SP_STEMS_PROJECTION_CONV_H

#include "core/sp_base.h"

typedef struct SpConv SpConv;

/* inputs signals in, outputs signals out, taps >= 1.  *out is NULL unless SP_OK. */
SpStatus sp_conv_new(const SpEnv *env, size_t inputs, size_t outputs, size_t taps, SpConv **out);

/* Output o is the sum of inputs first .. first + count - 1 through filters[count][taps]. */
SpStatus sp_conv_set(SpConv *conv, size_t o, size_t first, size_t count, const double *filters);

/* Samples of a block. */
size_t sp_conv_block(const SpConv *conv);

/* Where the samples of the next block go; read them there until sp_conv_next. */
double *sp_conv_input(SpConv *conv, size_t input);

/* Run the block: all outputs.  Samples of it that were not written spoil only later ones. */
void sp_conv_run(SpConv *conv);

/* The block's samples of an output, valid until the next run. */
const double *sp_conv_output(const SpConv *conv, size_t o);

/* On to the next block; or, as at the start, to one that follows silence. */
void sp_conv_next(SpConv *conv);
void sp_conv_restart(SpConv *conv);

void sp_conv_free(SpConv *conv);

#endif /* SP_STEMS_PROJECTION_CONV_H */
