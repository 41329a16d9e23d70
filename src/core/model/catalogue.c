/*
 * src/core/model/catalogue.c
 *	  The models that others have released: Deezer's Spleeter.
 *
 * Sources of the figures:
 * - names, numbers of frequency bins, stems, folder of the weights: deezer/spleeter,
 *   spleeter/resources/{2,4,5}stems-16kHz.json and configs/{2,4,5}stems/base_config.json.
 *   The 16 kHz variants name the same folder (model_dir 2stems, 4stems, 5stems)
 *   and differ in F alone: 1536 bins in place of 1024.
 * - address: spleeter/model/provider/github.py, release v1.4.0.
 * - SHA-256 of the archives: deezer/spleeter, tests/test_github_model_provider.py.
 * - size and SHA-256 of the data files: git-LFS pointers of the unpacked releases in
 *   thooore/SpleeterCore.
 * - licence: Hennequin et al. (below): source code and pre-trained models under the MIT licence.
 * - bandwidth: F bins of 44100 Hz / 4096, that is 11025 and 16537.5 Hz; "11 kHz" and "16 kHz" in
 *   the names.
 * - SDR of 4 stems, MUSDB18 test set: Hennequin et al., "Spleeter: a fast and efficient music
 *   source separation tool with pre-trained models", JOSS 5 (50), 2154, 2020, "Separation
 *   performances", column "Spleeter Mask".
 *
 * Open-Unmix is not here: its releases are pickled PyTorch files, one for each
 * stem, which no importer of ours reads, and pickles are programs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/model/catalogue.h"

#include <string.h>

#define SPLEETER(n) "https://github.com/deezer/spleeter/releases/download/v1.4.0/" n "stems.tar.gz"

static const char *const two[] = {"vocals", "accompaniment", NULL};
static const char *const four[] = {"vocals", "drums", "bass", "other", NULL};
static const char *const five[] = {"vocals", "piano", "drums", "bass", "other", NULL};

static const SpCatalogueSdr four_sdr[] = {
	{"vocals", 6.55}, {"drums", 5.93}, {"bass", 5.10}, {"other", 4.24}, {NULL, 0.0}};

#define BANDWIDTH_1024 11025
#define BANDWIDTH_1536 16538

#define BYTES_2   78614080
#define SHA256_2  "7747f9fd2c782306dbec1504360fbb645a097a48446f23486c3ff9c89bc11788"
#define ARCHIVE_2 "f3a90b39dd2874269e8b05a48a86745df897b848c61f3958efc80a39152bd692"
#define BYTES_4   157228152
#define SHA256_4  "3823e0ef50835cca3907c386dc9667a6a9af77b40a20c3ab845a8d6c9592255d"
#define ARCHIVE_4 "3adb4a50ad4eb18c7c4d65fcf4cf2367a07d48408a5eb7d03cd20067429dfaa8"
#define BYTES_5   196535188
#define SHA256_5  "aace47a9eacc62e6fda823cee92ba45375b48e65b7c69713b91a7fa9d87ae920"
#define ARCHIVE_5 "25a1e87eb5f75cc72a4d2d5467a0a50ac75f05611f877c278793742513cc7218"

static const SpCatalogueEntry entries[] = {
	{
		.name = "spleeter:2stems",
		.stems = two,
		.licence = "MIT",
		.url = SPLEETER("2"),
		.bytes = BYTES_2,
		.sha256 = SHA256_2,
		.archive_sha256 = ARCHIVE_2,
		.bandwidth_hz = BANDWIDTH_1024,
	},
	{
		.name = "spleeter:4stems",
		.stems = four,
		.licence = "MIT",
		.url = SPLEETER("4"),
		.bytes = BYTES_4,
		.sha256 = SHA256_4,
		.archive_sha256 = ARCHIVE_4,
		.bandwidth_hz = BANDWIDTH_1024,
		.sdr = four_sdr,
		.sdr_source = "MUSDB18 test, masks without Wiener filter; doi:10.21105/joss.02154",
	},
	{
		.name = "spleeter:5stems",
		.stems = five,
		.licence = "MIT",
		.url = SPLEETER("5"),
		.bytes = BYTES_5,
		.sha256 = SHA256_5,
		.archive_sha256 = ARCHIVE_5,
		.bandwidth_hz = BANDWIDTH_1024,
	},
	{
		.name = "spleeter:2stems-16kHz",
		.base = "spleeter:2stems",
		.params = "{\"bins\": 1536}",
		.stems = two,
		.licence = "MIT",
		.url = SPLEETER("2"),
		.bytes = BYTES_2,
		.sha256 = SHA256_2,
		.archive_sha256 = ARCHIVE_2,
		.bandwidth_hz = BANDWIDTH_1536,
	},
	{
		.name = "spleeter:4stems-16kHz",
		.base = "spleeter:4stems",
		.params = "{\"bins\": 1536}",
		.stems = four,
		.licence = "MIT",
		.url = SPLEETER("4"),
		.bytes = BYTES_4,
		.sha256 = SHA256_4,
		.archive_sha256 = ARCHIVE_4,
		.bandwidth_hz = BANDWIDTH_1536,
	},
	{
		.name = "spleeter:5stems-16kHz",
		.base = "spleeter:5stems",
		.params = "{\"bins\": 1536}",
		.stems = five,
		.licence = "MIT",
		.url = SPLEETER("5"),
		.bytes = BYTES_5,
		.sha256 = SHA256_5,
		.archive_sha256 = ARCHIVE_5,
		.bandwidth_hz = BANDWIDTH_1536,
	},
};

const SpCatalogueEntry *
sp_catalogue(size_t *count)
{
	*count = sizeof(entries) / sizeof(entries[0]);
	return entries;
}

const SpCatalogueEntry *
sp_catalogue_find(const char *name)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (strcmp(entries[i].name, name) == 0)
			return &entries[i];
	return NULL;
}

void
sp_catalogue_digest(const char *hex, uint8_t out[SP_CATALOGUE_SHA256])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < SP_CATALOGUE_SHA256; i++)
		out[i] = (uint8_t) ((strchr(digits, hex[2 * i]) - digits) * 16 +
		                    (strchr(digits, hex[2 * i + 1]) - digits));
}

const SpCatalogueEntry *
sp_catalogue_recognise(const uint8_t sha256[SP_CATALOGUE_SHA256])
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
	{
		uint8_t known[SP_CATALOGUE_SHA256];

		sp_catalogue_digest(entries[i].sha256, known);
		if (entries[i].base == NULL && memcmp(known, sha256, SP_CATALOGUE_SHA256) == 0)
			return &entries[i];
	}
	return NULL;
}
