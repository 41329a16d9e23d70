/*
 * tests/unit/test_cron.c
 *	  Crontab expressions against published rules and against a naive twin.
 *
 * The vectors are worked out from the calendar and crontab(5).  The twin asks
 * the C library (gmtime) for every minute in turn whether it matches.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "unit/check.h"

#include <time.h>

#include "core/job/cron.h"

static int64_t
at(const char *text)
{
	struct tm tm = {0};

	if (sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
	           &tm.tm_min, &tm.tm_sec) < 5)
		abort();
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return timegm(&tm);
}

static const struct
{
	const char *cron;
	const char *after;
	const char *next;
} vectors[] = {
	{"* * * * *", "2026-01-01 00:00", "2026-01-01 00:01"},
	{"* * * * *", "2026-01-01 00:00:59", "2026-01-01 00:01"},
	{"* * * * *", "2025-12-31 23:59:30", "2026-01-01 00:00"},
	{"0 * * * *", "2026-01-01 00:00", "2026-01-01 01:00"},
	{"@hourly", "2026-03-29 01:30", "2026-03-29 02:00"},
	{"*/15 * * * *", "2026-01-01 10:15", "2026-01-01 10:30"},
	{"*/15 * * * *", "2026-01-01 10:46", "2026-01-01 11:00"},
	{"5-59/20 * * * *", "2026-01-01 10:26", "2026-01-01 10:45"},
	{"1,2,58-59 * * * *", "2026-01-01 10:03", "2026-01-01 10:58"},
	{"30 4 * * *", "2026-01-01 04:30", "2026-01-02 04:30"},
	{"30 4 * * *", "2026-01-01 04:29:59", "2026-01-01 04:30"},
	{"@daily", "2026-12-31 00:00", "2027-01-01 00:00"},
	{"@midnight", "2026-02-28 12:00", "2026-03-01 00:00"},
	{"@Weekly", "2026-01-01 00:00", "2026-01-04 00:00"},
	{"@monthly", "2026-01-31 10:00", "2026-02-01 00:00"},
	{"@yearly", "2026-01-01 00:00", "2027-01-01 00:00"},
	{"@annually", "2025-06-01 00:00", "2026-01-01 00:00"},
	/* weekdays: 2026-01-01 is a Thursday */
	{"0 9 * * 1-5", "2026-01-02 09:00", "2026-01-05 09:00"},
	{"0 9 * * mon-fri", "2026-01-02 09:00", "2026-01-05 09:00"},
	{"0 9 * * MON,Wed", "2026-01-05 09:00", "2026-01-07 09:00"},
	{"0 0 * * 0", "2026-01-01 00:00", "2026-01-04 00:00"},
	{"0 0 * * 7", "2026-01-01 00:00", "2026-01-04 00:00"},
	{"0 0 * * 5-7", "2026-01-03 00:00", "2026-01-04 00:00"},
	{"0 0 * * sun", "2026-01-04 00:00", "2026-01-11 00:00"},
	/* months */
	{"0 0 1 jan *", "2026-01-01 00:00", "2027-01-01 00:00"},
	{"0 0 31 * *", "2026-01-31 00:00", "2026-03-31 00:00"},
	{"0 0 31 4,5 *", "2026-01-01 00:00", "2026-05-31 00:00"},
	{"0 0 30 2,12 *", "2026-01-01 00:00", "2026-12-30 00:00"},
	{"0 0 1 */3 *", "2026-02-01 00:00", "2026-04-01 00:00"},
	/* leap years: 2100 is none, 2000 was one */
	{"0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00"},
	{"0 0 29 2 *", "2028-02-29 00:00", "2032-02-29 00:00"},
	{"0 0 29 2 *", "2096-02-29 00:00", "2104-02-29 00:00"},
	{"0 0 29 2 *", "1996-03-01 00:00", "2000-02-29 00:00"},
	{"59 23 28 2 *", "2027-02-28 23:59", "2028-02-28 23:59"},
	/* both day fields restricted: either (the 13th or a Friday) */
	{"0 0 13 * 5", "2026-01-01 00:00", "2026-01-02 00:00"},
	{"0 0 13 * 5", "2026-01-09 00:00", "2026-01-13 00:00"},
	{"0 0 30 2 1", "2026-02-01 00:00", "2026-02-02 00:00"},
	/* one begins with a star: both (odd days that are Fridays) */
	{"0 0 */2 * 5", "2026-01-01 00:00", "2026-01-09 00:00"},
	{"0 0 29 2 */7", "2026-01-01 00:00", "2032-02-29 00:00"},
	/* no summer time in UTC */
	{"30 2 * * *", "2026-03-29 00:00", "2026-03-29 02:30"},
	{"30 2 * * *", "2026-10-25 00:00", "2026-10-25 02:30"},
	/* blanks, before the epoch */
	{"  0\t0  1 1\t* ", "2026-01-01 00:00", "2027-01-01 00:00"},
	{"0 0 * * *", "1969-12-31 12:00", "1970-01-01 00:00"},
	{"* * * * *", "1969-12-31 23:58:30", "1969-12-31 23:59"},
	{"0 12 * * 3", "1969-12-30 00:00", "1969-12-31 12:00"},
};

