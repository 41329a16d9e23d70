/*
 * src/core/model/catalogue.h
 *	  The models that others have released and that we know by their checksum.
 *
 * A catalogue, not a registry: it says what exists and where, and recognises
 * weights by the SHA-256 of their payload; what is installed is rows of
 * spotai.model.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_CATALOGUE_H
#define SP_CATALOGUE_H

#include "core/sp_base.h"

#define SP_CATALOGUE_MAX_STEMS 8
#define SP_CATALOGUE_SHA256    32

/* Published signal-to-distortion ratio of one stem. */
typedef struct SpCatalogueSdr
{
	const char *stem; /* NULL ends the list */
	double sdr_db;
} SpCatalogueSdr;

typedef struct SpCatalogueEntry
{
	const char *name;
	/*
	 * The entry whose weights this one runs with other hyper-parameters; NULL
	 * for an entry with weights of its own.  url, bytes, sha256 and
	 * archive_sha256 are then the base's.
	 */
	const char *base;
	const char *params; /* JSON of what differs from the architecture's own; NULL for nothing */
	const char *const *stems;   /* ended by NULL, in the order of the network's outputs */
	const char *licence;        /* SPDX identifier */
	const char *url;            /* of the archive */
	int64_t bytes;              /* of the payload: the checkpoint's data file */
	const char *sha256;         /* of the payload; in hexadecimal, as sha256sum prints it */
	const char *archive_sha256; /* of the archive */
	int bandwidth_hz;           /* above it the stems have no estimate of their own */
	const SpCatalogueSdr *sdr;  /* NULL where nothing is published for this number of stems */
	const char *sdr_source;     /* what was measured on, with which filter, by whom */
} SpCatalogueEntry;

/* All entries, the better ones of a number of stems first. */
const SpCatalogueEntry *sp_catalogue(size_t *count);

/* The entry of this name; NULL when there is none. */
const SpCatalogueEntry *sp_catalogue_find(const char *name);

/* The entry without a base that has this payload; NULL when there is none. */
const SpCatalogueEntry *sp_catalogue_recognise(const uint8_t sha256[SP_CATALOGUE_SHA256]);

/* An entry's checksum as bytes. */
void sp_catalogue_digest(const char *hex, uint8_t out[SP_CATALOGUE_SHA256]);

#endif /* SP_CATALOGUE_H */
