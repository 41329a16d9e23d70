/*
 * src/pg/privacy/privacy.h
 *	  The privacy room, for other rooms.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_PRIVACY_H
#define SP_PG_PRIVACY_H

#include "postgres.h"

#include "utils/uuid.h"

/* Define the room's setting; called once from _PG_init. */
extern void sp_privacy_init(void);

/*
 * For entry points that process a person's data: raises 42501 when
 * spotai.require_consent is on and the person has not agreed to the purpose,
 * in the session's tenant.  Costs nothing when it is off.
 */
extern void sp_privacy_require_consent(const pg_uuid_t *subject, const char *purpose);

#endif /* SP_PG_PRIVACY_H */
