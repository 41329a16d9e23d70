/*
 * src/core/merkle/entry.c
 *	  The leaf of an audit entry, byte by byte as entry.h lays it out.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/merkle/entry.h"

#include <string.h>

#include "core/merkle/merkle.h"
#include "core/merkle/text.h"

static const uint8_t tag[8] = {'s', 'p', 'a', 'u', 'd', 'i', 't', 1};

static SpStatus
check_text(const char *what, const char *text, size_t n, size_t max, SpFault *fault)
{
	if (n > max)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "Put what is long into the detail.",
		                "The %s of an audit entry has %llu bytes, more than %llu.", what,
		                (unsigned long long) n, (unsigned long long) max);
	if (!sp_text_valid(text, n))
		return sp_fault(fault, SP_ERR_BAD_DATA, "Use text in UTF-8.",
		                "The %s of an audit entry is no text.", what);
	return SP_OK;
}

static uint8_t *
put(uint8_t *p, const void *data, size_t n)
{
	if (n > 0)
		memcpy(p, data, n);
	return p + n;
}

static uint8_t *
put_number(uint8_t *p, uint64_t value, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		*p++ = (uint8_t) (value >> (8 * i));
	return p;
}

SpStatus
sp_entry_leaf(const SpEntry *entry, uint8_t *out, size_t *n, SpFault *fault)
{
	static const uint8_t nobody[SP_UUID_BYTES] = {0};
	uint8_t *p = out;
	SpStatus st;

	if (entry->action_length == 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, "Name what was done, such as \"track.delete\".",
		                "An audit entry has no action.");
	st = check_text("action", entry->action, entry->action_length, SP_ENTRY_MAX_ACTION, fault);
	if (st == SP_OK)
		st = check_text("object", entry->object, entry->object_length, SP_ENTRY_MAX_OBJECT, fault);
	if (st != SP_OK)
		return st;
	p = put(p, tag, sizeof(tag));
	p = put(p, entry->id, SP_UUID_BYTES);
	p = put(p, entry->tenant, SP_UUID_BYTES);
	p = put_number(p, (uint64_t) entry->time_us, 8);
	p = put_number(p, entry->has_principal ? 1 : 0, 1);
	p = put(p, entry->has_principal ? entry->principal : nobody, SP_UUID_BYTES);
	p = put(p, entry->detail.bytes, SP_DIGEST_BYTES);
	p = put_number(p, entry->action_length, 2);
	p = put(p, entry->action, entry->action_length);
	p = put_number(p, entry->object_length, 2);
	p = put(p, entry->object, entry->object_length);
	*n = (size_t) (p - out);
	return SP_OK;
}

SpStatus
sp_entry_leaf_hash(SpSha256 *sha, const SpEntry *entry, SpDigest *out, SpFault *fault)
{
	uint8_t leaf[SP_ENTRY_MAX_LEAF];
	size_t n = 0;
	SpStatus st = sp_entry_leaf(entry, leaf, &n, fault);

	if (st != SP_OK)
		return st;
	st = sp_merkle_leaf_hash(sha, leaf, n, out);
	return st == SP_OK ? SP_OK : sp_fault(fault, st, "", "Out of memory.");
}

/* Whether a hyphen stands in front of byte i of a UUID's text. */
static bool
hyphen_before(int i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

void
sp_uuid_print(const uint8_t uuid[SP_UUID_BYTES], char out[SP_UUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < SP_UUID_BYTES; i++)
	{
		if (hyphen_before(i))
			*out++ = '-';
		*out++ = digits[uuid[i] >> 4];
		*out++ = digits[uuid[i] & 15];
	}
	*out = '\0';
}

static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
sp_uuid_parse(const char *text, size_t n, uint8_t uuid[SP_UUID_BYTES])
{
	if (n != SP_UUID_TEXT - 1)
		return false;
	for (int i = 0; i < SP_UUID_BYTES; i++)
	{
		int high, low;

		if (hyphen_before(i) && *text++ != '-')
			return false;
		high = digit_of(*text++);
		low = digit_of(*text++);
		if (high < 0 || low < 0)
			return false;
		uuid[i] = (uint8_t) (high << 4 | low);
	}
	return true;
}
