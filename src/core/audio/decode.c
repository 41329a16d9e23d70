/*
 * src/core/audio/decode.c
 *	  SpDecoder: libsndfile behind checks.
 *
 * Opening goes through four gates: size, content (sniff.c), claims (claim*.c)
 * against limits, and libsndfile's own opinion, which must agree with the
 * claims.  Reading goes on checking, because a header can be right and the
 * rest wrong: libsndfile reports a damaged frame only through sf_error, after
 * an apparently good read.
 *
 * PCM containers are opened as headerless data at the place that the walk
 * found; FLAC, Ogg and MP3 as what they are, without the tags around them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/decode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/audio/claim.h"
#include "core/audio/measure.h"
#include "core/audio/vio.h"

/*
 * Frames decoded between two looks at should_stop: at 100 x real time (the
 * slowest codec, 8 channels) 4096 frames of 44.1 kHz take 1 ms.
 */
#define BLOCK_FRAMES 4096

/*
 * Ogg's last position may count a little more than decoding gives (encoders
 * round up to packets): the longest Vorbis block, or 68 packets of Opus.
 */
#define OGG_SLACK 8192

/* Bytes behind a FLAC stream that may be rubbish; libFLAC itself reads 8 KiB ahead. */
#define MAX_TAIL_BYTES 65536

struct SpDecoder
{
	const SpEnv *env;
	SpCursor *cursor;
	SNDFILE *file;
	SpAudioInfo info;
	int64_t slack;      /* frames that may be missing of info.frames */
	int64_t max_frames; /* of max_seconds */
	int64_t position;
	bool raw; /* opened as headerless PCM */
	SpStatus status;
	SpFault fault; /* repeated after the first error */
};

SpAudioLimits
sp_audio_default_limits(void)
{
	return (SpAudioLimits){
		.max_channels = SP_AUDIO_MAX_CHANNELS, .min_rate_hz = 1000, .max_rate_hz = 768000};
}

static SpStatus
check_limits(const SpAudioLimits *limits, const SpClaim *claim, SpFault *fault)
{
	double rate = claim->sample_rate_hz;

	if (claim->channels < 1)
		return sp_fault(fault, SP_ERR_BAD_DATA, "The header is damaged; get the file again.",
		                "The header claims %lld channels.", (long long) claim->channels);
	if (claim->channels > limits->max_channels)
		return sp_fault(fault, SP_ERR_TOO_LARGE,
		                "Mix it down first, for example: ffmpeg -i input -ac 2 output.flac",
		                "The header claims %lld channels; at most %d are allowed.",
		                (long long) claim->channels, limits->max_channels);
	/* Written so that NaN fails. */
	if (!(rate >= limits->min_rate_hz && rate <= limits->max_rate_hz))
		return sp_fault(fault, rate > 0 ? SP_ERR_TOO_LARGE : SP_ERR_BAD_DATA,
		                "If the header is right, convert it first, for example: "
		                "ffmpeg -i input -ar 44100 output.flac",
		                "The header claims a sample rate of %.0f Hz; %d to %d Hz are allowed.",
		                rate, limits->min_rate_hz, limits->max_rate_hz);
	if (rate != floor(rate))
		return sp_fault(fault, SP_ERR_UNSUPPORTED,
		                "Convert it first, for example: ffmpeg -i input -ar 44100 output.flac",
		                "The sample rate of %.3f Hz is no whole number.", rate);
	return SP_OK;
}

static SpStatus
too_long(const SpAudioLimits *limits, const char *verb, double seconds, SpFault *fault)
{
	return sp_fault(fault, SP_ERR_TOO_LARGE, "Cut it into parts, or raise the limit of duration.",
	                "The content %s more than %g seconds of audio; at most %g are allowed.", verb,
	                floor(seconds), limits->max_seconds);
}

/* claim->frames against max_seconds. */
static SpStatus
check_duration(const SpAudioLimits *limits, const SpAudioInfo *info, SpFault *fault)
{
	double seconds = (double) info->frames / info->sample_rate_hz;

	if (info->frames == 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, "Look at the program that wrote it.",
		                "The content holds no audio: its length is zero.");
	if (limits->max_seconds > 0 && info->frames > 0 && seconds > limits->max_seconds)
		return too_long(limits, "claims", seconds, fault);
	return SP_OK;
}

/* libsndfile could not open it. */
static SpStatus
open_failed(SpDecoder *d, SpFault *fault)
{
	const char *why = sf_strerror(NULL);

	if (sp_cursor_status(d->cursor) != SP_OK)
		return sp_claim_ended(d->cursor, "header", fault);
	if (sp_vio_no_memory(why))
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for the decoder.");
	return sp_fault(fault, SP_ERR_BAD_DATA, "The file is damaged; get it again.",
	                "The %s decoder rejects the content: %.120s",
	                sp_audio_format_name(d->info.format), why);
}

