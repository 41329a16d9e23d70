/*
 * src/pg/ann/vectors.c
 *	  Pages of copies in half precision.
 *
 * A page has a bit for each slot that is in use, then the slots.  Copies of
 * different lists may share a page.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/transam.h"

#include "pg/ann/ann.h"

#define ROOM (BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - MAXALIGN(sizeof(SpAnnSpecial)))

static uint32
bitmap_size(uint32 slots)
{
	return (uint32) MAXALIGN((slots + 7) / 8);
}

uint32
sp_ann_vectors_per_page(uint32 dims)
{
	uint32 size = dims * (uint32) sizeof(uint16), slots = (uint32) ROOM / size;

	while (slots > 0 && bitmap_size(slots) + slots * size > ROOM)
		slots--;
	return slots;
}

uint16 *
sp_ann_vector_at(Page page, uint32 dims, uint16 slot)
{
	return (uint16 *) (PageGetContents(page) + bitmap_size(sp_ann_vectors_per_page(dims))) +
	       (Size) slot * dims;
}

static uint8 *
bits_of(Page page)
{
	return (uint8 *) PageGetContents(page);
}

int
sp_ann_vectors_free_slot(Page page, uint32 dims)
{
	uint32 slots = sp_ann_vectors_per_page(dims);

	for (uint32 i = 0; i < slots; i++)
		if (!(bits_of(page)[i / 8] & 1 << i % 8))
			return (int) i;
	return -1;
}

void
sp_ann_vectors_put(Page page, uint32 dims, uint16 slot, const uint16 *half)
{
	char *copy = (char *) sp_ann_vector_at(page, dims, slot), *end;

	memcpy(copy, half, dims * sizeof(uint16));
	bits_of(page)[slot / 8] |= (uint8) (1 << slot % 8);
	sp_ann_special(page)->count++;
	/* what is in use must not count as a hole */
	end = copy + dims * sizeof(uint16);
	if (end > (char *) page + ((PageHeader) page)->pd_lower)
		((PageHeader) page)->pd_lower = (LocationIndex) (end - (char *) page);
}

void
sp_ann_vectors_free(Page page, uint16 slot)
{
	SpAnnSpecial *special = sp_ann_special(page);
	uint8 *byte = bits_of(page) + slot / 8, bit = (uint8) (1 << slot % 8);

	if (!(*byte & bit))
		return;
	*byte &= (uint8) ~bit;
	if (--special->count > 0)
		return;
	special->kind = SP_ANN_PAGE_DELETED;
	special->deleted_at = ReadNextFullTransactionId();
}
