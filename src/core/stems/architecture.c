/*
 * src/core/stems/architecture.c
 *	  The architectures that exist, and hyper-parameters as JSON.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/architecture.h"

#include <stdio.h>
#include <string.h>

#include "core/sp_json.h"

const SpArchitecture *const sp_architectures[] = {&sp_arch_spleeter, &sp_arch_openunmix,
                                                  &sp_arch_spotai, NULL};

const SpArchitecture *
sp_architecture_find(const char *name)
{
	for (size_t i = 0; sp_architectures[i] != NULL; i++)
		if (strcmp(sp_architectures[i]->name, name) == 0)
			return sp_architectures[i];
	return NULL;
}

const SpArchitecture *
sp_architecture_recognise(const SpTensorSource *tensors)
{
	for (size_t i = 0; sp_architectures[i] != NULL; i++)
		if (sp_architectures[i]->recognises(tensors))
			return sp_architectures[i];
	return NULL;
}

/* --- JSON -------------------------------------------------------------------- */

/* A word of JSON for each value of an enumeration; NULL where it has none. */
static const char *const activation_words[] = {
	[SP_ACT_RELU] = "relu", [SP_ACT_LEAKY_RELU] = "leaky_relu",
	[SP_ACT_ELU] = "elu",   [SP_ACT_SIGMOID] = "sigmoid",
	[SP_ACT_TANH] = "tanh",
};
static const char *const mask_words[] = {
	[SP_MASK_SIGMOID] = "sigmoid",
	[SP_MASK_SOFTMAX] = "softmax",
	[SP_MASK_RELU] = "relu",
};
#define WORDS(w) (w), sizeof(w) / sizeof((w)[0])

/* Limits of hyper-parameters that are numbers: what memory and transforms allow. */
#define MIN_RATE   8000
#define MAX_RATE   192000
#define MIN_FFT    64
#define MAX_FFT    65536
#define MAX_FRAMES 8192

static SpStatus
refuse(SpFault *fault, const char *key, const char *wanted)
{
	return sp_fault(fault, SP_ERR_BAD_DATA, NULL, "The hyper-parameter \"%s\" is not %s.", key,
	                wanted);
}

static SpStatus
parse_number(const char *key, const json_t *value, int min, int max, int *out, SpFault *fault)
{
	json_int_t n = json_integer_value(value);
	char wanted[64];

	if (json_is_integer(value) && n >= min && n <= max)
	{
		*out = (int) n;
		return SP_OK;
	}
	snprintf(wanted, sizeof(wanted), "an integer from %d to %d", min, max);
	return refuse(fault, key, wanted);
}

static SpStatus
parse_word(const char *key, const json_t *value, const char *const *words, size_t n, int *out,
           SpFault *fault)
{
	for (size_t i = 0; i < n && json_is_string(value); i++)
		if (words[i] != NULL && strcmp(words[i], json_string_value(value)) == 0)
		{
			*out = (int) i;
			return SP_OK;
		}
	return refuse(fault, key, "a word that is known");
}

