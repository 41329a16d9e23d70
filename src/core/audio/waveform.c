/*
 * src/core/audio/waveform.c
 *	  A picture of a song, as SVG.
 *
 * Two closed paths over one time axis: the envelope of the peaks (highest and
 * lowest sample of any channel in a column) and, darker and inside it, the
 * level (+- RMS over all channels).  Linear amplitude, full scale at the
 * edges: clipping touches them, silence is a hairline.
 *
 * Colours come from a few rules of CSS, under a class of their own so that the
 * picture can stand inside an HTML page, and follow the reader's light or dark
 * scheme; there is no script and no font to load.
 *
 * Paths are relative steps of one column and quarters of a pixel, scaled by a
 * transform: 1200 columns make about 22 KB, absolute coordinates 55 KB.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/waveform.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for the time axis below the waves, and its type size, in pixels. */
#define AXIS_HEIGHT 18
#define TYPE_SIZE   11
/* Least distance between two time labels ("1:00:00" is about 40 wide). */
#define LABEL_SPACE 70
/* A column: "-1-80000" twice for each of two paths. */
#define COLUMN_CHARS 32
/* The rest of the document: style, axis, grid. */
#define FRAME_CHARS 16384

struct SpWaveform
{
	const SpEnv *env;
	int columns;
	int channels;
	int sample_rate_hz;
	int64_t total_frames;
	int64_t position;
	float *high; /* per column; 0 until something came */
	float *low;
	double *energy; /* sum of squares of all channels */
	char *text;     /* of the last render */
	size_t length;
	size_t capacity;
};

SpStatus
sp_waveform_new(const SpEnv *env, int columns, int64_t total_frames, int channels,
                int sample_rate_hz, SpWaveform **out)
{
	SpWaveform *w;

	*out = NULL;
	if (columns < 1 || columns > SP_WAVEFORM_MAX_COLUMNS || total_frames < 1 ||
	    total_frames > INT64_MAX / SP_WAVEFORM_MAX_COLUMNS / 2 || channels < 1 ||
	    sample_rate_hz < 1)
		return SP_ERR_BAD_ARG;
	w = sp_calloc(env, 1, sizeof(SpWaveform));
	if (w == NULL)
		return SP_ERR_NO_MEMORY;
	w->env = env;
	w->columns = total_frames < columns ? (int) total_frames : columns;
	w->channels = channels;
	w->sample_rate_hz = sample_rate_hz;
	w->total_frames = total_frames;
	w->high = sp_calloc(env, (size_t) w->columns, sizeof(float));
	w->low = sp_calloc(env, (size_t) w->columns, sizeof(float));
	w->energy = sp_calloc(env, (size_t) w->columns, sizeof(double));
	if (w->high == NULL || w->low == NULL || w->energy == NULL)
	{
		sp_waveform_free(w);
		return SP_ERR_NO_MEMORY;
	}
	*out = w;
	return SP_OK;
}

void
sp_waveform_free(SpWaveform *w)
{
	if (w == NULL)
		return;
	sp_free(w->env, w->high);
	sp_free(w->env, w->low);
	sp_free(w->env, w->energy);
	sp_free(w->env, w->text);
	sp_free(w->env, w);
}

/* First frame of a column. */
static int64_t
column_start(const SpWaveform *w, int column)
{
	return w->total_frames * column / w->columns;
}

static void
fold(SpWaveform *w, int column, const float *x, size_t n)
{
	float high = w->high[column];
	float low = w->low[column];
	double energy = 0;

	for (size_t i = 0; i < n; i++)
	{
		high = x[i] > high ? x[i] : high;
		low = x[i] < low ? x[i] : low;
		energy += (double) x[i] * (double) x[i];
	}
	w->high[column] = high;
	w->low[column] = low;
	w->energy[column] += energy;
}

void
sp_waveform_push(SpWaveform *w, const float *x, size_t frames)
{
	while (frames > 0 && w->position < w->total_frames)
	{
		/* The inverse of column_start may be one too low, never too high. */
		int column = (int) (w->position * w->columns / w->total_frames);
		int64_t room;
		size_t n;

		while (column + 1 < w->columns && column_start(w, column + 1) <= w->position)
			column++;
		room = column_start(w, column + 1) - w->position;
		n = (int64_t) frames < room ? frames : (size_t) room;
		fold(w, column, x, n * (size_t) w->channels);
		x += n * (size_t) w->channels;
		w->position += (int64_t) n;
		frames -= n;
	}
}

