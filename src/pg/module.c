/*
 * src/pg/module.c
 *	  Module load: each room defines its own settings; we call them in order.
 *
 * Nothing here may start a thread, plan an FFT or initialise a numerical
 * library: with shared_preload_libraries this runs in the postmaster, and
 * every backend is forked from it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "pg/ann/ann.h"
#include "pg/audio/audio.h"
#include "pg/audit/audit.h"
#include "pg/identity/identity.h"
#include "pg/job/job.h"
#include "pg/keys/keys.h"
#include "pg/model/model.h"
#include "pg/model/nn.h"
#include "pg/privacy/privacy.h"
#include "pg/seam.h"
#include "pg/secrets/secrets.h"
#include "pg/sql.h"
#include "pg/stems/stems.h"
#include "pg/vector/similar.h"

SP_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

SPOTAI_FUNCTION(spotai_version);
SPOTAI_FUNCTION(spotai_require_tables);

void
_PG_init(void)
{
	sp_audio_init();
	sp_nn_init();
	sp_model_init();
	sp_ann_init();
	sp_stems_init();
	sp_similar_init();
	sp_job_init();
	sp_keys_init();
	sp_secrets_init();
	/* its hook sees what is refused before that one withholds it */
	sp_identity_init();
	sp_audit_init();
	sp_privacy_init();
	MarkGUCPrefixReserved("spotai");
}

/* spotai.version() returns text: the version of the loaded library. */
Datum
spotai_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(SPOTAI_VERSION));
}

/* _spotai.require_tables() returns void: for functions written in SQL. */
Datum
spotai_require_tables(PG_FUNCTION_ARGS)
{
	sp_pg_require_tables();
	PG_RETURN_VOID();
}
