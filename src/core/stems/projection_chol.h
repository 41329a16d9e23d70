/*
 * src/core/stems/projection_chol.h
 *	  Cholesky factorisation of a large symmetric matrix in tiles.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_STEMS_PROJECTION_CHOL_H
#define SP_STEMS_PROJECTION_CHOL_H

#include "core/sp_base.h"

/* Rows and columns of a tile: see projection_chol.c. */
#define SP_CHOL_TILE 48

/*
 * The lower triangle of an n x n matrix, n padded up to whole tiles.  Tiles
 * i >= j lie row by row (0,0) (1,0) (1,1) (2,0) ...; a tile is stored by
 * columns: element (row r, column c) at [c * SP_CHOL_TILE + r].
 */
typedef struct SpChol
{
	size_t tiles;             /* tiles a side */
	double *tile;             /* room for them */
	double *inverse_diagonal; /* [tiles * SP_CHOL_TILE], after factoring */
} SpChol;

/* Tiles a side of an n x n matrix. */
static inline size_t
sp_chol_tiles(size_t n)
{
	return (n + SP_CHOL_TILE - 1) / SP_CHOL_TILE;
}

static inline double *
sp_chol_tile(const SpChol *m, size_t i, size_t j)
{
	return m->tile + (i * (i + 1) / 2 + j) * SP_CHOL_TILE * SP_CHOL_TILE;
}

/* Room for an n x n matrix; m->tiles is n's and may be lowered for smaller ones. */
SpStatus sp_chol_init(const SpEnv *env, SpChol *m, size_t n);
void sp_chol_release(const SpEnv *env, SpChol *m);

/*
 * Replace the matrix by its factor L, m = L L'.  *definite is false, and the
 * matrix spoilt, when a pivot shows that it is not positive definite in
 * double precision.  In diagonal tiles only the lower triangle is used.
 * Polls should_stop.
 */
SpStatus sp_chol_factor(const SpEnv *env, SpChol *m, bool *definite);

/* x (tiles * SP_CHOL_TILE long) becomes the solution of m x = b, given as x = b.  Polls. */
SpStatus sp_chol_solve(const SpEnv *env, const SpChol *m, double *x);

#endif /* SP_STEMS_PROJECTION_CHOL_H */
