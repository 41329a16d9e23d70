/*
 * src/core/vector/rabitq_fields.h
 *	  The inner loop of an estimate from codes of 2, 4 or 8 bits a dimension.
 *
 * Here a code is no planes of bits but bytes, [words * 8], each of them shared by
 * 8 / bits dimensions (its fields): field f of byte j belongs to dimension
 * f * words * 8 + j.  So that a machine's product of bytes does all of them, with
 * a query of eight bits, in hardly more time than planes take for one bit.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_VECTOR_RABITQ_FIELDS_H
#define SP_VECTOR_RABITQ_FIELDS_H

#include "core/vector/rabitq_bits.h"

/* Values of a query are -SP_RABITQ_REACH .. SP_RABITQ_REACH. */
#define SP_RABITQ_REACH 127

/* Bytes from one field of a query to the next, whole vectors of the machine. */
#define SP_RABITQ_STRIDE(words) (((words) + 7) / 8 * 64)

/*
 * sums[i] = the sum over dimensions of the value in codes[i][words] times that in
 * query[8 / bits][SP_RABITQ_STRIDE(words)], signed bytes aligned to SP_ALIGN, with
 * zeros behind the end of each field.
 *
 * The fastest that this machine has of the first `forms` forms: tests ask for
 * fewer than SP_RABITQ_FORMS, one being what every machine has.
 */
SpRabitqSum sp_rabitq_field_sum(int bits, int forms);

#define SP_RABITQ_FORMS 3

/* values[n]: the nearest of -SP_RABITQ_REACH .. SP_RABITQ_REACH to residual[n] times by; their sum. */
int32_t sp_rabitq_cut_bytes(const float *restrict residual, size_t n, float by,
                            int8_t *restrict values);

#endif /* SP_VECTOR_RABITQ_FIELDS_H */
