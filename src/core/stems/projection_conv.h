/*
 * src/core/stems/projection_conv.h
 *	  Apply projection filters to the references, block by block.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_STEMS_PROJECTION_CONV_H
#define SP_STEMS_PROJECTION_CONV_H

#include "core/sp_base.h"

typedef struct SpFir SpFir;

/* inputs signals in, outputs signals out, taps >= 1.  *out is NULL unless SP_OK. */
SpStatus sp_fir_new(const SpEnv *env, size_t inputs, size_t outputs, size_t taps, SpFir **out);

/* Output o is the sum of inputs first .. first + count - 1 through filters[count][taps]. */
SpStatus sp_fir_set(SpFir *conv, size_t o, size_t first, size_t count, const double *filters);

/* Samples of a block. */
size_t sp_fir_block(const SpFir *conv);

/* Where the samples of the next block go; read them there until sp_fir_next. */
double *sp_fir_input(SpFir *conv, size_t input);

/* Run the block: all outputs.  Samples of it that were not written spoil only later ones. */
void sp_fir_run(SpFir *conv);

/* The block's samples of an output, valid until the next run. */
const double *sp_fir_output(const SpFir *conv, size_t o);

/* On to the next block; or, as at the start, to one that follows silence. */
void sp_fir_next(SpFir *conv);
void sp_fir_restart(SpFir *conv);

void sp_fir_free(SpFir *conv);

#endif /* SP_STEMS_PROJECTION_CONV_H */
