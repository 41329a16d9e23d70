/*
 * src/pg/audio/out.c
 *	  Songs on their way out: as a value, as a file, as a picture.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

#include "core/audio/waveform.h"
#include "pg/audio/audio.h"
#include "pg/audit/audit.h"
#include "pg/file.h"
#include "pg/seam.h"
#include "pg/sql.h"

SPOTAI_FUNCTION(spotai_audio_content);
SPOTAI_FUNCTION(spotai_export_audio);
SPOTAI_FUNCTION(spotai_waveform_svg);

/* The format called name, if it is one that we can hand out for this audio. */
static SpAudioFormat
wanted_format(const SpAudioRow *row, const char *name)
{
	SpAudioFormat format = sp_audio_format_from_name(name);

	if (format == SP_AUDIO_NONE || (format != row->format && !sp_encoder_writes(format)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("unknown audio format \"%s\"", name),
		                errhint("Use flac, wav, ogg, opus or mp3.")));
	return format;
}

static bytea *
spool_to_bytea(SpSpool *spool)
{
	int64 size = sp_spool_size(spool);
	bytea *value;
	size_t got;

	if (size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("audio of " INT64_FORMAT " bytes does not fit in a value", size),
		                errhint("Write it to a file with spotai.export_audio().")));
	value = SPI_palloc(VARHDRSZ + size);
	SET_VARSIZE(value, VARHDRSZ + size);
	sp_pg_check(sp_spool_read(spool, 0, VARDATA(value), size, &got), "temporary file", NULL);
	return value;
}

/* spotai.audio_content(audio_id uuid, format text) returns bytea */
Datum
spotai_audio_content(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	SpAudioRow row;
	SpAudioFormat format;
	bytea *value;

	sp_pg_require_tables();
	SPI_connect();
	row = sp_audio_find(PG_GETARG_DATUM(0));
	format = wanted_format(&row, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (format == row.format)
		value = sp_audio_load_bytea(&row, caller);
	else
		value =
			spool_to_bytea(sp_audio_convert(sp_audio_load(&row), row.format, format, NULL, NULL));
	SPI_finish();
	PG_RETURN_BYTEA_P(value);
}

/* The part of the path behind the last dot of its last component. */
static const char *
path_ending(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(path, '.');

	return dot != NULL && (slash == NULL || dot > slash) ? asc_tolower(dot + 1, strlen(dot + 1))
	                                                     : "";
}

struct SpExport
{
	SpAudioRow row;
	SpAudioFormat format;
	SpSpool *content;
	char *path;
	bool overwrite;
};

SpExport *
sp_export_open(MemoryContext context, Datum audio_id, const char *path, bool overwrite)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	SpExport *export = palloc0(sizeof(SpExport));

	sp_pg_check_write_path(path, "fetch the content with spotai.audio_content()");
	export->path = pstrdup(path);
	export->overwrite = overwrite;
	export->row = sp_audio_find(audio_id);
	export->format = wanted_format(&export->row, path_ending(path));
	export->content = sp_audio_load(&export->row);
	MemoryContextSwitchTo(caller);
	return export;
}

void
sp_export_run(SpExport *export, SpAudioTick tick, void *arg)
{
	SpSpool *content =
		sp_audio_convert(export->content, export->row.format, export->format, tick, arg);

	sp_pg_write_file(export->path, content, export->overwrite);
}

/* spotai.export_audio(audio_id uuid, path text, overwrite boolean) returns void */
Datum
spotai_export_audio(PG_FUNCTION_ARGS)
{
	char *id;

	sp_pg_require_tables();
	SPI_connect();
	sp_export_run(sp_export_open(CurrentMemoryContext, PG_GETARG_DATUM(0),
	                             text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_BOOL(2)),
	              NULL, NULL);
	SPI_finish();
	id = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(0)));
	sp_audit_event("audio.export", psprintf("audio/%s", id), (Datum) 0);
	PG_RETURN_VOID();
}

/* What a picture of this audio is called: "title - stem", as far as known. */
static char *
audio_title(Datum audio_id)
{
	static SpQuery title = {
		.text = "SELECT concat_ws(' - ', t.artist, t.title, coalesce(a.stem, nullif(a.kind, "
				"'original')))"
				" FROM spotai.audio a LEFT JOIN spotai.track t ON t.tenant_id = a.tenant_id"
				" AND (t.id = a.track_id OR t.audio_id = a.id)"
				" WHERE a.tenant_id = spotai.current_tenant() AND a.id = $1"
				" ORDER BY t.created_at LIMIT 1",
		.nargs = 1,
		.types = {UUIDOID},
	};
	char *text;

	if (sp_pg_query(&title, &audio_id, NULL, false) == 0)
		return NULL;
	text = sp_pg_column_text(0, 1);
	return text ? pg_server_to_any(text, strlen(text), PG_UTF8) : NULL;
}

static void
check_picture_size(int width, int height)
{
	if (width < 64 || width > 20000 || height < 32 || height > 20000)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("a picture of %d by %d pixels cannot be drawn", width, height),
		                errhint("Use a width of 64 to 20000 and a height of 32 to 20000.")));
}

static void
release_waveform(void *waveform)
{
	sp_waveform_free(waveform);
}

static SpWaveform *
collect_waveform(const SpAudioRow *row, int columns)
{
	SpDecoder *decoder = sp_audio_open(sp_audio_load(row), NULL);
	float *block = palloc(sizeof(float) * SP_AUDIO_BLOCK * row->channels);
	SpWaveform *waveform;
	size_t got;

	sp_pg_check(sp_waveform_new(sp_pg_env(), Min(columns, SP_WAVEFORM_MAX_COLUMNS), row->frames,
	                            row->channels, row->sample_rate_hz, &waveform),
	            "waveform", NULL);
	sp_pg_own(waveform, release_waveform);
	while ((got = sp_audio_read(decoder, block, SP_AUDIO_BLOCK)) > 0)
		sp_waveform_push(waveform, block, got);
	return waveform;
}

/* spotai.waveform_svg(audio_id uuid, width integer, height integer) returns text */
Datum
spotai_waveform_svg(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int width = PG_GETARG_INT32(1);
	int height = PG_GETARG_INT32(2);
	SpAudioRow row;
	const char *svg;
	size_t length;
	text *result;

	check_picture_size(width, height);
	sp_pg_require_tables();
	SPI_connect();
	row = sp_audio_find(PG_GETARG_DATUM(0));
	sp_pg_check(sp_waveform_render(collect_waveform(&row, width), width, height,
	                               audio_title(row.id), &svg, &length),
	            "waveform", NULL);
	MemoryContextSwitchTo(caller);
	result = cstring_to_text(pg_any_to_server(svg, length, PG_UTF8));
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}
