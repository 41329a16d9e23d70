/*
 * tests/bench/separation_clips.h
 *	  Real music whose stems are known: the clips of the figures.
 *
 * mallory and music_delta_80s_rock are stereo; mir1k is 16 kHz mono.  All are
 * read by libsndfile, at their own rates.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SEPARATION_CLIPS_H
#define SEPARATION_CLIPS_H

#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/sp_base.h"
#include "twins/spectrogram.h"

enum
{
	VOCALS,
	ACCOMPANIMENT,
	DRUMS,
	BASS,
	OTHER,
	PARTS
};

static const char *const part_names[PARTS] = {"vocals", "accompaniment", "drums", "bass", "other"};
static const char *const stem_files[PARTS] = {"vocals.flac", NULL, "drums.flac", "bass.flac",
                                              "other.flac"};

enum
{
	MALLORY,
	MUSIC_DELTA,
	MIR1K,
	SETS
};

typedef struct Clip
{
	size_t count;
	size_t channels;
	int rate;
	float *mix;          /* [count][channels] */
	float *truth[PARTS]; /* NULL: not known */
} Clip;

/* --- reading ----------------------------------------------------------------- */

static float *
read_file(const char *folder, const char *name, Clip *shape)
{
	char path[4096];
	SF_INFO info = {0};
	SNDFILE *file;
	float *x;

	snprintf(path, sizeof(path), "%s%s%s", folder, *folder ? "/" : "", name);
	file = sf_open(path, SFM_READ, &info);
	if (file == NULL)
	{
		fprintf(stderr, "%s: %s\n", path, sf_strerror(NULL));
		exit(2);
	}
	x = twin_alloc((size_t) info.frames * (size_t) info.channels, sizeof(float));
	info.frames = sf_readf_float(file, x, info.frames);
	sf_close(file);
	if (shape->count == 0 || (size_t) info.frames < shape->count)
		shape->count = (size_t) info.frames;
	shape->channels = (size_t) info.channels;
	shape->rate = info.samplerate;
	return x;
}

static Clip
load_mallory(const char *folder)
{
	Clip c = {0};

	c.mix = read_file(folder, "mallory/mix.mp3", &c);
	c.truth[VOCALS] = read_file(folder, "mallory/vocals_true.mp3", &c);
	c.truth[ACCOMPANIMENT] = read_file(folder, "mallory/accompaniment_true.mp3", &c);
	return c;
}

static Clip
load_music_delta(const char *folder)
{
	char name[256];
	Clip c = {0};

	c.mix = read_file(folder, "music_delta_80s_rock/mixture.flac", &c);
	for (int p = 0; p < PARTS; p++)
		if (stem_files[p] != NULL)
		{
			snprintf(name, sizeof(name), "music_delta_80s_rock/%s", stem_files[p]);
			c.truth[p] = read_file(folder, name, &c);
		}
	c.truth[ACCOMPANIMENT] = twin_alloc(c.count * c.channels, sizeof(float));
	for (int p = DRUMS; p < PARTS; p++)
		for (size_t i = 0; i < c.count * c.channels; i++)
			c.truth[ACCOMPANIMENT][i] += c.truth[p][i];
	return c;
}

/* Left is the accompaniment, right the voice; their sum is the song. */
static Clip
load_mir1k(const char *path)
{
	Clip c = {0};
	float *x = read_file("", path, &c);

	c.channels = 1;
	c.mix = twin_alloc(c.count, sizeof(float));
	c.truth[VOCALS] = twin_alloc(c.count, sizeof(float));
	c.truth[ACCOMPANIMENT] = twin_alloc(c.count, sizeof(float));
	for (size_t i = 0; i < c.count; i++)
	{
		c.truth[ACCOMPANIMENT][i] = x[2 * i];
		c.truth[VOCALS][i] = x[2 * i + 1];
		c.mix[i] = x[2 * i] + x[2 * i + 1];
	}
	free(x);
	return c;
}

static void
free_clip(Clip *c)
{
	free(c->mix);
	for (int p = 0; p < PARTS; p++)
		free(c->truth[p]);
}

#endif /* SEPARATION_CLIPS_H */
