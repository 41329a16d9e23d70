/*
 * src/pg/ann/labels.c
 *	  Conditions on the label: = and = ANY, of integers of any size.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/skey.h"
#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "pg/ann/scan.h"

/* false for what no label can be. */
static bool
to_label(Datum value, Oid type, int32 *label)
{
	int64 number = type == INT2OID   ? DatumGetInt16(value)
	               : type == INT4OID ? DatumGetInt32(value)
	                                 : DatumGetInt64(value);

	*label = (int32) number;
	return number >= PG_INT32_MIN && number <= PG_INT32_MAX;
}

static int
read_array(Datum value, int32 **labels)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Oid type = ARR_ELEMTYPE(array);
	int16 length;
	bool byval, *nulls;
	char align;
	Datum *values;
	int n, kept = 0;

	get_typlenbyvalalign(type, &length, &byval, &align);
	deconstruct_array(array, type, length, byval, align, &values, &nulls, &n);
	*labels = palloc(sizeof(int32) * (n + 1));
	for (int i = 0; i < n; i++)
		if (!nulls[i] && to_label(values[i], type, &(*labels)[kept]))
			kept++;
	return kept;
}

static int
read_key(ScanKey key, int32 **labels)
{
	if (key->sk_flags & SK_SEARCHARRAY)
		return read_array(key->sk_argument, labels);
	*labels = palloc(sizeof(int32));
	return to_label(key->sk_argument, OidIsValid(key->sk_subtype) ? key->sk_subtype : INT4OID,
	                *labels)
	           ? 1
	           : 0;
}

static int
compare_labels(const void *a, const void *b)
{
	int32 x = *(const int32 *) a, y = *(const int32 *) b;

	return (x > y) - (x < y);
}

bool
sp_ann_read_labels(SpAnnLabels *labels, ScanKey keys, int nkeys)
{
	*labels = (SpAnnLabels){.any = true};
	for (int i = 0; i < nkeys; i++)
	{
		SpAnnLabels both = {0}, other = {0};

		if (keys[i].sk_flags & SK_ISNULL)
			return false;
		other.n = read_key(&keys[i], &other.values);
		qsort(other.values, (size_t) other.n, sizeof(int32), compare_labels);
		both.values = other.values;
		for (int j = 0; j < other.n; j++)
			if (sp_ann_label_fits(labels, other.values[j]))
				both.values[both.n++] = other.values[j];
		*labels = both;
		if (both.n == 0)
			return false;
	}
	for (int i = 0; i < labels->n; i++)
		labels->recheck |= labels->values[i] == SP_ANN_NO_LABEL;
	return true;
}
