/*
 * src/core/stems/classical.h
 *	  The model `classical`: separation without training.
 *
 * A *source* is what the filter inside tells apart (always voice, drums,
 * bass, other and, for five stems, piano).  docs/separation_classical.md has
 * the method and its measurements.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CLASSICAL_H
#define SP_CLASSICAL_H

#include "core/stems/separator.h"

/* Names of the stems in the order of pull's outputs, ended by NULL; NULL for an unknown count. */
const char *const *sp_classical_names(int stems);

/*
 * For 2, 4 or 5 stems.  Plans Fourier transforms, so not from two threads at
 * once.  cfg is copied; env must outlive the separator.  SP_ERR_BAD_ARG,
 * SP_ERR_NO_MEMORY.
 */
SpStatus sp_classical_new(const SpEnv *env, const SpSeparatorConfig *cfg, SpSeparator **out);

#endif /* SP_CLASSICAL_H */
