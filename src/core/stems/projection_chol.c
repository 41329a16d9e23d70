/*
 * src/core/stems/projection_chol.c
 *	  Cholesky factorisation of a large symmetric matrix in tiles.
 *
 * Why not LAPACK's dpotrf: OpenBLAS's common build starts its threads when
 * the library is loaded, which a preloaded extension would do to the
 * postmaster; and one call for a 4096 x 4096 matrix takes a second in which
 * nobody can cancel.  This factorisation is left-looking over tiles and polls
 * before each of them.
 *
 * Why not block Levinson or Schur recursions, which need no matrix at all:
 * the Gram matrices of real stems are close to singular (one channel twice, a
 * low-pass at 16 kHz), where Levinson loses its accuracy, while Cholesky is
 * backward stable whatever the condition.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/projection_chol.h"

#include <math.h>
#include <string.h>

#include "core/sp_simd.h"

#define T SP_CHOL_TILE

/*
 * The kernel below keeps 8 rows x 6 columns of the result in registers: 12 of
 * the 16 that AVX2 has.  Six divides the tile, and three tiles of 48 x 48
 * doubles (54 kB) stay close to the first-level cache.
 */
#define ROWS 8
#define COLS 6

typedef double Rows __attribute__((vector_size(ROWS * sizeof(double)), may_alias));

_Static_assert(T % ROWS == 0 && T % COLS == 0, "tile must hold whole register blocks");

SpStatus
sp_chol_init(const SpEnv *env, SpChol *m, size_t n)
{
	m->tiles = sp_chol_tiles(n);
	m->tile = sp_alloc(env, m->tiles * (m->tiles + 1) / 2, T * T * sizeof(double));
	m->inverse_diagonal = sp_alloc(env, m->tiles, T * sizeof(double));
	return m->tile == NULL || m->inverse_diagonal == NULL ? SP_ERR_NO_MEMORY : SP_OK;
}

void
sp_chol_release(const SpEnv *env, SpChol *m)
{
	sp_free(env, m->tile);
	sp_free(env, m->inverse_diagonal);
	memset(m, 0, sizeof(*m));
}

/* One register block: c -= a b', with c at its first element, a and b at their first rows. */
static inline __attribute__((always_inline)) void
subtract_block(double *restrict c, const double *restrict a, const double *restrict b)
{
	/* Six names rather than an array: they stay in registers without the optimiser's help too. */
	Rows s0 = *(Rows *) c, s1 = *(Rows *) (c + T), s2 = *(Rows *) (c + 2 * T);
	Rows s3 = *(Rows *) (c + 3 * T), s4 = *(Rows *) (c + 4 * T), s5 = *(Rows *) (c + 5 * T);

	for (size_t k = 0; k < T; k++, a += T, b += T)
	{
		Rows left = *(const Rows *) a;

		s0 -= left * b[0];
		s1 -= left * b[1];
		s2 -= left * b[2];
		s3 -= left * b[3];
		s4 -= left * b[4];
		s5 -= left * b[5];
	}
	*(Rows *) c = s0;
	*(Rows *) (c + T) = s1;
	*(Rows *) (c + 2 * T) = s2;
	*(Rows *) (c + 3 * T) = s3;
	*(Rows *) (c + 4 * T) = s4;
	*(Rows *) (c + 5 * T) = s5;
}

/* c -= a b' for three tiles. */
SP_CLONES static void
subtract_product(double *restrict c, const double *restrict a, const double *restrict b)
{
	for (size_t col = 0; col < T; col += COLS)
		for (size_t row = 0; row < T; row += ROWS)
			subtract_block(c + col * T + row, a + row, b + col);
}

/* Unblocked Cholesky of a diagonal tile; false at a pivot that is not positive. */
static bool
factor_diagonal(double *a, double *inverse)
{
	for (size_t c = 0; c < T; c++)
	{
		for (size_t k = 0; k < c; k++)
			for (size_t r = c; r < T; r++)
				a[c * T + r] -= a[k * T + r] * a[k * T + c];
		/* NaN is not > 0 either. */
		if (!(a[c * T + c] > 0.0))
			return false;
		inverse[c] = 1.0 / sqrt(a[c * T + c]);
		for (size_t r = c; r < T; r++)
			a[c * T + r] *= inverse[c];
	}
	return true;
}

