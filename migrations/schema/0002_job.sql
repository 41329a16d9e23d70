-- jobs and schedules

CREATE TABLE spotai.job (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind <> ''),
    args jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(args) = 'object'),
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'dead', 'canceled')),
    priority integer NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts integer NOT NULL DEFAULT 5 CHECK (max_attempts > 0),
    progress real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    message text,
    result jsonb,
    error text,
    error_code text CHECK (error_code ~ '^[0-9A-Z]{5}$'),
    cancel_requested boolean NOT NULL DEFAULT false,
    fence bigint NOT NULL DEFAULT 0,
    lease_until timestamptz CHECK ((lease_until IS NOT NULL) = (state = 'running')),
    worker_pid integer,
    worker_started_at timestamptz,
    idempotency_key text CHECK (idempotency_key <> ''),
    submitted_by name NOT NULL DEFAULT current_user,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
        CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'dead', 'canceled'))),
    PRIMARY KEY (tenant_id, id)
) WITH (
    -- room for the two or three versions that a job's row goes through, so that
    -- progress is a heap-only update on the same page
    fillfactor = 70,
    -- a job leaves two dead versions behind: clean up by count, not by the
    -- share of a table that is mostly finished rows
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_analyze_scale_factor = 0.05
);
-- Each index below covers only the rows that one question is about, so that
-- none grows with the finished jobs but the one that prunes them.  None holds
-- progress, message, lease_until or updated_at, which change while a job runs.
-- Jobs of one transaction have the same priority and run_at.  Entries that are
-- merged into one can be marked dead only together, so each claim would walk
-- over all that were claimed before.
CREATE INDEX job_claim_idx ON spotai.job (priority DESC, run_at) WITH (deduplicate_items = 'off')
    WHERE state = 'queued';
CREATE INDEX job_deferred_idx ON spotai.job (run_at) WHERE state = 'queued' AND run_at > created_at;
CREATE INDEX job_running_idx ON spotai.job (tenant_id, id) WHERE state = 'running';
CREATE INDEX job_finished_idx ON spotai.job (finished_at) WHERE finished_at IS NOT NULL;
CREATE UNIQUE INDEX job_idempotency_key ON spotai.job (tenant_id, submitted_by, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- A job runs with the privileges of its submitter, so a row may only ever be
-- written in one's own name; reading is the tenant's.  The owner of the table
-- is not bound by policies: the engine runs a job only if the owner could act
-- as its submitter anyway.
CREATE POLICY own_insert ON spotai.job AS RESTRICTIVE FOR INSERT WITH CHECK (submitted_by = current_user);
CREATE POLICY own_update ON spotai.job AS RESTRICTIVE FOR UPDATE
    USING (submitted_by = current_user) WITH CHECK (submitted_by = current_user);
CREATE POLICY own_delete ON spotai.job AS RESTRICTIVE FOR DELETE USING (submitted_by = current_user);
COMMENT ON POLICY own_insert ON spotai.job IS 'a job can only be submitted in one''s own name, because it runs with its submitter''s privileges';
COMMENT ON POLICY own_update ON spotai.job IS 'a job can only be changed by its submitter, and not be given to another role';
COMMENT ON POLICY own_delete ON spotai.job IS 'a job can only be deleted by its submitter';
COMMENT ON INDEX spotai.job_claim_idx IS 'what is next: the best queued job is the first entry';
COMMENT ON INDEX spotai.job_deferred_idx IS 'when to wake up: queued jobs that wait for a later time or for a retry';
COMMENT ON INDEX spotai.job_running_idx IS 'what is running, to take over from workers that are gone';
COMMENT ON INDEX spotai.job_finished_idx IS 'what has been finished longest, to prune it';
COMMENT ON INDEX spotai.job_idempotency_key IS 'one job for each idempotency key of a submitter, as long as the job is kept';
COMMENT ON TABLE spotai.job IS 'durable queue: long work that is waiting, running or done; made by spotai.submit()';
COMMENT ON COLUMN spotai.job.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.job.id IS 'identifier';
COMMENT ON COLUMN spotai.job.kind IS 'what to do; spotai.job_kinds() lists the kinds';
COMMENT ON COLUMN spotai.job.args IS 'arguments of the kind, a JSON object';
COMMENT ON COLUMN spotai.job.state IS 'queued: waits for a worker or, when attempt > 0, for a retry (error tells why); running: a worker has it; succeeded: done; failed: ended by an error that another attempt cannot mend, such as bad arguments; dead: the last of max_attempts attempts ended in an error; canceled: ended by spotai.cancel(). The last four are final';
COMMENT ON COLUMN spotai.job.priority IS 'larger is sooner';
COMMENT ON COLUMN spotai.job.run_at IS 'not before this time; moved into the future by a retry';
COMMENT ON COLUMN spotai.job.attempt IS 'attempts begun; one that was handed back because its worker was stopped does not count';
COMMENT ON COLUMN spotai.job.max_attempts IS 'attempts after which the job is dead';
COMMENT ON COLUMN spotai.job.progress IS 'share of the work that is done, 0 to 1; written a few times a second while the job runs';
COMMENT ON COLUMN spotai.job.message IS 'what the job is doing, for people';
COMMENT ON COLUMN spotai.job.result IS 'what the kind answers when it succeeds';
COMMENT ON COLUMN spotai.job.error IS 'why the last attempt ended, with detail and hint; null after success';
COMMENT ON COLUMN spotai.job.error_code IS 'SQLSTATE of error';
COMMENT ON COLUMN spotai.job.cancel_requested IS 'spotai.cancel() was called; a running job stops at its next step';
COMMENT ON COLUMN spotai.job.fence IS 'number of times the job was claimed; only the worker that holds the newest number can finish it';
COMMENT ON COLUMN spotai.job.lease_until IS 'while running: the worker renews this, and when it passes, the job is taken over';
COMMENT ON COLUMN spotai.job.worker_pid IS 'process that claimed the job last; with worker_started_at it names one backend, dead or alive';
COMMENT ON COLUMN spotai.job.worker_started_at IS 'when that process started, as backend_start in pg_stat_activity';
COMMENT ON COLUMN spotai.job.idempotency_key IS 'submitting again with the same key answers this job, as long as it is kept';
COMMENT ON COLUMN spotai.job.submitted_by IS 'role that submitted the job and whose privileges it runs with';
COMMENT ON COLUMN spotai.job.created_at IS 'when the job was submitted';
COMMENT ON COLUMN spotai.job.updated_at IS 'when the row was last changed';
COMMENT ON COLUMN spotai.job.started_at IS 'when the last attempt began';
COMMENT ON COLUMN spotai.job.finished_at IS 'when the job reached a final state; it is pruned spotai.job_retention later';

CREATE TABLE spotai.schedule (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name <> ''),
    cron text NOT NULL CHECK (cron <> ''),
    kind text NOT NULL CHECK (kind <> ''),
    args jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(args) = 'object'),
    submitted_by name NOT NULL DEFAULT current_user,
    next_run_at timestamptz NOT NULL,
    last_run_at timestamptz,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
