/*
 * src/pg/model/import.h
 *	  What the files of an import share: import.c opens weights and stores them,
 *	  recognise.c says what they are.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_MODEL_IMPORT_H
#define SP_PG_MODEL_IMPORT_H

#include "postgres.h"

#include "common/sha2.h"
#include "utils/jsonb.h"

#include "core/model/catalogue.h"
#include "core/model/weights.h"
#include "core/stems/architecture.h"

/* One import, from arguments to rows. */
typedef struct SpImport
{
	char *name;
	char *version;
	char *licence;
	char *source;
	const SpArchitecture *architecture;
	Jsonb *params; /* of the user; NULL when there are none */
	SpDtype dtype;
	bool activate;
	SpWeights *weights;
	const SpTensorSource *tensors;
	uint8 sha256[PG_SHA256_DIGEST_LENGTH];
	const SpCatalogueEntry *released; /* the release that the weights are, or NULL */
	SpModelSpec spec;
	Jsonb *resolved; /* spec as JSON */
} SpImport;

/* The architecture of this name; NULL for NULL, 22023 for one that does not exist. */
extern const SpArchitecture *sp_import_architecture(const char *name);

/* Raise 22023 unless hyper-parameters, of somebody, are a JSON object. */
extern void sp_import_check_params(Jsonb *params, const char *whose);

/* 22P02 for a text that is no JSON. */
extern Jsonb *sp_import_jsonb(const char *text);

/* SHA-256, release, name and version of open weights; 22023 when nothing tells a name. */
extern void sp_import_identify(SpImport *import);

/*
 * Licence, source, architecture and all hyper-parameters; raises what does not
 * fit together.
 */
extern void sp_import_resolve(SpImport *import);

/* A warning when the name is that of released weights, and these are not they. */
extern void sp_import_warn_of_others(const SpImport *import);

#endif /* SP_PG_MODEL_IMPORT_H */
