-- job: the queue as one session sees it; workers and concurrency are in tests/
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\pset format unaligned
\pset fieldsep ' | '
\set SHOW_CONTEXT never

SELECT kind FROM spotai.job_kinds() ORDER BY kind;

-- a job waits until somebody runs it
SELECT spotai.submit('noop') AS job \gset
SELECT kind, args, state, priority, run_at = created_at AS at_once, attempt, max_attempts, progress, result, error,
       fence, cancel_requested, submitted_by = current_user AS mine
FROM spotai.job WHERE id = :'job';
SELECT spotai.wait(:'job', '0 s');
CALL spotai.run_jobs();
SELECT spotai.wait(:'job');
SELECT state, attempt, fence, progress, lease_until, worker_pid = pg_backend_pid() AS here,
       created_at <= started_at AND started_at <= finished_at AS in_order
FROM spotai.job WHERE id = :'job';

-- no more than asked for; the more important first; nothing before its time
SELECT count(spotai.submit('noop', priority => n % 2)) FROM generate_series(1, 600) n;
SELECT spotai.submit('noop', '{"seconds": 0.001}', run_at => now() + interval '1 hour', priority => 9) AS later \gset
CALL spotai.run_jobs(300);
SELECT priority, state, count(*) FROM spotai.job WHERE id NOT IN (:'job', :'later') GROUP BY 1, 2 ORDER BY 1, 2;
CALL spotai.run_jobs(0);
CALL spotai.run_jobs(1000);
SELECT state, count(*), max(attempt) AS attempt FROM spotai.job GROUP BY 1 ORDER BY 1;
TRUNCATE spotai.job;

-- one by one: jobs that take a while, and light ones in between
SELECT count(spotai.submit('noop', CASE WHEN n % 3 = 0 THEN '{"seconds": 0.01}' ELSE '{}' END::jsonb))
FROM generate_series(1, 9) n;
CALL spotai.run_jobs();
SELECT state, args, count(*) FROM spotai.job GROUP BY 1, 2 ORDER BY 2;

-- errors: for good, or to be tried again
SELECT spotai.submit('noop', '{"error": "22023"}') AS bad \gset
SELECT spotai.submit('noop', '{"error": "42501"}') AS forbidden \gset
SELECT spotai.submit('noop', '{"error": "53200"}') AS passing \gset
SELECT spotai.submit('noop', '{"seconds": "long"}') AS wrong \gset
CALL spotai.run_jobs();
SELECT args, state, attempt, error_code, error, finished_at IS NOT NULL AS ended, run_at > created_at AS later
FROM spotai.job WHERE id IN (:'bad', :'forbidden', :'passing', :'wrong') ORDER BY args::text;
-- with no delay, the attempts run out at once
SET spotai.job_retry_base = 0;
CALL spotai.run_jobs();
SELECT spotai.submit('noop', '{"error": "53200", "times": 2}') AS mended \gset
CALL spotai.run_jobs();
SELECT state, attempt, fence, error, error_code FROM spotai.job WHERE id = :'mended';
SET spotai.job_max_attempts = 2;
SELECT spotai.submit('noop', '{"error": "53200"}') AS hopeless \gset
CALL spotai.run_jobs();
SELECT state, attempt, max_attempts, error, error_code FROM spotai.job WHERE id = :'hopeless';
RESET spotai.job_max_attempts;
RESET spotai.job_retry_base;

-- detail and hint of an error are kept with it
INSERT INTO spotai.job (kind) VALUES ('dance');
CALL spotai.run_jobs();
SELECT state, error_code, split_part(error, E'\n', 1) AS error, error ~ E'\nHINT:  The kinds are: .*noop' AS hint
FROM spotai.job WHERE kind = 'dance';

-- an idempotency key names one job
SELECT spotai.submit('noop', '{"seconds": 0}', idempotency_key => 'once') AS first \gset
SELECT spotai.submit('noop', '{"seconds": 0}', idempotency_key => 'once') = :'first' AS same;
CALL spotai.run_jobs();
SELECT spotai.submit('noop', '{"seconds": 0}', idempotency_key => 'once') = :'first' AS same_when_done;
SELECT spotai.submit('noop', '{"seconds": 1}', idempotency_key => 'once');
SELECT spotai.submit('noop', '{"seconds": 0}', idempotency_key => 'twice') = :'first' AS same;

