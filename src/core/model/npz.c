/*
 * src/core/model/npz.c
 *	  NumPy arrays (.npy), as a .npz holds them.
 *
 * Source: NumPy, "A simple file format for NumPy arrays" (NEP 1; versions 1
 * to 3).  The header is a Python literal; we read the one dictionary that
 * NumPy writes, and run nothing: arrays of objects are refused.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "core/model/weights_internal.h"

/*
 * NumPy refuses headers beyond 10,000 bytes, and version 1 cannot hold more
 * than this.
 */
#define MAX_HEADER 65535

/* Longest kind of numbers that we know is three characters. */
#define MAX_DESCR 15

typedef struct Header
{
	char descr[MAX_DESCR + 1];
	bool column_major;
	int rank;
	int64_t shape[SP_TENSOR_MAX_RANK];
	int keys; /* a bit for each that was said */
} Header;

static const struct
{
	const char *descr;
	SpDtype dtype;
} dtypes[] = {
	{"<f4", SP_DTYPE_F32}, {"<f2", SP_DTYPE_F16}, {"<f8", SP_DTYPE_F64},
	{"<i4", SP_DTYPE_I32}, {"<i8", SP_DTYPE_I64},
};

static const char *
skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\n')
		p++;
	return p;
}

/* A quoted string without escapes; NULL when there is none or it is too long. */
static const char *
take_string(const char *p, char *out, size_t size)
{
	char quote = *p;
	size_t n;

	if (quote != '\'' && quote != '"')
		return NULL;
	p++;
	n = strcspn(p, "'\"\\");
	if (p[n] != quote || n >= size)
		return NULL;
	memcpy(out, p, n);
	out[n] = '\0';
	return p + n + 1;
}

/* A number; Python 2 wrote an L behind it. */
static const char *
take_number(const char *p, int64_t *value)
{
	*value = 0;
	if (*p < '0' || *p > '9')
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, *p - '0', value))
			return NULL;
	return *p == 'L' ? p + 1 : p;
}

/* (), (1,), (1, 2) and so on. */
static const char *
take_tuple(const char *p, Header *header)
{
	if (*p++ != '(')
		return NULL;
	header->rank = 0;
	while (*(p = skip_blanks(p)) != ')')
	{
		int64_t size;

		p = take_number(p, &size);
		if (p == NULL || header->rank == SP_TENSOR_MAX_RANK)
			return NULL;
		header->shape[header->rank++] = size;
		p = skip_blanks(p);
		if (*p == ',')
			p++;
		else if (*p != ')')
			return NULL;
	}
	return p + 1;
}

/* The value of key, which must not have been said before. */
static const char *
take_value(const char *p, const char *key, Header *header)
{
	static const char *const keys[] = {"descr", "fortran_order", "shape"};

	for (int k = 0; k < 3; k++)
	{
		if (strcmp(key, keys[k]) != 0 || header->keys & 1 << k)
			continue;
		header->keys |= 1 << k;
		if (k == 0)
			return take_string(p, header->descr, sizeof(header->descr));
		if (k == 2)
			return take_tuple(p, header);
		header->column_major = strncmp(p, "True", 4) == 0;
		if (header->column_major)
			return p + 4;
		return strncmp(p, "False", 5) == 0 ? p + 5 : NULL;
	}
	return NULL;
}

/* The dictionary; false when it is none that NumPy writes. */
static bool
parse_header(const char *p, Header *header)
{
	memset(header, 0, sizeof(*header));
	p = skip_blanks(p);
	if (*p++ != '{')
		return false;
	while (*(p = skip_blanks(p)) != '}')
	{
		char key[16];

		p = take_string(p, key, sizeof(key));
		if (p == NULL || *(p = skip_blanks(p)) != ':')
			return false;
		p = take_value(skip_blanks(p + 1), key, header);
		if (p == NULL)
			return false;
		p = skip_blanks(p);
		if (*p == ',')
			p++;
		else if (*p != '}')
			return false;
	}
	return *skip_blanks(p + 1) == '\0' && header->keys == 7;
}

/*
 * The header's text, ended by NUL (the caller's to free, also on failure), and
 * where the numbers begin in the array's bytes.
 */
static SpStatus
load_header(SpWeights *w, SpSpool *spool, int64_t offset, int64_t size, char **text, int64_t *data,
            const char *name, SpFault *fault)
{
	uint8_t head[12] = {0};
	uint32_t length;
	size_t got = 0;
	int at;

	*text = NULL;
	if (sp_spool_read(spool, offset, head, size < 12 ? (size_t) size : 12, &got) != SP_OK)
		return sp_spool_fault(spool, fault);
	at = head[6] == 1 ? 10 : 12;
	length = head[8] | (uint32_t) head[9] << 8;
	if (head[6] > 1)
		length |= (uint32_t) head[10] << 16 | (uint32_t) head[11] << 24;
	if (memcmp(head, "\x93NUMPY", 6) != 0 || head[6] < 1 || head[6] > 3 || size < at ||
	    length > size - at || length > MAX_HEADER)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
		                "Array \"%.80s\" does not begin as a .npy file.", name);
	*text = sp_alloc(w->env, length + 1, 1);
	if (*text == NULL)
		return sp_weights_no_memory(fault);
	if (sp_spool_read(spool, offset + at, *text, length, &got) != SP_OK)
		return sp_spool_fault(spool, fault);
	(*text)[got] = '\0';
	*data = at + (int64_t) length;
	/* A NUL inside would hide what follows it. */
	if (strlen(*text) != length)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
		                "The header of array \"%.80s\" is not text.", name);
	return SP_OK;
}

static SpStatus
dtype_of(const char *descr, SpDtype *dtype, const char *name, SpFault *fault)
{
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (strcmp(dtypes[i].descr, descr) == 0)
		{
			*dtype = dtypes[i].dtype;
			return SP_OK;
		}
	if (descr[0] == '>')
		return sp_fault(fault, SP_ERR_UNSUPPORTED,
		                "Save it little-endian: a.astype(a.dtype.newbyteorder('<')).",
		                "Array \"%.80s\" is big-endian (%s).", name, descr);
	return sp_fault(fault, SP_ERR_UNSUPPORTED, "Save it as numbers: a.astype('<f4').",
	                "Array \"%.80s\" holds something that is not read (%s).", name, descr);
}

SpStatus
sp_npz_add(SpWeights *w, size_t store, const char *name, int64_t offset, int64_t size,
           SpFault *fault)
{
	SpTensorInfo info = {.name = name};
	SpTensorPlace place = {.store = store};
	Header header;
	int64_t data = 0;
	char *text;
	SpStatus st = load_header(w, w->stores[store], offset, size, &text, &data, name, fault);

	if (st == SP_OK && !parse_header(text, &header))
		st = sp_fault(
			fault, SP_ERR_BAD_DATA, "Save plain arrays, of at most 8 dimensions, with numpy.savez.",
			"The header of array \"%.80s\" is damaged, or describes no plain array.", name);
	sp_free(w->env, text);
	if (st == SP_OK)
		st = dtype_of(header.descr, &info.dtype, name, fault);
	if (st != SP_OK)
		return st;
	info.rank = header.rank;
	memcpy(info.shape, header.shape, sizeof(info.shape[0]) * (size_t) header.rank);
	place.offset = offset + data;
	place.bytes = size - data;
	place.column_major = header.column_major && header.rank > 1;
	return sp_weights_add(w, &info, &place, fault);
}