/* Open the library on the cursor and take over what it says. */
static SpStatus
open_library(SpDecoder *d, const SpClaim *claim, SpFault *fault)
{
	SF_INFO sf = {0};
	SF_VIRTUAL_IO io = sp_vio();

	if (d->raw)
	{
		sf.format = SF_FORMAT_RAW | claim->pcm;
		sf.channels = (int) claim->channels;
		sf.samplerate = (int) claim->sample_rate_hz;
	}
	d->file = sf_open_virtual(&io, SFM_READ, &sf, d->cursor);
	if (d->file == NULL)
		return open_failed(d, fault);
	if (sf.channels != claim->channels ||
	    (sf.samplerate != (int) claim->sample_rate_hz && d->info.format != SP_AUDIO_OPUS))
		return sp_fault(fault, SP_ERR_BAD_DATA, "The file is damaged; get it again.",
		                "The decoder sees %d channels of %d Hz where the header says %lld of %.0f.",
		                sf.channels, sf.samplerate, (long long) claim->channels,
		                claim->sample_rate_hz);
	d->info.sample_rate_hz = sf.samplerate;
	/* MP3 and Ogg: the library has looked at the end.  SF_COUNT_MAX: it does not know. */
	if (claim->frames < 0 && sf.frames >= 0 && sf.frames < SF_COUNT_MAX)
		d->info.frames = sf.frames;
	return SP_OK;
}

static SpStatus
open_content(SpDecoder *d, SpSpool *spool, const SpAudioLimits *limits, SpFault *fault)
{
	SpSniff sniff;
	SpClaim claim;
	int64_t start;
	SpStatus st = sp_sniff(d->env, spool, &sniff, fault);

	if (st == SP_OK && sp_cursor_new(d->env, spool, sniff.audio_start, -1, &d->cursor) != SP_OK)
		st = sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for a read buffer.");
	if (st == SP_OK)
		st = sp_claim(d->env, d->cursor, sniff.format, &claim, fault);
	if (st == SP_OK)
		st = check_limits(limits, &claim, fault);
	if (st != SP_OK)
		return st;
	start = sniff.audio_start + claim.data_start;
	sp_cursor_free(d->cursor);
	d->cursor = NULL;
	if (sp_cursor_new(d->env, spool, start, claim.data_bytes, &d->cursor) != SP_OK)
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for a read buffer.");
	if (claim.prefix_bytes > 0 &&
	    sp_cursor_prefix(d->cursor, claim.prefix, claim.prefix_bytes) != SP_OK)
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for a read buffer.");
	d->info.format = sniff.format;
	memcpy(d->info.codec, claim.codec, sizeof(d->info.codec));
	d->info.bits = claim.bits;
	d->info.channels = (int) claim.channels;
	d->info.sample_rate_hz = (int) claim.sample_rate_hz;
	d->info.frames = claim.frames;
	d->info.lossy = claim.lossy;
	d->raw = claim.pcm != 0;
	d->slack = claim.slack;
	if (sniff.format == SP_AUDIO_VORBIS || sniff.format == SP_AUDIO_OPUS)
		d->slack = OGG_SLACK;
	st = check_duration(limits, &d->info, fault);
	if (st == SP_OK)
		st = open_library(d, &claim, fault);
	if (st == SP_OK)
		st = check_duration(limits, &d->info, fault);
	return st;
}

SpStatus
sp_decoder_open(const SpEnv *env, SpSpool *spool, const SpAudioLimits *limits, SpDecoder **out,
                SpFault *fault)
{
	SpDecoder *d;
	SpStatus st;

	*out = NULL;
	if (limits->max_bytes > 0 && sp_spool_size(spool) > limits->max_bytes)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "Compress it (FLAC), or raise the limit of bytes.",
		                "The content has %lld bytes; at most %lld are allowed.",
		                (long long) sp_spool_size(spool), (long long) limits->max_bytes);
	d = sp_calloc(env, 1, sizeof(SpDecoder));
	if (d == NULL)
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for the decoder.");
	d->env = env;
	st = open_content(d, spool, limits, fault);
	if (st != SP_OK)
	{
		sp_decoder_free(d);
		return st;
	}
	d->max_frames = limits->max_seconds > 0
	                    ? (int64_t) ceil(limits->max_seconds * d->info.sample_rate_hz)
	                    : INT64_MAX;
	*out = d;
	return SP_OK;
}

const SpAudioInfo *
sp_decoder_info(const SpDecoder *decoder)
{
	return &decoder->info;
}

int64_t
sp_decoder_position(const SpDecoder *decoder)
{
	return decoder->position;
}

void
sp_decoder_free(SpDecoder *decoder)
{
	if (decoder == NULL)
		return;
	if (decoder->file != NULL)
		sf_close(decoder->file);
	sp_cursor_free(decoder->cursor);
	sp_free(decoder->env, decoder);
}

static SpStatus
too_short(SpDecoder *d, int64_t frames)
{
	return sp_fault(&d->fault, SP_ERR_BAD_DATA, SP_CLAIM_CUT_HINT,
	                "The header claims %lld frames, but only %lld could be decoded.",
	                (long long) d->info.frames, (long long) frames);
}