/* Names become names of stems in tables: short, lower-case, each once. */
static bool
good_name(const SpModelSpec *spec, int i)
{
	const char *name = spec->names[i];

	if (name[0] < 'a' || name[0] > 'z' ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
		return false;
	for (int k = 0; k < i; k++)
		if (strcmp(spec->names[k], name) == 0)
			return false;
	return true;
}

static SpStatus
parse_stems(const json_t *value, SpModelSpec *spec, SpFault *fault)
{
	const char *wanted = "an array of 1 to 8 different lower-case names";
	size_t n = json_array_size(value);

	if (n < 1 || n > SP_MODEL_MAX_STEMS)
		return refuse(fault, "stems", wanted);
	for (size_t i = 0; i < n; i++)
	{
		const char *name = json_string_value(json_array_get(value, i));

		if (name == NULL || strlen(name) > SP_MODEL_MAX_STEM_NAME)
			return refuse(fault, "stems", wanted);
		strcpy(spec->names[i], name);
		if (!good_name(spec, (int) i))
			return refuse(fault, "stems", wanted);
	}
	spec->stems = (int) n;
	return SP_OK;
}

/* [[count, width], ...] */
static SpStatus
parse_bands(const json_t *value, SpBandTable *table, SpFault *fault)
{
	const char *wanted = "an array of 1 to 8 pairs of a count of bands and their width";
	size_t n = json_array_size(value);
	SpStatus st = SP_OK;

	if (n < 1 || n > SP_BAND_REGIONS)
		return refuse(fault, "bands", wanted);
	for (size_t i = 0; i < n && st == SP_OK; i++)
	{
		const json_t *pair = json_array_get(value, i);

		if (json_array_size(pair) != 2)
			return refuse(fault, "bands", wanted);
		st =
			parse_number("bands", json_array_get(pair, 0), 1, MAX_FFT / 2, &table->count[i], fault);
		if (st == SP_OK)
			st = parse_number("bands", json_array_get(pair, 1), 1, MAX_FFT / 2, &table->width[i],
			                  fault);
	}
	table->regions = (int) n;
	return st;
}

static SpStatus
parse_key(const char *key, const json_t *value, SpModelSpec *spec, SpFault *fault)
{
	int word = 0;
	SpStatus st;

	if (strcmp(key, "stems") == 0)
		return parse_stems(value, spec, fault);
	if (strcmp(key, "sample_rate_hz") == 0)
		return parse_number(key, value, MIN_RATE, MAX_RATE, &spec->sample_rate_hz, fault);
	if (strcmp(key, "fft_size") == 0)
		return parse_number(key, value, MIN_FFT, MAX_FFT, &spec->fft_size, fault);
	if (strcmp(key, "hop") == 0)
		return parse_number(key, value, MIN_FFT / 4, MAX_FFT / 4, &spec->hop, fault);
	if (strcmp(key, "frames") == 0)
		return parse_number(key, value, 16, MAX_FRAMES, &spec->frames, fault);
	if (strcmp(key, "bins") == 0)
		return parse_number(key, value, 16, MAX_FFT / 2 + 1, &spec->bins, fault);
	if (strcmp(key, "bands") == 0)
		return parse_bands(value, &spec->bands, fault);
	if (strcmp(key, "mask") == 0)
	{
		st = parse_word(key, value, WORDS(mask_words), &word, fault);
		spec->mask = (SpMaskKind) word;
		return st;
	}
	if (strcmp(key, "encoder") != 0 && strcmp(key, "decoder") != 0)
		return refuse(fault, key, "known");
	st = parse_word(key, value, WORDS(activation_words), &word, fault);
	if (key[0] == 'e')
		spec->encoder = (SpActivation) word;
	else
		spec->decoder = (SpActivation) word;
	return st;
}

SpStatus
sp_model_spec_parse(const char *json, SpModelSpec *spec, SpFault *fault)
{
	json_error_t error;
	json_t *root;
	const char *key;
	json_t *value;
	SpStatus st = SP_OK;

	memset(spec, 0, sizeof(*spec));
	if (strlen(json) >= SP_MODEL_PARAMS_MAX)
		return sp_fault(fault, SP_ERR_BAD_DATA, NULL, "Hyper-parameters are at most %d bytes long.",
		                SP_MODEL_PARAMS_MAX - 1);
	root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(root))
	{
		json_decref(root);
		return sp_fault(fault, SP_ERR_BAD_DATA, NULL, "Hyper-parameters are not a JSON object.");
	}
	json_object_foreach(root, key, value)
	{
		st = parse_key(key, value, spec, fault);
		if (st != SP_OK)
			break;
	}
	json_decref(root);
	return st;
}

/* The transform is ours: powers of two with four overlapping frames, and bins that it has. */
SpStatus
sp_model_spec_check(const SpModelSpec *spec, SpFault *fault)
{
	if ((spec->fft_size & (spec->fft_size - 1)) != 0 || spec->hop * 4 != spec->fft_size)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, NULL,
		                "Frames of %d samples every %d are not a power of two and a quarter of it.",
		                spec->fft_size, spec->hop);
	if (spec->bins > spec->fft_size / 2 + 1)
		return sp_fault(fault, SP_ERR_BAD_DATA, NULL, "A frame of %d samples has no %d bins.",
		                spec->fft_size, spec->bins);
	if (spec->stems < 1 || spec->names[spec->stems - 1][0] == '\0')
		return sp_fault(fault, SP_ERR_BAD_DATA, "Give \"stems\" as an array of names.",
		                "The names of the %d stems are not known.", spec->stems);
	return SP_OK;
}

static json_t *
print_bands(const SpBandTable *table)
{
	json_t *out = json_array();

	for (int i = 0; i < table->regions; i++)
	{
		json_t *pair = json_array();

		json_array_append_new(pair, json_integer(table->count[i]));
		json_array_append_new(pair, json_integer(table->width[i]));
		json_array_append_new(out, pair);
	}
	return out;
}

SpStatus
sp_model_spec_print(const SpModelSpec *spec, char out[SP_MODEL_PARAMS_MAX])
{
	json_t *stems = json_array();
	json_t *root = sp_json_object();
	size_t n = 0;

	for (int i = 0; i < spec->stems; i++)
		json_array_append_new(stems, json_string(spec->names[i]));
	json_object_set_new(root, "stems", stems);
	json_object_set_new(root, "sample_rate_hz", json_integer(spec->sample_rate_hz));
	json_object_set_new(root, "fft_size", json_integer(spec->fft_size));
	json_object_set_new(root, "hop", json_integer(spec->hop));
	json_object_set_new(root, "frames", json_integer(spec->frames));
	json_object_set_new(root, "bins", json_integer(spec->bins));
	if (spec->bands.regions > 0)
		json_object_set_new(root, "bands", print_bands(&spec->bands));
	if (activation_words[spec->encoder] != NULL)
		json_object_set_new(root, "encoder", json_string(activation_words[spec->encoder]));
	if (activation_words[spec->decoder] != NULL)
		json_object_set_new(root, "decoder", json_string(activation_words[spec->decoder]));
	if (mask_words[spec->mask] != NULL)
		json_object_set_new(root, "mask", json_string(mask_words[spec->mask]));
	n = json_dumpb(root, out, SP_MODEL_PARAMS_MAX - 1, 0);
	json_decref(root);
	if (n == 0 || n >= SP_MODEL_PARAMS_MAX)
		return SP_ERR_NO_MEMORY;
	out[n] = '\0';
	return SP_OK;
}
