/*
 * src/pg/audio.h
 *	  The audio room, for the module and for other rooms.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_AUDIO_H
#define SP_PG_AUDIO_H

/* Define the room's settings; called once from _PG_init. */
extern void sp_audio_init(void);

#endif /* SP_PG_AUDIO_H */