CREATE INDEX schedule_due_idx ON spotai.schedule (next_run_at);
CREATE POLICY own_insert ON spotai.schedule AS RESTRICTIVE FOR INSERT WITH CHECK (submitted_by = current_user);
CREATE POLICY own_update ON spotai.schedule AS RESTRICTIVE FOR UPDATE
    USING (submitted_by = current_user) WITH CHECK (submitted_by = current_user);
CREATE POLICY own_delete ON spotai.schedule AS RESTRICTIVE FOR DELETE USING (submitted_by = current_user);
COMMENT ON POLICY own_insert ON spotai.schedule IS 'a schedule can only be made in one''s own name, because its jobs run with that role''s privileges';
COMMENT ON POLICY own_update ON spotai.schedule IS 'a schedule can only be changed by the role that made it';
COMMENT ON POLICY own_delete ON spotai.schedule IS 'a schedule can only be deleted by the role that made it';
COMMENT ON INDEX spotai.schedule_due_idx IS 'what is due next';
COMMENT ON TABLE spotai.schedule IS 'jobs that are submitted at regular times; made by spotai.schedule()';
COMMENT ON COLUMN spotai.schedule.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.schedule.id IS 'identifier';
COMMENT ON COLUMN spotai.schedule.name IS 'name, unique in the tenant';
COMMENT ON COLUMN spotai.schedule.cron IS 'when, as five fields of crontab(5) or a macro such as @daily, in UTC';
COMMENT ON COLUMN spotai.schedule.kind IS 'kind of the jobs';
COMMENT ON COLUMN spotai.schedule.args IS 'arguments of the jobs';
COMMENT ON COLUMN spotai.schedule.submitted_by IS 'role that made the schedule and that its jobs run as';
COMMENT ON COLUMN spotai.schedule.next_run_at IS 'when the next job is due; after a pause, missed times are made up by one job, not by many';
COMMENT ON COLUMN spotai.schedule.last_run_at IS 'due time of the last job that was submitted';
COMMENT ON COLUMN spotai.schedule.error IS 'why the schedule has stopped: its cron text is not valid; null while it runs';
COMMENT ON COLUMN spotai.schedule.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.schedule.updated_at IS 'when the row was last changed';
