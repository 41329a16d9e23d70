/*
 * tests/unit/test_waveform.c
 *	  The picture shows the signal, is well-formed, and lets no markup in.
 */
#include "core/audio/waveform.h"

#include "unit/check.h"

/* A minimal XML check: tags nest, quotes close, no bare & or <. */
static bool
is_well_formed(const char *p)
{
	int depth = 0;

	while (*p)
	{
		if (*p == '&')
		{
			const char *end = strchr(p, ';');

			if (end == NULL || end - p > 5)
				return false;
		}
		if (*p++ != '<')
			continue;
		depth += *p == '/' ? -1 : 1;
		for (; *p && *p != '>'; p++)
		{
			if (*p == '<')
				return false;
			if (*p == '"' && (p = strchr(p + 1, '"')) == NULL)
				return false;
		}
		if (p[-1] == '/')
			depth--;
		if (*p == 0 || depth < 0)
			return false;
	}
	return depth == 0;
}

/* Steps of the path with that class: the y coordinates in order; returns how many. */
static int
read_path(const char *svg, const char *class_name, int *y, int capacity)
{
	char key[32];
	const char *p;
	char *end;
	int n = 0;

	snprintf(key, sizeof(key), "class=\"%s\" d=\"M0,", class_name);
	p = strstr(svg, key);
	if (p == NULL)
		return 0;
	y[n++] = (int) strtol(p + strlen(key), &end, 10);
	if (*end != 'l')
		return 0;
	for (p = end + 1; *p != 'z' && n < capacity; n++)
	{
		strtol(p, &end, 10);
		y[n] = y[n - 1] + (int) strtol(end, &end, 10);
		p = end;
	}
	return n;
}

/* A ramp in amplitude: column k peaks at +(k + 1) / 100 and -(k + 1) / 200. */
static void
check_shape(void)
{
	enum
	{
		COLUMNS = 100,
		EACH = 441
	};
	static float x[COLUMNS * EACH * 2];
	static int y[2 * COLUMNS];
	SpWaveform *w = NULL;
	const char *svg;
	size_t length;
	size_t at = 0;

	for (int k = 0; k < COLUMNS; k++)
		for (int i = 0; i < EACH; i++)
		{
			float a = (float) (k + 1) / COLUMNS;

			x[2 * (k * EACH + i)] = i % 2 ? a : -a / 2;
			x[2 * (k * EACH + i) + 1] = 0;
		}
	CHECK(sp_waveform_new(&check_env, COLUMNS, COLUMNS * EACH, 2, 44100, &w) == SP_OK);
	while (at < COLUMNS * EACH)
	{
		size_t n = 1 + check_random() % 1000;

		n = n < COLUMNS * EACH - at ? n : COLUMNS * EACH - at;
		sp_waveform_push(w, x + 2 * at, n);
		at += n;
	}
	sp_waveform_push(w, x, 1000); /* beyond the end: ignored */
	CHECK(sp_waveform_render(w, 400, 218, "ramp", &svg, &length) == SP_OK);
	CHECK(strlen(svg) == length && is_well_formed(svg));
	CHECK(read_path(svg, "p", y, 2 * COLUMNS) == 2 * COLUMNS);
	for (int k = 0; k < COLUMNS; k++)
	{
		/* 200 pixels of wave: the middle is at 100, full scale 99 away; quarters of a pixel. */
		double a = (k + 1.0) / COLUMNS;

		CHECK_NEAR(y[k], 4 * (100 - 99 * a - 0.4), 0.51);
		CHECK_NEAR(y[2 * COLUMNS - 1 - k], 4 * (100 + 99 * a / 2 + 0.4), 0.51);
	}
	CHECK(read_path(svg, "r", y, 2 * COLUMNS) == 2 * COLUMNS);
	for (int k = 0; k < COLUMNS; k++)
	{
		/* 221 of 441 frames at -a/2, 220 at a, the other channel silent. */
		double a = (k + 1.0) / COLUMNS;
		double rms = a * sqrt((220 + 221 / 4.0) / (2 * EACH));

		CHECK_NEAR(y[k], 4 * (100 - 99 * rms - 0.4), 0.51);
		CHECK_NEAR(y[2 * COLUMNS - 1 - k], 4 * (100 + 99 * rms + 0.4), 0.51);
	}
	sp_waveform_free(w);
}