/* a becomes a d'^-1, d the factored diagonal tile of its column. */
SP_CLONES static void
divide_by_diagonal(double *restrict a, const double *restrict d, const double *restrict inverse)
{
	for (size_t c = 0; c < T; c++)
	{
		for (size_t k = 0; k < c; k++)
			for (size_t r = 0; r < T; r++)
				a[c * T + r] -= a[k * T + r] * d[k * T + c];
		for (size_t r = 0; r < T; r++)
			a[c * T + r] *= inverse[c];
	}
}

SpStatus
sp_chol_factor(const SpEnv *env, SpChol *m, bool *definite)
{
	*definite = false;
	for (size_t j = 0; j < m->tiles; j++)
		for (size_t i = j; i < m->tiles; i++)
		{
			double *a = sp_chol_tile(m, i, j);

			if (sp_should_stop(env))
				return SP_ERR_CANCELED;
			for (size_t k = 0; k < j; k++)
				subtract_product(a, sp_chol_tile(m, i, k), sp_chol_tile(m, j, k));
			if (i > j)
				divide_by_diagonal(a, sp_chol_tile(m, j, j), m->inverse_diagonal + j * T);
			else if (!factor_diagonal(a, m->inverse_diagonal + j * T))
				return SP_OK;
		}
	*definite = true;
	return SP_OK;
}

/* y -= a x for a tile. */
SP_CLONES static void
subtract_tile(double *restrict y, const double *restrict a, const double *restrict x)
{
	for (size_t c = 0; c < T; c++)
		for (size_t r = 0; r < T; r++)
			y[r] -= a[c * T + r] * x[c];
}

/* y -= a' x for a tile. */
SP_CLONES static void
subtract_transposed(double *restrict y, const double *restrict a, const double *restrict x)
{
	for (size_t c = 0; c < T; c++)
	{
		Rows sum = {0};

		for (size_t r = 0; r < T; r += ROWS)
			sum += *(const Rows *) (a + c * T + r) * *(const Rows *) (x + r);
		for (size_t k = 0; k < ROWS; k++)
			y[c] -= sum[k];
	}
}

/* L y = b, by rows of tiles. */
static SpStatus
solve_forward(const SpEnv *env, const SpChol *m, double *x)
{
	for (size_t i = 0; i < m->tiles; i++)
	{
		const double *d = sp_chol_tile(m, i, i), *inverse = m->inverse_diagonal + i * T;
		double *y = x + i * T;

		if (sp_should_stop(env))
			return SP_ERR_CANCELED;
		for (size_t j = 0; j < i; j++)
			subtract_tile(y, sp_chol_tile(m, i, j), x + j * T);
		for (size_t c = 0; c < T; c++)
		{
			y[c] *= inverse[c];
			for (size_t r = c + 1; r < T; r++)
				y[r] -= d[c * T + r] * y[c];
		}
	}
	return SP_OK;
}

/* L' x = y; from the last row up, each finished stretch of x leaves the rows above it. */
static SpStatus
solve_backward(const SpEnv *env, const SpChol *m, double *x)
{
	for (size_t i = m->tiles; i-- > 0;)
	{
		const double *d = sp_chol_tile(m, i, i), *inverse = m->inverse_diagonal + i * T;
		double *y = x + i * T;

		if (sp_should_stop(env))
			return SP_ERR_CANCELED;
		for (size_t c = T; c-- > 0;)
		{
			for (size_t r = c + 1; r < T; r++)
				y[c] -= d[c * T + r] * y[r];
			y[c] *= inverse[c];
		}
		for (size_t j = 0; j < i; j++)
			subtract_transposed(x + j * T, sp_chol_tile(m, i, j), y);
	}
	return SP_OK;
}

SpStatus
sp_chol_solve(const SpEnv *env, const SpChol *m, double *x)
{
	SpStatus st = solve_forward(env, m, x);

	return st == SP_OK ? solve_backward(env, m, x) : st;
}