-- cancel
SELECT spotai.submit('noop') AS job \gset
SELECT spotai.cancel(:'job');
SELECT spotai.cancel(:'job');
CALL spotai.run_jobs();
SELECT state, attempt, cancel_requested, finished_at IS NOT NULL AS ended FROM spotai.job WHERE id = :'job';
BEGIN;
SELECT spotai.submit('noop') AS job \gset
SELECT spotai.cancel(:'job'), spotai.wait(:'job');
COMMIT;

-- a job that another transaction cannot see yet
BEGIN;
SELECT spotai.submit('noop') AS job \gset
SELECT spotai.wait(:'job');
ROLLBACK;
\set VERBOSITY sqlstate
SELECT spotai.wait(:'job');
\set VERBOSITY default

-- nothing but a statement of its own can run jobs
BEGIN;
CALL spotai.run_jobs();
ROLLBACK;
CREATE PROCEDURE pg_temp.indirectly() LANGUAGE plpgsql AS $$ BEGIN CALL spotai.run_jobs(); END $$;
SELECT spotai.submit('noop') AS job \gset
CALL pg_temp.indirectly();
SELECT spotai.wait(:'job');
CREATE FUNCTION pg_temp.from_function() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL spotai.run_jobs(); END $$;
SELECT pg_temp.from_function();
-- the session's own settings neither matter nor change
SET search_path = nowhere;
SET default_transaction_isolation = serializable;
SELECT spotai.submit('noop', '{"seconds": 0}') AS job \gset
SELECT count(spotai.submit('noop')) FROM generate_series(1, 3);
CALL spotai.run_jobs();
SELECT spotai.wait(:'job');
SHOW search_path;
SHOW enable_seqscan;
RESET search_path;
RESET default_transaction_isolation;

-- a statement that is canceled hands its job back
SELECT spotai.submit('noop', '{"seconds": 60}') AS job \gset
SET statement_timeout = '1s';
CALL spotai.run_jobs();
RESET statement_timeout;
SELECT state, attempt, fence, error FROM spotai.job WHERE id = :'job';
SELECT spotai.cancel(:'job');

-- a worker that is gone, and one that does not move
INSERT INTO spotai.job (kind, args, state, attempt, fence, lease_until, worker_pid, worker_started_at)
VALUES ('noop', '{"case": "first time"}', 'running', 1, 1, now() + interval '1 hour', pg_backend_pid() + 1, '2001-01-01'),
       ('noop', '{"case": "again"}', 'running', 3, 3, now() + interval '1 hour', pg_backend_pid() + 1, '2001-01-01'),
       ('noop', '{"case": "too often"}', 'running', 5, 5, now() + interval '1 hour', pg_backend_pid() + 1, '2001-01-01'),
       ('noop', '{"case": "canceled"}', 'running', 1, 1, now() + interval '1 hour', pg_backend_pid() + 1, '2001-01-01');
UPDATE spotai.job SET cancel_requested = true WHERE args = '{"case": "canceled"}';
INSERT INTO spotai.job (kind, args, state, attempt, fence, lease_until, worker_pid, worker_started_at)
SELECT 'noop', format('{"case": %s}', to_json(c))::jsonb, 'running', 1, 1, l, pid, backend_start
FROM pg_stat_activity, (VALUES ('lease passed', now() - interval '1 s'), ('lease holds', now() + interval '1 hour')) v (c, l)
WHERE backend_type = 'checkpointer';
SET spotai.job_retry_base = '1h';
SET spotai.job_retry_cap = '1h';
CALL spotai.run_jobs();
SELECT args->>'case' AS "case", state, attempt, fence, error_code, error FROM spotai.job WHERE args ? 'case' ORDER BY 1;
RESET spotai.job_retry_base;
RESET spotai.job_retry_cap;
DELETE FROM spotai.job;

-- schedules
SELECT spotai.schedule('nightly', '30 4 * * *', 'noop') - date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
       IN ('4:30', '28:30') AS at_half_past_four_utc;