/* Append to the text, which has been made large enough. */
__attribute__((format(printf, 2, 3))) static void
put(SpWaveform *w, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->text + w->length, w->capacity - w->length, format, args);
	va_end(args);
	if (n > 0)
		w->length += (size_t) n;
	if (w->length >= w->capacity)
		w->length = w->capacity - 1;
}

/* Bytes of the UTF-8 sequence at p if it is one that XML 1.0 allows, else 0. */
static int
utf8_length(const unsigned char *p)
{
	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7F ? 1 : 0;
	if (p[0] >= 0xC2 && p[0] < 0xE0)
		return (p[1] & 0xC0) == 0x80 ? 2 : 0;
	if (p[0] >= 0xE0 && p[0] < 0xF0)
	{
		if ((p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[0] == 0xE0 && p[1] < 0xA0) ||
		    (p[0] == 0xED && p[1] >= 0xA0) || (p[0] == 0xEF && p[1] == 0xBF && p[2] >= 0xBE))
			return 0;
		return 3;
	}
	if (p[0] >= 0xF0 && p[0] < 0xF5)
	{
		if ((p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80 ||
		    (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] >= 0x90))
			return 0;
		return 4;
	}
	return 0;
}

static void
put_escaped(SpWaveform *w, const char *text)
{
	const unsigned char *p = (const unsigned char *) text;

	while (*p != 0)
	{
		int n = utf8_length(p);

		if (*p == '&')
			put(w, "&amp;");
		else if (*p == '<')
			put(w, "&lt;");
		else if (*p == '>')
			put(w, "&gt;");
		else if (*p == '"')
			put(w, "&quot;");
		else if (n > 0)
			put(w, "%.*s", n, (const char *) p);
		p += n > 0 ? n : 1;
	}
}

static void
put_time(SpWaveform *w, int64_t seconds)
{
	if (seconds >= 3600)
		put(w, "%d:%02d:%02d", (int) (seconds / 3600), (int) (seconds / 60 % 60),
		    (int) (seconds % 60));
	else
		put(w, "%d:%02d", (int) (seconds / 60), (int) (seconds % 60));
}

/* One decimal, without printf's cost and without ".0". */
static void
put_number(SpWaveform *w, double value)
{
	int tenths = (int) lrint(value * 10);

	if (tenths % 10 == 0)
		put(w, "%d", tenths / 10);
	else
		put(w, "%d.%d", tenths / 10, tenths % 10);
}

/* Height of a column's path above (or below) the top of the picture, in quarters of a pixel. */
static int
column_y(const SpWaveform *w, int column, double height, bool rms, bool top)
{
	double middle = height / 2;
	double scale = middle - 1; /* the hairline of silence stays inside */
	int64_t frames = column_start(w, column + 1) - column_start(w, column);
	double level = sqrt(w->energy[column] / ((double) frames * w->channels));
	double up = rms ? level : (double) w->high[column];
	double down = rms ? -level : (double) w->low[column];
	double y = top ? middle - fmin(up, 1) * scale - 0.4 : middle - fmax(down, -1) * scale + 0.4;

	return (int) lrint(4 * y);
}

/* A closed path through the tops from left to right and the bottoms back. */
static void
put_path(SpWaveform *w, const char *class_name, double height, bool rms)
{
	int last = column_y(w, 0, height, rms, true);

	put(w, "<path class=\"%s\" d=\"M0,%dl", class_name, last);
	for (int i = 1; i < 2 * w->columns; i++)
	{
		bool top = i < w->columns;
		int column = top ? i : 2 * w->columns - 1 - i;
		int y = column_y(w, column, height, rms, top);

		/* A minus sign separates as well as a space. */
		put(w, top ? " 1" : i == w->columns ? " 0" : "-1");
		put(w, y < last ? "%d" : " %d", y - last);
		last = y;
	}
	put(w, "z\"/>\n");
}

static void
put_waves(SpWaveform *w, double width, double height)
{
	double step = width / w->columns;

	put(w, "<g transform=\"translate(%.2f)scale(%.5f,.25)\">\n", step / 2, step);
	put_path(w, "p", height, false);
	put_path(w, "r", height, true);
	put(w, "</g>\n");
}

