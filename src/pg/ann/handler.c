/*
 * src/pg/ann/handler.c
 *	  The access method spotai_ann: what it can do, its options and settings.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type_d.h"
#include "commands/vacuum.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "pg/ann/above.h"
#include "pg/ann/train.h"
#include "pg/seam.h"

SPOTAI_FUNCTION(spotai_ann_handler);
SPOTAI_FUNCTION(spotai_ann_metric_l2);
SPOTAI_FUNCTION(spotai_ann_metric_cosine);
SPOTAI_FUNCTION(spotai_ann_metric_ip);
SPOTAI_FUNCTION(spotai_vector_counters);

int sp_ann_probes;
double sp_ann_recall;
int sp_ann_max_scan;
bool sp_ann_filter_early;

static relopt_kind options_kind;

/* --- settings and options -------------------------------------------------------------- */

static void
define_options(void)
{
	static relopt_enum_elt_def rerank[] = {
		{"heap", SP_ANN_FROM_HEAP}, {"index", SP_ANN_FROM_INDEX}, {NULL, 0}};

	options_kind = add_reloption_kind();
	add_int_reloption(options_kind, "lists", "Lists of the index; 0 means by the number of rows.",
	                  0, 0, SP_ANN_MAX_LISTS, ShareUpdateExclusiveLock);
	add_int_reloption(options_kind, "bits", "Bits of a code for each dimension: 1, 2, 4 or 8.", 1,
	                  1, 8, ShareUpdateExclusiveLock);
	add_enum_reloption(options_kind, "rerank", "Where exact distances come from.", rerank,
	                   SP_ANN_FROM_HEAP, "Valid values are \"heap\" and \"index\".",
	                   ShareUpdateExclusiveLock);
}

void
sp_ann_init(void)
{
	define_options();
	DefineCustomIntVariable("spotai.vector_probes",
	                        "Lists that a search looks into before it returns a row.",
	                        "Zero means as many as spotai.vector_recall takes.", &sp_ann_probes, 0,
	                        0, SP_ANN_MAX_LISTS, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("spotai.vector_recall",
	                         "Share of the true neighbours that searches are to find.",
	                         "By what was measured on a sample of the table when its index was "
	                         "built; 1 looks into all lists.",
	                         &sp_ann_recall, 0.95, 0, 1, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("spotai.vector_max_scan",
	                        "Rows of an index that one search may look at.",
	                        "A search that stops there says so. Zero means all.", &sp_ann_max_scan,
	                        0, 0, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("spotai.vector_filter_early",
	                         "Searches ask the WHERE of a row before they fetch its distance.",
	                         "Where it is not volatile, nor dear.", &sp_ann_filter_early, true,
	                         PGC_USERSET, 0, NULL, NULL, NULL);
	sp_ann_above_init();
}

static bytea *
options(Datum reloptions, bool validate)
{
	static const relopt_parse_elt table[] = {
		{.optname = "lists", .opttype = RELOPT_TYPE_INT, .offset = offsetof(SpAnnOptions, lists)},
		{.optname = "bits", .opttype = RELOPT_TYPE_INT, .offset = offsetof(SpAnnOptions, bits)},
		{.optname = "rerank",
	     .opttype = RELOPT_TYPE_ENUM,
	     .offset = offsetof(SpAnnOptions, rerank)}};
	SpAnnOptions *o = build_reloptions(reloptions, validate, options_kind, sizeof(SpAnnOptions),
	                                   table, lengthof(table));

	if (validate && o != NULL && (o->bits & (o->bits - 1)) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("codes have 1, 2, 4 or 8 bits for each dimension")));
	return (bytea *) o;
}

static char *
phase_name(int64 phase)
{
	static char *const names[] = {"initializing",   "reading a sample", "finding centroids",
	                              "assigning rows", "sorting by list",  "writing lists"};

	return phase >= 1 && phase <= (int64) lengthof(names) ? names[phase - 1] : NULL;
}

/* --- operator classes -------------------------------------------------------------------- */

Datum
spotai_ann_metric_l2(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(SP_ANN_L2);
}

Datum
spotai_ann_metric_cosine(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(SP_ANN_COSINE);
}

Datum
spotai_ann_metric_ip(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(SP_ANN_IP);
}

/* An operator that orders is the class's only one; others are equality, strategy 1. */
static bool
is_valid_operator(Form_pg_amop operator, Oid opclass)
{
	if (operator->amopstrategy == 1)
		return true;
	ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
	               errmsg("operator class %u of spotai_ann has an operator of strategy %d",
	                      opclass, operator->amopstrategy)));
	return false;
}

static bool
validate(Oid opclass)
{
	HeapTuple tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
	CatCList *operators;
	bool valid = true;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass);
	operators = SearchSysCacheList1(
		AMOPSTRATEGY, ObjectIdGetDatum(((Form_pg_opclass) GETSTRUCT(tuple))->opcfamily));
	for (int i = 0; i < operators->n_members; i++)
		valid &=
			is_valid_operator((Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple), opclass);
	ReleaseCatCacheList(operators);
	ReleaseSysCache(tuple);
	return valid;
}

/* --- the method -------------------------------------------------------------------------- */

Datum
spotai_ann_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amstrategies = 1;
	am->amsupport = 1;
	am->amcanorderbyop = true;
	am->amcanmulticol = true;
	am->amoptionalkey = true;
	am->amsearcharray = true;
	am->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	am->amkeytype = InvalidOid;
	am->ambuild = sp_ann_build;
	am->ambuildempty = sp_ann_build_empty;
	am->aminsert = sp_ann_insert;
	am->ambulkdelete = sp_ann_bulk_delete;
	am->amvacuumcleanup = sp_ann_vacuum_cleanup;
	am->amcostestimate = sp_ann_cost;
	am->amoptions = options;
	am->ambuildphasename = phase_name;
	am->amvalidate = validate;
	am->ambeginscan = sp_ann_begin_scan;
	am->amrescan = sp_ann_rescan;
	am->amgettuple = sp_ann_get_tuple;
	am->amendscan = sp_ann_end_scan;
	PG_RETURN_POINTER(am);
}

/* spotai.vector_counters() returns what index scans of this session have done so far. */
Datum
spotai_vector_counters(PG_FUNCTION_ARGS)
{
	const SpAnnCounters *c = &sp_ann_counters;
	Datum values[6] = {Int64GetDatum(c->scans),   Int64GetDatum(c->lists),
	                   Int64GetDatum(c->codes),   Int64GetDatum(c->filtered),
	                   Int64GetDatum(c->fetches), Int64GetDatum(c->stopped)};
	bool nulls[6] = {false};
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