static void
check_text(void)
{
	SpWaveform *w = NULL;
	const char *svg;
	size_t length;
	char *long_title = malloc(100001);

	CHECK(sp_waveform_new(&check_env, 1200, 44100 * 3725, 1, 44100, &w) == SP_OK);
	CHECK(sp_waveform_render(w, 1200, 200, "<script>&\"'\x01\x7F\xFF\xC0\xAF\xED\xA0\x80 \xC3\xBC",
	                         &svg, &length) == SP_OK);
	CHECK(strstr(svg, "<title>&lt;script&gt;&amp;&quot;' \xC3\xBC</title>") != NULL);
	CHECK(strstr(svg, "1:02:05 long") != NULL && strstr(svg, ">1:00:00<") != NULL);
	CHECK(strstr(svg, ">5:00<") != NULL && is_well_formed(svg));
	CHECK(strstr(svg, "http://www.w3.org/2000/svg") && strstr(svg, "prefers-color-scheme"));
	CHECK(sp_waveform_render(w, 64, 32, NULL, &svg, &length) == SP_OK);
	CHECK(strstr(svg, "<title>Waveform</title>") != NULL && is_well_formed(svg));
	memset(long_title, '"', 100000);
	long_title[100000] = 0;
	CHECK(sp_waveform_render(w, 20000, 20000, long_title, &svg, &length) == SP_OK);
	CHECK(length > 600000 && is_well_formed(svg));
	CHECK(strcmp(svg + length - 7, "</svg>\n") == 0);
	CHECK(sp_waveform_render(w, 63, 200, NULL, &svg, &length) == SP_ERR_BAD_ARG && svg == NULL);
	CHECK(sp_waveform_render(w, 64, 20001, NULL, &svg, &length) == SP_ERR_BAD_ARG);
	sp_waveform_free(w);
	free(long_title);
}

/* Every size of everything fits its buffer. */
static void
check_sizes(void)
{
	static float x[3 * 1000];
	static const int64_t TOTALS[] = {1, 2, 99, 1000, 12345, INT64_C(1) << 40};

	for (int i = 0; i < 3 * 1000; i++)
		x[i] = i % 2 ? 1e9f : -1e9f; /* worst: each step the whole height */
	for (size_t k = 0; k < sizeof(TOTALS) / sizeof(TOTALS[0]); k++)
		for (int columns = 1; columns <= SP_WAVEFORM_MAX_COLUMNS; columns = columns * 7 + 1)
		{
			SpWaveform *w = NULL;
			const char *svg;
			size_t length;

			CHECK(sp_waveform_new(&check_env, columns, TOTALS[k], 3, 1, &w) == SP_OK);
			for (int i = 0; i < 15; i++)
				sp_waveform_push(w, x, 1000);
			CHECK(sp_waveform_render(w, 64 + columns, 20000, "x", &svg, &length) == SP_OK);
			CHECK(is_well_formed(svg) && strcmp(svg + length - 7, "</svg>\n") == 0);
			sp_waveform_free(w);
		}
}

static void
check_arguments(void)
{
	SpWaveform *w = NULL;
	const char *svg;
	size_t length;

	CHECK(sp_waveform_new(&check_env, 0, 1, 1, 1, &w) == SP_ERR_BAD_ARG && w == NULL);
	CHECK(sp_waveform_new(&check_env, SP_WAVEFORM_MAX_COLUMNS + 1, 1, 1, 1, &w) == SP_ERR_BAD_ARG);
	CHECK(sp_waveform_new(&check_env, 1, 0, 1, 1, &w) == SP_ERR_BAD_ARG);
	CHECK(sp_waveform_new(&check_env, 1, INT64_MAX, 1, 1, &w) == SP_ERR_BAD_ARG);
	for (int n = 0; n < 4; n++)
	{
		check_allocs_left = n;
		CHECK(sp_waveform_new(&check_env, 10, 100, 1, 1, &w) == SP_ERR_NO_MEMORY && w == NULL);
	}
	check_allocs_left = 4;
	CHECK(sp_waveform_new(&check_env, 10, 100, 1, 1, &w) == SP_OK);
	CHECK(sp_waveform_render(w, 100, 100, "", &svg, &length) == SP_ERR_NO_MEMORY);
	check_allocs_left = -1;
	CHECK(sp_waveform_render(w, 100, 100, "", &svg, &length) == SP_OK);
	sp_waveform_free(w);
	sp_waveform_free(NULL);
}

int
main(void)
{
	check_shape();
	check_text();
	check_sizes();
	check_arguments();
	return check_report();
}