/* Seconds between two time labels: the smallest round step that leaves room. */
static int64_t
tick_step(const SpWaveform *w, int width)
{
	static const int STEPS[] = {1,   2,   5,   10,   15,   30,   60,    120,
	                            300, 600, 900, 1800, 3600, 7200, 18000, 36000};
	double seconds = (double) w->total_frames / w->sample_rate_hz;
	double least = seconds * LABEL_SPACE / width;

	for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++)
		if (STEPS[i] >= least)
			return STEPS[i];
	return (int64_t) (ceil(least / 86400) * 86400);
}

static void
put_axis(SpWaveform *w, int width, int height)
{
	double seconds = (double) w->total_frames / w->sample_rate_hz;
	int64_t step = tick_step(w, width);
	int bottom = height - AXIS_HEIGHT;

	put(w, "<path class=\"g\" d=\"M0,%d.5H%d\"/>\n", bottom, width);
	for (int64_t t = 0; (double) t <= seconds; t += step)
	{
		double x = seconds > 0 ? (double) t / seconds * width : 0;

		put(w, "<path class=\"g\" d=\"M");
		put_number(w, x);
		put(w, ",%dv4\"/>", bottom);
		/* A label that would run over the right edge is left out; the tick stays. */
		if (x + LABEL_SPACE / 2.0 <= width)
		{
			put(w, "<text x=\"");
			put_number(w, x + 3);
			put(w, "\" y=\"%d\">", height - 4);
			put_time(w, t);
			put(w, "</text>");
		}
		put(w, "\n");
	}
}

/* Full scale, half (-6 dB) and the middle. */
static void
put_grid(SpWaveform *w, int width, int wave_height)
{
	put(w, "<path class=\"g\" d=\"M0,%.1fH%dM0,%.1fH%dM0,%.1fH%d\"/>\n", wave_height * 0.25, width,
	    wave_height * 0.5, width, wave_height * 0.75, width);
}

static void
put_head(SpWaveform *w, int width, int height, const char *title)
{
	int64_t seconds = (w->total_frames + w->sample_rate_hz / 2) / w->sample_rate_hz;

	put(w,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
	    "viewBox=\"0 0 %d %d\" role=\"img\" class=\"sw\">\n<title>",
	    width, height, width, height);
	put_escaped(w, title != NULL ? title : "Waveform");
	put(w, "</title>\n<desc>Waveform, ");
	put_time(w, seconds);
	put(w,
	    " long, %d %s at %d Hz: peaks in a light tone, level (RMS) in a dark one.</desc>\n"
	    "<style>.sw .p{fill:#9cc4e4}.sw .r{fill:#1f6fb2}"
	    ".sw .g{fill:none;stroke:#7f8a96;stroke-opacity:.35}"
	    ".sw text{fill:#5b6672;font:%dpx system-ui,sans-serif}"
	    "@media(prefers-color-scheme:dark){.sw .p{fill:#2f5a80}.sw .r{fill:#6fb6f2}"
	    ".sw text{fill:#a3afbb}}</style>\n",
	    w->channels, w->channels == 1 ? "channel" : "channels", w->sample_rate_hz, TYPE_SIZE);
}

SpStatus
sp_waveform_render(SpWaveform *w, int width, int height, const char *title, const char **text,
                   size_t *length)
{
	/* Below three times the axis there is no room for it. */
	bool axis = height >= 3 * AXIS_HEIGHT;
	int wave_height = axis ? height - AXIS_HEIGHT : height;
	size_t title_chars = title != NULL ? strlen(title) : 0;

	*text = NULL;
	*length = 0;
	if (width < 64 || width > 20000 || height < 32 || height > 20000)
		return SP_ERR_BAD_ARG;
	sp_free(w->env, w->text);
	w->text = NULL;
	w->length = 0;
	/* Six characters at most for one of the title ("&quot;"), 120 a time label. */
	if (__builtin_mul_overflow(title_chars, 6, &title_chars))
		return SP_ERR_NO_MEMORY;
	w->capacity = FRAME_CHARS + (size_t) w->columns * COLUMN_CHARS + (size_t) width * 2;
	if (__builtin_add_overflow(w->capacity, title_chars, &w->capacity))
		return SP_ERR_NO_MEMORY;
	w->text = sp_alloc(w->env, w->capacity, 1);
	if (w->text == NULL)
		return SP_ERR_NO_MEMORY;
	put_head(w, width, height, title);
	put_grid(w, width, wave_height);
	put_waves(w, width, wave_height);
	if (axis)
		put_axis(w, width, height);
	put(w, "</svg>\n");
	*text = w->text;
	*length = w->length;
	return SP_OK;
}
