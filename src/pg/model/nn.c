/*
 * src/pg/model/nn.c
 *	  Settings of networks, and the network that a backend keeps.
 *
 * Loading a model takes longer than separating a minute of music, so a backend
 * keeps the last one that it used, with its threads, until it ends, another
 * model or setting is asked for, or spotai.nn_keep_model is off.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <unistd.h>

#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "pg/model/nn.h"
#include "pg/seam.h"

/*
 * Threads that "auto" uses at most: a server has other things to do, and beyond
 * four the encoder of the stems, which is one thread, is the limit.
 */
#define AUTO_THREADS 4

static const struct config_enum_entry precision_options[] = {{"auto", 0, false},
                                                             {"f32", SP_PRECISION_F32, false},
                                                             {"bf16", SP_PRECISION_BF16, false},
                                                             {NULL, 0, false}};

static int nn_precision = 0;
static int threads = 0;
static bool keep_model = true;

/* A network in memory; it lives in context, and so does everything it is made of. */
typedef struct Loaded
{
	MemoryContext context;
	SpModel *model;
	SpModelRow row; /* id, sha256 and params tell whether it is the one that is asked for */
	SpPrecision precision;
	int threads;
	int users;
} Loaded;

/* The one that this backend keeps, or NULL. */
static Loaded *kept = NULL;

void
sp_nn_init(void)
{
	DefineCustomEnumVariable("spotai.nn_precision", "Numbers that networks compute with.",
	                         "\"auto\" means bf16 where the CPU has instructions for it, else f32.",
	                         &nn_precision, 0, precision_options, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("spotai.threads", "Threads that one computation may use.",
	                        "Zero means as many as there are CPUs, but at most 4.", &threads, 0, 0,
	                        SP_POOL_MAX_THREADS, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("spotai.nn_keep_model",
	                         "Keeps the last network in the backend's memory.",
	                         "When off, each separation loads its network and frees it.",
	                         &keep_model, true, PGC_USERSET, 0, NULL, NULL, NULL);
}

SpPrecision
sp_nn_setting_precision(void)
{
	if (nn_precision != 0)
		return (SpPrecision) nn_precision;
	return sp_nn_cpu_has_bf16() ? SP_PRECISION_BF16 : SP_PRECISION_F32;
}

int
sp_nn_setting_threads(void)
{
	long cpus;

	if (threads > 0)
		return threads;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	return cpus < 1 ? 1 : Min((int) cpus, AUTO_THREADS);
}

static void
free_model(void *model)
{
	sp_model_free(model);
}

/*
 * malloc keeps what was freed below the kernels that the library caches for the
 * process: 108 MB of a network of two stems, and up to 42 MB of a song.
 */
static void
give_back_memory(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/* Keep it no longer; whoever still uses it frees it in the end. */
static void
forget(void)
{
	Loaded *loaded = kept;

	kept = NULL;
	if (loaded != NULL && loaded->users == 0)
		MemoryContextDelete(loaded->context);
}

/* What used the network is freed by now. */
static void
release(void *arg)
{
	Loaded *loaded = arg;

	if (--loaded->users > 0)
		return;
	if (loaded != kept)
		MemoryContextDelete(loaded->context);
	else if (!keep_model)
		forget();
	give_back_memory();
}

/*
 * Threads must not run any more when the process takes its libraries apart.
 * Memory stays: separations of an aborted transaction are freed after this.
 */
static void
stop_at_exit(int code, Datum arg)
{
	if (kept != NULL)
		sp_pool_stop(sp_model_pool(kept->model));
}

static bool
is_kept(const SpModelRow *row)
{
	return kept != NULL && memcmp(&kept->row.id, &row->id, sizeof(row->id)) == 0 &&
	       memcmp(kept->row.sha256, row->sha256, sizeof(row->sha256)) == 0 &&
	       strcmp(kept->row.params, row->params) == 0 && kept->row.n_stems == row->n_stems &&
	       kept->precision == sp_nn_setting_precision() && kept->threads == sp_nn_setting_threads();
}

/* What is stored is named as the row says, so the row must say what the network does. */
static SpStatus
check_stems(const SpModelRow *row, const SpModelSpec *spec, SpFault *fault)
{
	bool same = row->n_stems == spec->stems;

	for (int i = 0; same && i < spec->stems; i++)
		same = strcmp(row->stems[i], spec->names[i]) == 0;
	return same ? SP_OK
	            : sp_fault(fault, SP_ERR_BAD_DATA, NULL,
	                       "Its row and its hyper-parameters name different stems.");
}

/* The row's hyper-parameters and tensors; rows are the user's, so all is checked again. */
static SpStatus
read_model(Loaded *loaded, const SpModelRow *row, const SpTensorSource *tensors, SpFault *fault)
{
	SpModelSpec spec;
	SpStatus st = sp_model_spec_parse(row->params, &spec, fault);

	spec.architecture = sp_architecture_find(row->architecture);
	if (spec.architecture == NULL)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, NULL, "Its architecture is \"%s\".",
		                row->architecture);
	if (st == SP_OK)
		st = spec.architecture->resolve(tensors, &spec, fault);
	if (st == SP_OK)
		st = sp_model_spec_check(&spec, fault);
	if (st == SP_OK)
		st = check_stems(row, &spec, fault);
	if (st == SP_OK)
		st = sp_model_load(sp_pg_env_in(loaded->context), tensors, &spec, loaded->precision,
		                   loaded->threads, &loaded->model, fault);
	return st;
}

/* In a context below the current one, so that an error takes everything with it. */
static Loaded *
load(const SpModelRow *row)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "spotai model", ALLOCSET_DEFAULT_SIZES);
	MemoryContext passing =
		AllocSetContextCreate(context, "spotai model load", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Loaded *loaded = palloc0(sizeof(Loaded));
	SpFault fault = {{0}, {0}};
	const SpTensorSource *tensors;
	SpStatus st;

	loaded->context = context;
	loaded->row = *row;
	loaded->row.params = pstrdup(row->params);
	loaded->precision = sp_nn_setting_precision();
	loaded->threads = sp_nn_setting_threads();
	MemoryContextSwitchTo(passing);
	tensors = sp_model_tensors(row);
	st = read_model(loaded, row, tensors, &fault);
	sp_model_check_tensors(tensors);
	sp_pg_check(st, psprintf("model \"%s\"", row->name), &fault);
	MemoryContextSwitchTo(context);
	sp_pg_own(loaded->model, free_model);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(passing);
	return loaded;
}

const SpModel *
sp_nn_model(const SpModelRow *row)
{
	static bool registered = false;
	Loaded *loaded = kept;

	if (!registered)
		before_shmem_exit(stop_at_exit, (Datum) 0);
	registered = true;
	if (!is_kept(row))
	{
		forget();
		loaded = load(row);
		MemoryContextSetParent(loaded->context, TopMemoryContext);
		kept = loaded;
	}
	loaded->users++;
	sp_pg_own(loaded, release);
	return loaded->model;
}
