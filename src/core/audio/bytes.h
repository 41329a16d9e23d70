/*
 * src/core/audio/bytes.h
 *	  Integers out of file headers, either byte order, no alignment.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_BYTES_H
#define SP_AUDIO_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t
get_le16(const uint8_t *p)
{
	return (uint16_t) (p[0] | p[1] << 8);
}

static inline uint16_t
get_be16(const uint8_t *p)
{
	return (uint16_t) (p[0] << 8 | p[1]);
}

static inline uint32_t
get_le32(const uint8_t *p)
{
	return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

static inline uint32_t
get_be32(const uint8_t *p)
{
	return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | (uint32_t) p[3];
}

static inline uint64_t
get_le64(const uint8_t *p)
{
	return (uint64_t) get_le32(p + 4) << 32 | get_le32(p);
}

static inline uint64_t
get_be64(const uint8_t *p)
{
	return (uint64_t) get_be32(p) << 32 | get_be32(p + 4);
}

/* Do the n bytes at p spell the string tag of that length? */
static inline int
is_tag(const uint8_t *p, const char *tag)
{
	return memcmp(p, tag, strlen(tag)) == 0;
}

#endif /* SP_AUDIO_BYTES_H */