/* What was just read, n frames of out, against everything that can be wrong with it. */
static SpStatus
check_block(SpDecoder *d, const float *out, int64_t n)
{
	size_t samples = (size_t) (n * d->info.channels);
	size_t bad;

	if (sp_cursor_status(d->cursor) != SP_OK)
		return sp_claim_ended(d->cursor, "samples", &d->fault);
	/* libFLAC loses sync at the end of a file that was cut. */
	if (sf_error(d->file) != SF_ERR_NO_ERROR && d->info.frames > d->position + n &&
	    sp_cursor_tell(d->cursor) >= sp_cursor_size(d->cursor))
		return too_short(d, d->position + n);
	if (sf_error(d->file) != SF_ERR_NO_ERROR)
		return sp_fault(&d->fault, SP_ERR_BAD_DATA,
		                "Get the file again, or save what is there with: "
		                "ffmpeg -i input output.flac",
		                "The %s content is damaged near frame %lld: %.100s",
		                sp_audio_format_name(d->info.format), (long long) (d->position + n),
		                sf_strerror(d->file));
	/* Integers cannot be out of range. */
	if (d->info.bits > 0)
		return SP_OK;
	bad = sp_measure_first_beyond(out, samples, SP_AUDIO_MAX_SAMPLE);
	if (bad < samples)
		return sp_fault(&d->fault, SP_ERR_BAD_DATA, "Look at the program that wrote it.",
		                "The sample in channel %d of frame %lld is %s.",
		                (int) (bad % (size_t) d->info.channels) + 1,
		                (long long) (d->position + (int64_t) bad / d->info.channels),
		                isnan(out[bad])   ? "not a number"
		                : isinf(out[bad]) ? "infinite"
		                                  : "far beyond full scale");
	return SP_OK;
}

/*
 * libFLAC stops at the count in its header, so music behind it would be lost in
 * silence.  Tags that some programs append are fine.
 */
static SpStatus
check_flac_tail(SpDecoder *d)
{
	int64_t left = sp_cursor_size(d->cursor) - sp_cursor_tell(d->cursor);
	uint8_t end[160] = {0};

	if (left <= MAX_TAIL_BYTES ||
	    !sp_claim_get(d->cursor, sp_cursor_size(d->cursor) - 160, end, sizeof(end)) ||
	    memcmp(end + 32, "TAG", 3) == 0 || memcmp(end + 128, "APETAGEX", 8) == 0 ||
	    memcmp(end, "APETAGEX", 8) == 0 || memcmp(end + 150, "3DI", 3) == 0)
		return SP_OK;
	return sp_fault(&d->fault, SP_ERR_BAD_DATA,
	                "Write it anew, for example: ffmpeg -i in.flac out.flac",
	                "The header claims %lld frames, but %lld bytes follow them.",
	                (long long) d->info.frames, (long long) left);
}

/* The library has no more: is that all there should be? */
static SpStatus
check_end(SpDecoder *d)
{
	if (d->position == 0)
		return sp_fault(&d->fault, SP_ERR_BAD_DATA, "Look at the program that wrote it.",
		                "The content holds no audio.");
	if (d->info.frames >= 0 && d->position < d->info.frames - d->slack)
		return too_short(d, d->position);
	if (d->info.format == SP_AUDIO_FLAC && d->info.frames >= 0)
		return check_flac_tail(d);
	return SP_OK;
}

/* One block; *got 0 at the end. */
static SpStatus
read_block(SpDecoder *d, float *out, int64_t want, int64_t *got)
{
	SpStatus st;

	*got = 0;
	if (sp_should_stop(d->env))
		return sp_fault(&d->fault, SP_ERR_CANCELED, NULL, "Canceled while decoding.");
	*got = sf_readf_float(d->file, out, want);
	if (*got < 0)
		*got = 0;
	st = check_block(d, out, *got);
	if (st == SP_OK && *got == 0)
		st = check_end(d);
	if (st == SP_OK && d->position + *got > d->max_frames)
	{
		SpAudioLimits limits = {.max_seconds = (double) d->max_frames / d->info.sample_rate_hz};

		st = too_long(&limits, "holds", (double) (d->position + *got) / d->info.sample_rate_hz,
		              &d->fault);
	}
	if (st == SP_OK)
		d->position += *got;
	return st;
}

SpStatus
sp_decoder_read(SpDecoder *decoder, float *out, size_t frames, size_t *got, SpFault *fault)
{
	size_t done = 0;

	*got = 0;
	while (decoder->status == SP_OK && done < frames)
	{
		int64_t n;
		size_t want = frames - done < BLOCK_FRAMES ? frames - done : BLOCK_FRAMES;

		decoder->status =
			read_block(decoder, out + done * (size_t) decoder->info.channels, (int64_t) want, &n);
		if (decoder->status == SP_OK && n == 0)
			break;
		done += (size_t) n;
	}
	if (decoder->status != SP_OK)
	{
		if (fault != NULL)
			*fault = decoder->fault;
		return decoder->status;
	}
	*got = done;
	return SP_OK;
}
