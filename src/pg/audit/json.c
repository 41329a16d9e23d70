/*
 * src/pg/audit/json.c
 *	  Rows of a table as JSON, for the audit log.
 *
 * row_to_json() would look up the types of all columns again for each row, can
 * not leave columns out, and writes times in the session's zone.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "core/merkle/entry.h"
#include "pg/audit/json.h"
#include "pg/audit/write.h"
#include "pg/seam.h"

/* Longest name of an object in an entry, of SP_ENTRY_MAX_OBJECT, before its hash stands for it. */
#define MAX_NAME_CHARS 2000

/* A virtual generated column of PostgreSQL 18 has no value in a row. */
#define GENERATED_VIRTUAL 'v'

typedef enum Kind
{
	AS_TEXT,
	AS_NUMBER, /* a number where it looks like one, otherwise text: NaN */
	AS_BOOLEAN,
	AS_JSON,
	AS_TIME,
	AS_TO_JSON /* arrays and composite types */
} Kind;

typedef struct Column
{
	int number; /* in a row, from 0 */
	const char *name;
	Oid type;
	int16 length;
	bool by_value;
	bool in_key;
	bool written;
	Kind kind;
	FmgrInfo output; /* of the type; to_json() for AS_TO_JSON */
} Column;

struct SpAuditShape
{
	const char *relation; /* with its schema, quoted */
	bool has_key;
	int n;
	Column columns[FLEXIBLE_ARRAY_MEMBER];
};

/* --- shapes ------------------------------------------------------------------------- */

static Kind
kind_of(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return AS_BOOLEAN;
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return AS_NUMBER;
		case JSONOID:
		case JSONBOID:
			return AS_JSON;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return AS_TIME;
		default:
			return OidIsValid(get_element_type(type)) || type_is_rowtype(type) ? AS_TO_JSON
			                                                                   : AS_TEXT;
	}
}

static void
prepare_column(Column *column, Form_pg_attribute attribute, int number)
{
	bool varlena;
	Oid output;

	column->number = number;
	column->name = NameStr(attribute->attname);
	column->type = getBaseType(attribute->atttypid);
	column->length = attribute->attlen;
	column->by_value = attribute->attbyval;
	column->kind = kind_of(column->type);
	if (column->kind == AS_TO_JSON)
	{
		List *args = list_make1(makeNullConst(attribute->atttypid, -1, attribute->attcollation));

		fmgr_info(F_TO_JSON, &column->output);
		fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSON, JSONOID, args, InvalidOid, InvalidOid,
		                                         COERCE_EXPLICIT_CALL),
		                   &column->output);
		return;
	}
	getTypeOutputInfo(attribute->atttypid, &output, &varlena);
	fmgr_info(output, &column->output);
}

static bool
is_named(const char *column, char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(column, names[i]) == 0)
			return true;
	return n == 0;
}

SpAuditShape *
sp_audit_shape(Relation rel, char *const *names, int n)
{
	TupleDesc desc = RelationGetDescr(rel);
	Bitmapset *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	SpAuditShape *shape =
		palloc0(offsetof(SpAuditShape, columns) + sizeof(Column) * (Size) desc->natts);

	shape->relation = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
	                                             RelationGetRelationName(rel));
	shape->has_key = !bms_is_empty(key);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		Column *column = &shape->columns[shape->n];

		if (attribute->attisdropped || attribute->attgenerated == GENERATED_VIRTUAL)
			continue;
		prepare_column(column, attribute, i);
		column->in_key = bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, key);
		column->written = is_named(column->name, names, n);
		shape->n++;
	}
	bms_free(key);
	return shape;
}

bool
sp_audit_shape_has_key(const SpAuditShape *shape)
{
	return shape->has_key;
}

/* --- values ------------------------------------------------------------------------------ */

static void
write_digest(const void *data, size_t n, StringInfo out)
{
	SpDigest digest;

	sp_pg_check(sp_sha256_run(sp_audit_sha(), data, n, &digest), "audit entry", NULL);
	appendStringInfoString(out, "{\"sha256\": \"");
	for (int i = 0; i < SP_DIGEST_BYTES; i++)
		appendStringInfo(out, "%02x", digest.bytes[i]);
	appendStringInfo(out, "\", \"bytes\": %zu}", n);
}

static void
write_big(Datum value, StringInfo out)
{
	struct varlena *plain = PG_DETOAST_DATUM_PACKED(value);

	write_digest(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain), out);
}

static void
write_number(const char *text, StringInfo out)
{
	const char *digits = text[0] == '-' ? text + 1 : text;

	if (digits[0] >= '0' && digits[0] <= '9')
		appendStringInfoString(out, text);
	else
		escape_json(out, text);
}

static void
write_time(const Column *column, Datum value, StringInfo out)
{
	static const int utc = 0;
	char text[MAXDATELEN + 1];

	JsonEncodeDateTime(text, value, column->type, &utc);
	escape_json(out, text);
}

/*
 * Whether JSON text is surely jsonb as well, which has no NUL, no half of a pair
 * of code units and no number without end: one such value would make the log
 * unreadable for whoever reads it as jsonb.  What might be one is written as a
 * text.
 */
