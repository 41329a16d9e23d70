-- job: durable queue, workers, schedules

CREATE FUNCTION spotai.submit(
    kind text, args jsonb DEFAULT '{}', priority integer DEFAULT 0,
    run_at timestamptz DEFAULT pg_catalog.now(), idempotency_key text DEFAULT NULL)
RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_submit';
COMMENT ON FUNCTION spotai.submit(text, jsonb, integer, timestamptz, text) IS
'puts a job into the queue and answers its id; workers see it when the transaction commits. With an idempotency key, submitting the same job again answers the first one''s id. Needs job:submit and what the kind needs';

CREATE FUNCTION spotai.wait(job uuid, timeout interval DEFAULT '1 minute')
RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_wait';
COMMENT ON FUNCTION spotai.wait(uuid, interval) IS
'waits until a job has reached a final state and answers it, or the state it is in when the time is up';

CREATE FUNCTION spotai.cancel(job uuid)
RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_cancel';
COMMENT ON FUNCTION spotai.cancel(uuid) IS
'cancels a queued job at once and asks a running one to stop, when the transaction commits; false when the job had ended before. Needs job:submit and what the kind needs';

CREATE FUNCTION spotai.schedule(name text, cron text, kind text, args jsonb DEFAULT '{}')
RETURNS timestamptz
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_schedule';
COMMENT ON FUNCTION spotai.schedule(text, text, text, jsonb) IS
'makes or replaces a schedule that submits a job at the times of a crontab expression (UTC), and answers the first such time. Needs job:submit and what the kind needs';

CREATE FUNCTION spotai.unschedule(name text)
RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_unschedule';
COMMENT ON FUNCTION spotai.unschedule(text) IS
'removes a schedule; false when there is none of that name. Jobs that it has submitted stay. Needs job:submit';

CREATE FUNCTION spotai.job_kinds(OUT kind text, OUT description text, OUT permission text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_job_kinds';
COMMENT ON FUNCTION spotai.job_kinds() IS
'kinds of jobs that this version of the extension can run, and the permission that each needs besides job:submit';

-- no SET clause, as spotai.current_tenant(): asked for each row
CREATE FUNCTION _spotai.job_permitted(kind text) RETURNS boolean
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'spotai_job_permitted';
COMMENT ON FUNCTION _spotai.job_permitted(text) IS
'for policies: as _spotai.permitted(), with the permission of a kind of jobs; kinds that this version does not know need *';

-- no SET clause: a procedure that has one cannot commit; the code sets search_path itself
CREATE PROCEDURE spotai.run_jobs(max_jobs integer DEFAULT 100)
LANGUAGE C
AS 'MODULE_PATHNAME', 'spotai_run_jobs';
COMMENT ON PROCEDURE spotai.run_jobs(integer) IS
'runs up to max_jobs jobs that are due, then returns: one''s own jobs, or all of them for a superuser. For servers without background workers, from psql or pg_cron; it commits, so it cannot be called inside a transaction block';
