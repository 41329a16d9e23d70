/*
 * src/core/job/cron.h
 *	  Crontab expressions: parsing, and the next time one is due.
 *
 * Five fields: minute 0-59, hour 0-23, day of month 1-31, month 1-12 or
 * jan-dec, day of week 0-7 or sun-sat (0 and 7 are Sunday).  A field is a list
 * of `*`, values and ranges, the latter with an optional step: `*`/15, 1-5,
 * 9-17/2.  As macros: @hourly, @daily, @midnight, @weekly, @monthly, @yearly,
 * @annually.  Times are UTC: no day is skipped or repeated.
 *
 * As in crontab(5), when both day fields are restricted (neither begins with
 * a star), a day that matches either of them is due.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOB_CRON_H
#define SP_JOB_CRON_H

#include "core/sp_base.h"

/* Bit n is set when the value n matches. */
typedef struct SpCron
{
	uint64_t minutes;
	uint32_t hours;
	uint32_t days;
	uint32_t months;
	uint32_t weekdays; /* bit 0 is Sunday; bit 7 is never set */
	bool either_day;   /* days or weekdays, instead of days and weekdays */
} SpCron;

/*
 * Parse text into *cron.  SP_ERR_BAD_DATA, with a fault that names the field,
 * when it is no crontab expression or one that is never due (30 February).
 */
SpStatus sp_cron_parse(const char *text, SpCron *cron, SpFault *fault);

/*
 * The first due time after `after`, both in seconds since 1970-01-01 00:00
 * UTC.  SP_ERR_TOO_LARGE when there is none in the following 41 years or the
 * time is out of range.
 */
SpStatus sp_cron_next(const SpCron *cron, int64_t after, int64_t *next);

#endif /* SP_JOB_CRON_H */
