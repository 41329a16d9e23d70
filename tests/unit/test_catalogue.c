/*
 * tests/unit/test_catalogue.c
 *	  The catalogue of released models is consistent, and agrees with the
 *	  git-LFS pointers of the unpacked releases.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "unit/check.h"

#include "core/model/catalogue.h"

static int
count_stems(const SpCatalogueEntry *entry)
{
	int n = 0;

	while (n < SP_CATALOGUE_MAX_STEMS && entry->stems[n] != NULL)
		n++;
	return n;
}

static bool
is_hex(const char *sha256)
{
	return strlen(sha256) == 2 * SP_CATALOGUE_SHA256 &&
	       strspn(sha256, "0123456789abcdef") == 2 * SP_CATALOGUE_SHA256;
}

static void
test_entries(void)
{
	size_t count;
	const SpCatalogueEntry *entries = sp_catalogue(&count);
	uint8_t first[SP_CATALOGUE_SHA256];

	CHECK(count == 6);
	for (size_t i = 0; i < count; i++)
	{
		const SpCatalogueEntry *entry = &entries[i];
		uint8_t digest[SP_CATALOGUE_SHA256];

		CHECK(sp_catalogue_find(entry->name) == entry);
		CHECK(count_stems(entry) >= 2 && entry->stems[count_stems(entry)] == NULL);
		CHECK(entry->name[9] - '0' == count_stems(entry));
		CHECK(strncmp(entry->url, "https://", 8) == 0);
		CHECK(entry->licence != NULL && (entry->sdr == NULL) == (entry->sdr_source == NULL));
		CHECK(is_hex(entry->sha256) && is_hex(entry->archive_sha256));
		sp_catalogue_digest(entry->sha256, digest);
		if (entry->base == NULL)
			CHECK(sp_catalogue_recognise(digest) == entry);
	}
	CHECK(sp_catalogue_find("spleeter") == NULL);
	sp_catalogue_digest("7747f9fd2c782306dbec1504360fbb645a097a48446f23486c3ff9c89bc11788", first);
	CHECK(first[0] == 0x77 && first[1] == 0x47 && first[31] == 0x88);
	CHECK(sp_catalogue_recognise((const uint8_t[SP_CATALOGUE_SHA256]){0}) == NULL);
}

/* A variant has its base's weights and says what differs. */
static void
test_variants(void)
{
	size_t count;
	const SpCatalogueEntry *entries = sp_catalogue(&count);
	int variants = 0;

	for (size_t i = 0; i < count; i++)
	{
		const SpCatalogueEntry *entry = &entries[i];
		const SpCatalogueEntry *base = entry->base ? sp_catalogue_find(entry->base) : NULL;

		if (entry->base == NULL)
			continue;
		variants++;
		CHECK(base != NULL && base->base == NULL);
		CHECK(base != NULL && strcmp(base->sha256, entry->sha256) == 0);
		CHECK(base != NULL && base->bytes == entry->bytes && base->stems == entry->stems);
		CHECK(entry->params != NULL && entry->bandwidth_hz > base->bandwidth_hz);
	}
	CHECK(variants == 3);
}

/* Each stem is published once, and a stem of the model. */
static void
test_sdr(void)
{
	const SpCatalogueEntry *entry = sp_catalogue_find("spleeter:4stems");
	double sum = 0;

	for (int i = 0; i < 4; i++)
	{
		CHECK(strcmp(entry->sdr[i].stem, entry->stems[i]) == 0);
		sum += entry->sdr[i].sdr_db;
	}
	CHECK(entry->sdr[4].stem == NULL);
	CHECK_NEAR(sum / 4, 5.455, 1e-9);
}

/* "oid sha256:..." and "size ..." of a pointer file. */
static void
check_pointer(FILE *file, const SpCatalogueEntry *entry)
{
	char oid[2 * SP_CATALOGUE_SHA256 + 1] = "";
	long long size = 0;
	char line[256];

	while (fgets(line, sizeof(line), file) != NULL)
	{
		sscanf(line, "oid sha256:%64[0-9a-f]", oid);
		sscanf(line, "size %lld", &size);
	}
	CHECK(strcmp(oid, entry->sha256) == 0);
	CHECK(size == entry->bytes);
}

static void
test_against_pointers(void)
{
	const char *shared = getenv("SPOTAI_SHARED") ? getenv("SPOTAI_SHARED") : "../shared";

	for (int stems = 2; stems <= 5; stems += stems == 2 ? 2 : 1)
	{
		char path[512];
		char name[32];
		FILE *file;

		snprintf(path, sizeof(path), "%s/data/weights/spleeter_indexes/%dstems.lfs", shared, stems);
		snprintf(name, sizeof(name), "spleeter:%dstems", stems);
		file = fopen(path, "r");
		if (file == NULL)
		{
			printf("# SKIP %s is not there\n", path);
			continue;
		}
		check_pointer(file, sp_catalogue_find(name));
		fclose(file);
	}
}

int
main(void)
{
	test_entries();
	test_variants();
	test_sdr();
	test_against_pointers();
	return check_report();
}