SELECT spotai.schedule('nightly', '@hourly', 'noop', '{"seconds": 0}') - date_trunc('hour', now()) <= '1 hour' AS replaced;
SELECT name, cron, kind, args, last_run_at, error FROM spotai.schedule;
-- missed times are made up by one job
UPDATE spotai.schedule SET next_run_at = date_trunc('hour', now()) - interval '10 hours';
CALL spotai.run_jobs();
CALL spotai.run_jobs();
SELECT kind, args, state, run_at = date_trunc('hour', created_at) - interval '10 hours' AS due_then, idempotency_key ~ '^schedule '
FROM spotai.job;
SELECT next_run_at > now() AS ahead, last_run_at = date_trunc('hour', now()) - interval '10 hours' AS made_up FROM spotai.schedule;
-- the same due time does not submit twice, whatever sets it back
UPDATE spotai.schedule SET next_run_at = last_run_at;
CALL spotai.run_jobs();
SELECT count(*) FROM spotai.job;
SELECT spotai.unschedule('nightly'), spotai.unschedule('nightly');
SELECT spotai.schedule('never', '0 0 30 2 *', 'noop');
SELECT spotai.schedule('often', '*/5 * * *', 'noop');
SELECT spotai.schedule('', '@daily', 'noop');
SELECT spotai.schedule('odd', '@daily', 'nooop');
SELECT spotai.schedule('odd', '@daily', 'noop', '[1]');

-- finished jobs are pruned when they are old
DELETE FROM spotai.job;
INSERT INTO spotai.job (kind, state, finished_at)
SELECT 'noop', s, now() - d * interval '1 day'
FROM unnest('{succeeded,failed,dead,canceled}'::text[]) s, generate_series(6, 8, 2) d;
SELECT spotai.submit('noop', run_at => now() + interval '1 year') AS later \gset
CALL spotai.run_jobs();
SELECT state, count(*) FROM spotai.job GROUP BY 1 ORDER BY 1;
SET spotai.job_retention = -1;
CALL spotai.run_jobs();
SET spotai.job_retention = 0;
CALL spotai.run_jobs();
SELECT state, count(*) FROM spotai.job GROUP BY 1 ORDER BY 1;
RESET spotai.job_retention;

-- bad input
\set VERBOSITY sqlstate
SELECT spotai.submit('dance');
SELECT spotai.submit(NULL);
SELECT spotai.submit('noop', NULL);
SELECT spotai.submit('noop', '[]');
SELECT spotai.submit('noop', '"x"');
SELECT spotai.submit('noop', idempotency_key => '');
SELECT spotai.wait(gen_random_uuid());
SELECT spotai.cancel(gen_random_uuid());
CALL spotai.run_jobs(-1);
CALL spotai.run_jobs(NULL);
SET spotai.job_lease_s = 0;
\set VERBOSITY default
SELECT spotai.submit('dance');

