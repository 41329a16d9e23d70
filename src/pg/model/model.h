/*
 * src/pg/model/model.h
 *	  The model room: which networks there are, and their weights.
 *
 * Installed models are rows of spotai.model; their numbers are rows of
 * spotai.model_chunk.  Two kinds need no row: `classical`, which is code, and
 * variants of the catalogue that run on the weights of an installed model.
 *
 * Functions that touch tables are called connected to SPI, inside a
 * transaction, and leave what they answer in the current memory context.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_MODEL_H
#define SP_PG_MODEL_H

#include "postgres.h"

#include "common/sha2.h"
#include "utils/uuid.h"

#include "core/nn/tensor.h"
#include "core/stems/architecture.h"
#include "pg/compat.h"

/* The model that is code and always there. */
#define SP_MODEL_CLASSICAL "classical"
/* The network that comes with the extension. */
#define SP_MODEL_BASE "spotai-base"

/* A model that separation can use. */
typedef struct SpModelRow
{
	pg_uuid_t id; /* whose tensors it has */
	const char *name;
	const char *version;      /* NULL for classical */
	const char *architecture; /* NULL for classical */
	const char *params;       /* JSON for sp_model_spec_parse, resolved; NULL for classical */
	int n_stems;
	const char *stems[SP_MODEL_MAX_STEMS];
	int sample_rate_hz; /* 0 for classical: any */
	const char *licence;
	const char *source;
	uint8 sha256[PG_SHA256_DIGEST_LENGTH]; /* of what was imported */
	int64 parameters;                      /* how many numbers its tensors have */
} SpModelRow;

/* Define the room's settings; called once from _PG_init. */
extern void sp_model_init(void);

/* ---- model.c: rows ---- */

/*
 * The model of this name and version; version NULL means the active one.
 * False when it is not installed, also for classical.  A variant of the
 * catalogue without a row of its own answers with its base's weights.
 */
extern bool sp_model_find(const char *name, const char *version, SpModelRow *out);

/* As sp_model_find; raises 42704 (with how to get it) or 55000 (no active version). */
extern void sp_model_get(const char *name, const char *version, SpModelRow *out);

/* One advisory lock a name, until the end of the transaction: who changes what the name means. */
extern void sp_model_lock(const char *name);

/* Make a version, which exists, the active one. */
extern void sp_model_set_active(const char *name, const char *version);

/* Raise 22023 for what no model can be called. */
extern void sp_model_check_name(const char *name);
extern void sp_model_check_version(const char *version);

/* ---- choose.c ---- */

/*
 * The model to separate into this many stems.  name is what the user asked for
 * or NULL; fallback is the setting spotai.stems_model or NULL, and is ignored
 * when it names a model of another number of stems.  Without either it is the
 * active installed model with the best mean of metrics -> sdr, then the order
 * of the catalogue, then the newest; then SP_MODEL_BASE, which is installed
 * when it is not; for what that cannot do, classical.  Variants are used only
 * by name.  A model whose architecture folds separates two stems as well.
 * Raises 42704, 55000, 22023 for a number of stems that the model, or no model,
 * can do, and whatever is wrong with the weights of SP_MODEL_BASE.
 */
extern void sp_model_choose(const char *name, const char *fallback, int stems, SpModelRow *out);

/* Raise 42704 for a model that is not there: how to get it, or what there is. */
extern void sp_model_missing(const char *name) SP_NORETURN;

/* The statement that installs a model of the catalogue from its archive, or fetches its base. */
struct SpCatalogueEntry;
extern char *sp_model_how_to_install(const struct SpCatalogueEntry *entry);

/* ---- import.c ---- */

/*
 * Install the model in a file that came with the extension, which must call
 * itself name, and make it active; false when that version is there already.
 * Raises what is wrong with the file.
 */
extern bool sp_model_import_shipped(const char *path, const char *name);

/* ---- base.c ---- */

/* Define the setting of the default model's file; called once from _PG_init. */
extern void sp_model_base_init(void);

/* Install SP_MODEL_BASE unless the tenant has it; true when it was not there. */
extern bool sp_model_ensure_base(void);

/* ---- tensor.c ---- */

/*
 * The tensors of a model, sorted by name, read from the tables as they are
 * asked for: memory stays at one piece of 1 MiB.  read is called by the
 * backend's own thread, connected to SPI and in the same transaction; it never
 * throws, since the core calls it: it keeps the error, answers
 * SP_ERR_BAD_DATA or SP_ERR_CANCELED, and the caller of the core raises it by
 * sp_model_check_tensors.  Checksums and finiteness are verified.
 */
extern const SpTensorSource *sp_model_tensors(const SpModelRow *row);
extern void sp_model_check_tensors(const SpTensorSource *tensors);

/* What sp_model_store_tensors has stored. */
typedef struct SpModelSize
{
	int64 parameters;
	int64 bytes;
} SpModelSize;

/* What storing would take. */
extern SpModelSize sp_model_measure(const SpTensorSource *tensors, SpDtype dtype);

/*
 * Store the tensors of source as those of the model.  dtype is f32 or bf16;
 * with bf16 only tensors of two and more dimensions are rounded.  Integers are
 * left out: counters of the training, which nothing computes with.
 */
extern void sp_model_store_tensors(Datum model_id, const SpTensorSource *source, SpDtype dtype);

/* Read every tensor once, for its checksum and for numbers that are not finite. */
extern void sp_model_verify(const SpTensorSource *source);

#endif /* SP_PG_MODEL_H */
