/*
 * src/pg/model/base.c
 *	  The network that comes with the extension: from its file to rows.
 *
 * The file lies beside the extension's SQL.  It becomes rows like every other
 * model, so that dumps, replicas and choices need no exception for it: by
 * spotai.migrate(), or when a tenant first needs it: then as the owner of the
 * tables, because whoever separates a song need not be one who may change models.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <sys/stat.h>

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "pg/identity/identity.h"
#include "pg/model/model.h"
#include "pg/owner.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_model_install_base);

/* Weights instead of those that came with the extension; empty: those. */
static char *base_file = NULL;

void
sp_model_base_init(void)
{
	DefineCustomStringVariable(
		"spotai.model_base_file", "File of the weights of spotai-base, the default model.",
		"Empty means the file that was installed with the extension.  It is read when a tenant "
		"first needs the model, and by spotai.migrate().",
		&base_file, "", PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Where `make install` puts it, unless told otherwise; raises 58P01 when it is not there. */
static char *
base_path(void)
{
	char share[MAXPGPATH];
	char *path = base_file;
	struct stat st;

	if (path == NULL || path[0] == '\0')
	{
		get_share_path(my_exec_path, share);
		path = psprintf("%s/extension/%s.safetensors", share, SP_MODEL_BASE);
	}
	if (stat(path, &st) != 0)
		ereport(ERROR, (errcode_for_file_access(),
		                errmsg("the weights of model \"%s\" cannot be read: %m", SP_MODEL_BASE),
		                errdetail("They belong in \"%s\".", path),
		                errhint("Install the extension's files again, or separate without them: "
		                        "model => '%s'.",
		                        SP_MODEL_CLASSICAL)));
	return path;
}

/* Says which file the error is about, and that there is another way. */
static void
name_file(void *path)
{
	errcontext("reading \"%s\", the weights of model \"%s\", which come with the extension; "
	           "model => '%s' needs none",
	           (char *) path, SP_MODEL_BASE, SP_MODEL_CLASSICAL);
}

static bool
install(void)
{
	char *path = base_path();
	ErrorContextCallback context = {error_context_stack, name_file, path};
	bool fresh;

	error_context_stack = &context;
	fresh = sp_model_import_shipped(path, SP_MODEL_BASE);
	error_context_stack = context.previous;
	return fresh;
}

bool
sp_model_ensure_base(void)
{
	SpModelRow row;
	SpOwner before;
	bool fresh;

	if (sp_model_find(SP_MODEL_BASE, NULL, &row))
		return false;
	/* whose tenant gets it is asked here: nothing else holds the owner of the tables back */
	(void) sp_identity_require();
	before = sp_pg_become_owner("model");
	fresh = install();
	sp_pg_resign(&before);
	return fresh;
}

/* spotai.model_install_base() returns boolean */
Datum
spotai_model_install_base(PG_FUNCTION_ARGS)
{
	bool fresh;

	sp_pg_require_tables();
	sp_identity_require_permission("model:write");
	SPI_connect();
	fresh = install();
	SPI_finish();
	PG_RETURN_BOOL(fresh);
}