-- the table's constraints, which a backend keeps ready, are those of the table as it is
\set VERBOSITY terse
INSERT INTO spotai.job (kind, state) VALUES ('noop', 'sleeping');
UPDATE spotai.job SET progress = 2 WHERE kind = 'noop';
ALTER TABLE spotai.job DROP CONSTRAINT job_attempt_check, ADD CONSTRAINT modest CHECK (priority < 5);
SELECT spotai.submit('noop', priority => 5);
SELECT spotai.submit('noop', priority => 4) IS NOT NULL AS submitted;
BEGIN;
ALTER TABLE spotai.job DROP CONSTRAINT modest;
SELECT spotai.submit('noop', priority => 5) IS NOT NULL AS submitted;
ROLLBACK;
SELECT spotai.submit('noop', priority => 5);
ALTER TABLE spotai.job DROP CONSTRAINT modest, ADD CONSTRAINT modest CHECK (priority < 6);
SELECT spotai.submit('noop', priority => 5) IS NOT NULL AS submitted;
SELECT spotai.submit('noop', priority => 6);
ALTER TABLE spotai.job DROP CONSTRAINT modest, ADD CONSTRAINT job_attempt_check CHECK (attempt >= 0);
-- one with a function of somebody's is what the function is now
CREATE FUNCTION pg_temp.is_modest(priority integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT priority < 3';
ALTER TABLE spotai.job ADD CONSTRAINT modest CHECK (pg_temp.is_modest(priority)) NOT VALID;
SELECT spotai.submit('noop', priority => 4);
CREATE OR REPLACE FUNCTION pg_temp.is_modest(priority integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT priority < 5';
SELECT spotai.submit('noop', priority => 4) IS NOT NULL AS submitted;
ALTER TABLE spotai.job DROP CONSTRAINT modest;
-- a statement within another that has changed the table meanwhile
CREATE FUNCTION pg_temp.submit_two() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM spotai.submit('noop', priority => 6);
    ALTER TABLE spotai.job ADD CONSTRAINT modest CHECK (priority < 7) NOT VALID;
    PERFORM spotai.submit('noop', priority => 7);
    RETURN 2;
EXCEPTION WHEN check_violation THEN
    RETURN 0;
END
$$;
SELECT count(*) FILTER (WHERE spotai.submit('noop', priority => 7) IS NOT NULL), sum(pg_temp.submit_two())
FROM generate_series(1, 3);
CREATE FUNCTION pg_temp.also_lower() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.priority > 0 THEN
        PERFORM spotai.submit('noop', priority => NEW.priority - 1);
    END IF;
    RETURN NEW;
END
$$;
TRUNCATE spotai.job;
CREATE TRIGGER also_lower BEFORE INSERT ON spotai.job FOR EACH ROW EXECUTE FUNCTION pg_temp.also_lower();
SELECT spotai.submit('noop', priority => 3) IS NOT NULL AS submitted;
DROP TRIGGER also_lower ON spotai.job;
SELECT priority FROM spotai.job ORDER BY 1;
TRUNCATE spotai.job;
\set VERBOSITY default

-- another tenant's job is one that does not exist
INSERT INTO spotai.tenant (id, name) VALUES ('00000000-0000-0000-0000-000000000002', 'other');
INSERT INTO spotai.job (tenant_id, id, kind, run_at)
VALUES ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-00000000000a', 'noop', now() + interval '1 day');
SELECT spotai.wait('00000000-0000-0000-0000-00000000000a');
SELECT spotai.cancel('00000000-0000-0000-0000-00000000000a');

-- an ordinary role runs its own jobs, sees those of the tenant, and touches no other's
CREATE ROLE regress_spotai_musician;
GRANT spotai_admin TO regress_spotai_musician;
DELETE FROM spotai.job;
SELECT spotai.submit('noop') AS foreign \gset
SELECT spotai.schedule('foreign', '@daily', 'noop') IS NOT NULL;
SET ROLE regress_spotai_musician;
SELECT spotai.submit('noop') AS own \gset
SELECT spotai.submit('noop', '{"seconds": 0.01}') AS longer \gset
CALL spotai.run_jobs();
SELECT submitted_by = current_user AS mine, state, count(*) FROM spotai.job GROUP BY 1, 2 ORDER BY 1;
SELECT spotai.cancel(:'foreign');
SELECT spotai.unschedule('foreign');
SELECT spotai.schedule('foreign', '@hourly', 'noop');
INSERT INTO spotai.job (kind, submitted_by) VALUES ('noop', session_user);
UPDATE spotai.job SET submitted_by = session_user WHERE id = :'own';
DELETE FROM spotai.job WHERE id = :'foreign';
SET spotai.job_retention = 0;
RESET ROLE;
-- a superuser runs everybody's
SELECT spotai.submit('noop', '{"seconds": 0.01}') AS job \gset
CALL spotai.run_jobs();
SELECT state, count(*) FROM spotai.job GROUP BY 1;

-- nothing for those who were granted nothing
CREATE ROLE regress_spotai_stranger;
SET ROLE regress_spotai_stranger;
SELECT spotai.submit('noop');
CALL spotai.run_jobs();
RESET ROLE;
DROP OWNED BY regress_spotai_musician;
DROP ROLE regress_spotai_musician, regress_spotai_stranger;

-- before the tables exist
SET client_min_messages = warning;
DROP SCHEMA spotai CASCADE;
CREATE EXTENSION spotai;
RESET client_min_messages;
SELECT spotai.submit('noop');
CALL spotai.run_jobs();
SELECT spotai.wait(gen_random_uuid());
\i :end
