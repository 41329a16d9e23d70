/*
 * tests/bench/vector_set.h
 *	  Files of vectors, and of what is nearest to them, for the vector benchmark.
 *
 * A set is two uint32, rows and dimensions, then the rows as floats.  Truth is
 * for each query the SET_K smallest distances, ascending, as doubles; infinity
 * where there are fewer rows.  Both in the byte order of the machine.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef VECTOR_SET_H
#define VECTOR_SET_H

#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SET_K     10
#define SET_PARTS 1000

typedef struct VectorSet
{
	uint32_t n;
	uint32_t d;
	const float *rows;
} VectorSet;

static inline void
set_die(const char *what)
{
	perror(what);
	exit(1);
}

/* The file's content, for as long as the program runs. */
static inline const void *
set_map(const char *path, size_t *size)
{
	struct stat status;
	int file = open(path, O_RDONLY);
	void *content;

	if (file < 0 || fstat(file, &status) != 0)
		set_die(path);
	*size = (size_t) status.st_size;
	content = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, file, 0);
	if (content == MAP_FAILED)
		set_die(path);
	close(file);
	return content;
}

static inline VectorSet
set_open(const char *path)
{
	size_t size;
	const uint32_t *head = set_map(path, &size);
	VectorSet set = {head[0], head[1], (const float *) (head + 2)};

	if (size != 8 + (size_t) set.n * set.d * sizeof(float))
	{
		fprintf(stderr, "%s: not a set of vectors\n", path);
		exit(1);
	}
	return set;
}

static inline const float *
set_row(const VectorSet *set, size_t i)
{
	return set->rows + i * set->d;
}

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014. */
static inline uint64_t
set_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* The part, 0 .. SET_PARTS - 1, that a row is in: what filters look at. */
static inline int
set_part(size_t row)
{
	return (int) (set_mix(row) % SET_PARTS);
}

/* 'l' Euclidean, 'c' cosine, 'i' negative inner product; as the operators say, in double. */
static inline double
set_distance(char metric, const float *a, const float *b, size_t d)
{
	double squares = 0, product = 0, aa = 0, bb = 0;

	for (size_t i = 0; i < d; i++)
	{
		double difference = (double) a[i] - b[i];

		squares += difference * difference;
		product += (double) a[i] * b[i];
		aa += (double) a[i] * a[i];
		bb += (double) b[i] * b[i];
	}
	return metric == 'l' ? sqrt(squares) : metric == 'c' ? 1 - product / sqrt(aa * bb) : -product;
}

#endif /* VECTOR_SET_H */
