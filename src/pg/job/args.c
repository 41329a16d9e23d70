/*
 * src/pg/job/args.c
 *	  Members of a job's args.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

#include "pg/job/job.h"

/* NULL when it is missing or null; throws when it is of another type. */
static JsonbValue *
find_member(Jsonb *args, const char *name, enum jbvType type, const char *expected)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&args->root, name, (int) strlen(name), NULL);

	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type != type)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("argument \"%s\" of the job must be %s", name, expected)));
	return value;
}

char *
sp_job_arg_text(Jsonb *args, const char *name, const char *missing)
{
	JsonbValue *value = find_member(args, name, jbvString, "a string");

	if (value == NULL)
		return missing ? pstrdup(missing) : NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

double
sp_job_arg_number(Jsonb *args, const char *name, double missing)
{
	JsonbValue *value = find_member(args, name, jbvNumeric, "a number");

	if (value == NULL)
		return missing;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
}

int32
sp_job_arg_integer(Jsonb *args, const char *name, int32 missing)
{
	JsonbValue *value = find_member(args, name, jbvNumeric, "a number");

	if (value == NULL)
		return missing;
	return DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value->val.numeric)));
}

bool
sp_job_arg_bool(Jsonb *args, const char *name, bool missing)
{
	JsonbValue *value = find_member(args, name, jbvBool, "true or false");

	return value ? value->val.boolean : missing;
}

Datum
sp_job_arg_uuid(Jsonb *args, const char *name)
{
	char *text = sp_job_arg_text(args, name, NULL);

	if (text == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("argument \"%s\" of the job is missing", name)));
	return DirectFunctionCall1(uuid_in, CStringGetDatum(text));
}