static const char *const invalid[] = {"",
                                      " ",
                                      "*",
                                      "* * * *",
                                      "* * * * * *",
                                      "60 * * * *",
                                      "* 24 * * *",
                                      "* * 0 * *",
                                      "* * 32 * *",
                                      "* * * 0 *",
                                      "* * * 13 *",
                                      "* * * * 8",
                                      "-1 * * * *",
                                      "5-1 * * * *",
                                      "fri-mon * * * *",
                                      "* * * * fri-mon",
                                      "1- * * * *",
                                      "1,,2 * * * *",
                                      ",1 * * * *",
                                      "1, * * * *",
                                      "*/0 * * * *",
                                      "*/ * * * *",
                                      "*/x * * * *",
                                      "5/10 * * * *",
                                      "1-10/-1 * * * *",
                                      "1.5 * * * *",
                                      "** * * * *",
                                      "*5 * * * *",
                                      "99999999999999999999 * * * *",
                                      "*/99999999999999999999 * * * *",
                                      "jan * * * *",
                                      "* * * janx *",
                                      "* * * * sunday",
                                      "@reboot",
                                      "@hourly x",
                                      "@never",
                                      "every day",
                                      "* * * * *\n* * * * *",
                                      "0 0 30 2 *",
                                      "0 0 31 2,4,6,9,11 *",
                                      "0 0 30-31 feb *"};

static void
check_vectors(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		SpCron cron;
		SpFault fault = {{0}, {0}};
		int64_t next = -1;

		CHECK(sp_cron_parse(vectors[i].cron, &cron, &fault) == SP_OK);
		CHECK(sp_cron_next(&cron, at(vectors[i].after), &next) == SP_OK);
		CHECK(next == at(vectors[i].next));
		if (next != at(vectors[i].next))
			printf("# %s after %s\n", vectors[i].cron, vectors[i].after);
	}
}

static void
check_invalid(void)
{
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
	{
		SpCron cron;
		SpFault fault = {{0}, {0}};

		CHECK(sp_cron_parse(invalid[i], &cron, &fault) == SP_ERR_BAD_DATA);
		CHECK(fault.detail[0] != '\0' && fault.hint[0] != '\0');
		CHECK(sp_cron_parse(invalid[i], &cron, NULL) == SP_ERR_BAD_DATA);
	}
}

static bool
twin_matches(const SpCron *cron, int64_t minute)
{
	time_t t = minute * 60;
	struct tm tm;
	bool day;
	bool weekday;

	gmtime_r(&t, &tm);
	day = cron->days >> tm.tm_mday & 1;
	weekday = cron->weekdays >> tm.tm_wday & 1;
	return (cron->minutes >> tm.tm_min & 1) && (cron->hours >> tm.tm_hour & 1) &&
	       (cron->months >> (tm.tm_mon + 1) & 1) &&
	       (cron->either_day ? day || weekday : day && weekday);
}

/* Random masks, dense enough that the twin finds an answer soon. */
static void
check_against_twin(void)
{
	printf("# seed %u\n", check_seed);
	for (int i = 0; i < 300; i++)
	{
		SpCron cron = {.minutes = ((uint64_t) check_random() << 28 | check_random()) &
		                          ((UINT64_C(1) << 60) - 1),
		               .hours = check_random() & 0xffffff,
		               .days = (check_random() | check_random()) & 0xfffffffe,
		               .months = (check_random() | check_random()) & 0x1ffe,
		               .weekdays = (check_random() | check_random()) & 0x7f,
		               .either_day = check_random() & 1};
		int64_t after = (int64_t) check_random() - 1000000000;
		int64_t minute = after >= 0 ? after / 60 : -((-after + 59) / 60);
		int64_t next;

		if (cron.minutes == 0 || cron.hours == 0 || cron.months == 0 || cron.weekdays == 0)
			continue;
		CHECK(sp_cron_next(&cron, after, &next) == SP_OK);
		do
			minute++;
		while (!twin_matches(&cron, minute));
		CHECK(next == minute * 60);
	}
}

static void
check_limits(void)
{
	SpCron cron;
	int64_t next;

	CHECK(sp_cron_parse("* * * * *", &cron, NULL) == SP_OK);
	CHECK(sp_cron_next(&cron, INT64_MAX, &next) == SP_ERR_TOO_LARGE);
	CHECK(sp_cron_next(&cron, INT64_MIN, &next) == SP_ERR_TOO_LARGE);
	CHECK(sp_cron_next(&cron, INT64_C(9000000000000), &next) == SP_OK);
	CHECK(sp_cron_next(&cron, -INT64_C(9000000000000), &next) == SP_OK);
}

int
main(void)
{
	check_vectors();
	check_invalid();
	check_against_twin();
	check_limits();
	return check_report();
}
