/*
 * src/core/model/wire.h
 *	  Varints and protocol-buffer fields, as LevelDB and TensorFlow write them.
 *
 * A reader is a window [p, end) on bytes that somebody else owns.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_WIRE_H
#define SP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct SpWire
{
	const uint8_t *p;
	const uint8_t *end;
} SpWire;

/* One field of a message: a number (varint, fixed32, fixed64) or bytes. */
typedef struct SpWireField
{
	uint32_t number;
	int type; /* of the wire: 0 varint, 1 fixed64, 2 bytes, 5 fixed32 */
	uint64_t value;
	SpWire bytes;
} SpWireField;

/*
 * The next varint; false when it is cut off, longer than 64 bits, or longer
 * than it need be (no writer does that; a flipped bit does).
 */
bool sp_wire_varint(SpWire *wire, uint64_t *value);

/* The next n bytes as a window; false when there are fewer. */
bool sp_wire_take(SpWire *wire, uint64_t n, SpWire *bytes);

/* The next field; false when it is damaged.  Call while p < end. */
bool sp_wire_field(SpWire *wire, SpWireField *field);

#endif /* SP_WIRE_H */
