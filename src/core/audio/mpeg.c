/*
 * src/core/audio/mpeg.c
 *	  The frame header of MPEG audio.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/mpeg.h"

/* kbit/s, ISO/IEC 11172-3 table in 2.4.2.3 and 13818-3 table in 2.4.2.3; index 0 is free format. */
static const uint16_t RATES_1[3][15] = {
	{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
};
static const uint16_t RATES_2[3][15] = {
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
};
static const int HZ_1[3] = {44100, 48000, 32000};

bool
sp_mpeg_parse(const uint8_t *p, SpMpegHeader *header)
{
	int version = p[1] >> 3 & 3; /* 0: 2.5, 1: reserved, 2: 2, 3: 1 */
	int layer = 4 - (p[1] >> 1 & 3);
	int rate = p[2] >> 4;
	int hz = p[2] >> 2 & 3;
	int padding = p[2] >> 1 & 1;
	int bits;

	/* Emphasis 2 is reserved. */
	if (p[0] != 0xFF || (p[1] & 0xE0) != 0xE0 || version == 1 || layer == 4 || rate == 0 ||
	    rate == 15 || hz == 3 || (p[3] & 3) == 2)
		return false;
	header->version = version == 3 ? 10 : version == 2 ? 20 : 25;
	header->layer = layer;
	header->sample_rate_hz = HZ_1[hz] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
	header->channels = p[3] >> 6 == 3 ? 1 : 2;
	header->frames = layer == 1 ? 384 : layer == 3 && version != 3 ? 576 : 1152;
	bits = 1000 * (version == 3 ? RATES_1[layer - 1][rate] : RATES_2[layer - 1][rate]);
	if (layer == 1)
		header->bytes = (12 * bits / header->sample_rate_hz + padding) * 4;
	else
		header->bytes = header->frames / 8 * bits / header->sample_rate_hz + padding;
	header->side_bytes =
		version == 3 ? (header->channels == 1 ? 17 : 32) : (header->channels == 1 ? 9 : 17);
	return true;
}

bool
sp_mpeg_same_stream(const SpMpegHeader *a, const SpMpegHeader *b)
{
	return a->version == b->version && a->layer == b->layer &&
	       a->sample_rate_hz == b->sample_rate_hz && a->channels == b->channels;
}