static bool
is_jsonb(const char *text)
{
	bool in_string = false;
	int digits = 0;

	for (const char *at = text; *at != '\0'; at++)
	{
		if (*at == '\\')
		{
			/* \u0000 and \ud800 to \udfff */
			if (at[1] == 'u' && (strncmp(at + 2, "0000", 4) == 0 || at[2] == 'd' || at[2] == 'D'))
				return false;
			at += at[1] != '\0';
			continue;
		}
		if (*at == '"')
			in_string = !in_string;
		if (in_string)
			continue;
		if (digits > 300 || (digits > 0 && (*at == 'e' || *at == 'E')))
			return false;
		digits = *at >= '0' && *at <= '9' ? digits + 1 : 0;
	}
	return true;
}

static void
write_to_json(const Column *column, Datum value, StringInfo out)
{
	text *json = DatumGetTextPP(FunctionCall1(unconstify(FmgrInfo *, &column->output), value));

	if (VARSIZE_ANY_EXHDR(json) > SP_AUDIT_BIG_VALUE)
		write_big(PointerGetDatum(json), out);
	else
	{
		char *copy = text_to_cstring(json);

		if (is_jsonb(copy))
			appendStringInfoString(out, copy);
		else
			escape_json(out, copy);
		pfree(copy);
	}
}

static void
write_value(const Column *column, Datum value, StringInfo out)
{
	const char *text;

	if (column->length == -1 && toast_raw_datum_size(value) - VARHDRSZ > SP_AUDIT_BIG_VALUE)
	{
		write_big(value, out);
		return;
	}
	if (column->kind == AS_TIME)
	{
		write_time(column, value, out);
		return;
	}
	if (column->kind == AS_TO_JSON)
	{
		write_to_json(column, value, out);
		return;
	}
	text = OutputFunctionCall(unconstify(FmgrInfo *, &column->output), value);
	if (column->kind == AS_BOOLEAN)
		appendStringInfoString(out, text[0] == 't' ? "true" : "false");
	else if (column->kind == AS_NUMBER)
		write_number(text, out);
	else if (column->kind == AS_JSON && is_jsonb(text))
		appendStringInfoString(out, text);
	else
		escape_json(out, text);
}

static void
write_column(const Column *column, TupleTableSlot *row, StringInfo out)
{
	if (row->tts_isnull[column->number])
		appendStringInfoString(out, "null");
	else
		write_value(column, row->tts_values[column->number], out);
}

/* --- rows ----------------------------------------------------------------------------------- */

static bool
differs(const Column *column, TupleTableSlot *row, TupleTableSlot *other)
{
	int i = column->number;

	if (row->tts_isnull[i] || other->tts_isnull[i])
		return row->tts_isnull[i] != other->tts_isnull[i];
	return !datum_image_eq(row->tts_values[i], other->tts_values[i], column->by_value,
	                       column->length);
}

bool
sp_audit_row_differs(const SpAuditShape *shape, TupleTableSlot *row, TupleTableSlot *other)
{
	slot_getallattrs(row);
	slot_getallattrs(other);
	for (int i = 0; i < shape->n; i++)
		if (shape->columns[i].written && differs(&shape->columns[i], row, other))
			return true;
	return false;
}

void
sp_audit_row_json(const SpAuditShape *shape, TupleTableSlot *row, TupleTableSlot *other,
                  StringInfo out)
{
	const char *separator = "";

	slot_getallattrs(row);
	if (other != NULL)
		slot_getallattrs(other);
	appendStringInfoChar(out, '{');
	for (int i = 0; i < shape->n; i++)
	{
		const Column *column = &shape->columns[i];

		if (!column->written || (other != NULL && !differs(column, row, other)))
			continue;
		appendStringInfoString(out, separator);
		escape_json(out, column->name);
		appendStringInfoString(out, ": ");
		write_column(column, row, out);
		separator = ", ";
	}
	appendStringInfoChar(out, '}');
}

void
sp_audit_row_name(const SpAuditShape *shape, TupleTableSlot *row, StringInfo out)
{
	const char *separator = "";
	int begin;

	appendStringInfoString(out, shape->relation);
	if (!shape->has_key)
		return;
	slot_getallattrs(row);
	begin = out->len;
	appendStringInfoChar(out, '[');
	for (int i = 0; i < shape->n; i++)
		if (shape->columns[i].in_key)
		{
			appendStringInfoString(out, separator);
			write_column(&shape->columns[i], row, out);
			separator = ", ";
		}
	appendStringInfoChar(out, ']');
	if (out->len - begin > MAX_NAME_CHARS)
	{
		char *key = pstrdup(out->data + begin);

		out->len = begin;
		write_digest(key, strlen(key), out);
	}
}

bool
sp_audit_row_uuid(const SpAuditShape *shape, TupleTableSlot *row, const char *name, Datum *value)
{
	slot_getallattrs(row);
	for (int i = 0; i < shape->n; i++)
	{
		const Column *column = &shape->columns[i];

		if (column->type == UUIDOID && strcmp(column->name, name) == 0 &&
		    !row->tts_isnull[column->number])
		{
			*value = row->tts_values[column->number];
			return true;
		}
	}
	return false;
}
