/*
 * src/core/model/wire.c
 *	  Varints and protocol-buffer fields.
 *
 * Source of the encoding: protobuf.dev, "Encoding"; LevelDB, doc/table_format.md.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/model/wire.h"

bool
sp_wire_varint(SpWire *wire, uint64_t *value)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64 && wire->p < wire->end; shift += 7)
	{
		uint8_t byte = *wire->p++;

		/* The tenth byte has room for one bit. */
		if (shift == 63 && byte > 1)
			return false;
		v |= (uint64_t) (byte & 0x7F) << shift;
		if (byte < 0x80)
		{
			*value = v;
			return byte != 0 || shift == 0;
		}
	}
	return false;
}

bool
sp_wire_take(SpWire *wire, uint64_t n, SpWire *bytes)
{
	if (n > (uint64_t) (wire->end - wire->p))
		return false;
	bytes->p = wire->p;
	bytes->end = wire->p + n;
	wire->p += n;
	return true;
}

/* n bytes, least first. */
static bool
fixed(SpWire *wire, int n, uint64_t *value)
{
	SpWire bytes;

	if (!sp_wire_take(wire, (uint64_t) n, &bytes))
		return false;
	*value = 0;
	for (int i = n - 1; i >= 0; i--)
		*value = *value << 8 | bytes.p[i];
	return true;
}

bool
sp_wire_field(SpWire *wire, SpWireField *field)
{
	uint64_t tag;
	uint64_t length;

	if (!sp_wire_varint(wire, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return false;
	field->number = (uint32_t) (tag >> 3);
	field->type = (int) (tag & 7);
	field->value = 0;
	switch (field->type)
	{
		case 0:
			return sp_wire_varint(wire, &field->value);
		case 1:
			return fixed(wire, 8, &field->value);
		case 2:
			return sp_wire_varint(wire, &length) && sp_wire_take(wire, length, &field->bytes);
		case 5:
			return fixed(wire, 4, &field->value);
		default:
			return false;
	}
}
