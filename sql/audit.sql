-- audit: a log that shows whether anybody has changed it
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '
\set SHOW_CONTEXT never
-- migrate() has written about the model that it installed
SELECT action, object, detail, position FROM spotai.audit_log ORDER BY id;

-- without a key nothing is sealed, and nothing is lost
SELECT spotai.audit('greeting', 'world') IS NOT NULL AS written;
SELECT * FROM pg_temp.failure($$ SELECT spotai.audit_seal() $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.audit('greeting', 'Ann', '{"name": "Ann"}', gen_random_uuid()) $$);
SELECT entries, lag_s >= 0 AS waits, tree_size, sealed_at FROM spotai.audit_unsealed;
SELECT spotai.audit_checkpoint() IS NULL AS none;
SELECT * FROM spotai.audit_verify();

-- a reload has reached this session when its next statement begins
ALTER SYSTEM SET spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
ALTER SYSTEM SET spotai.audit_origin = 'example.com/audit';
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
SELECT spotai.audit_seal();
SELECT spotai.audit_seal() AS again;
SELECT entries, oldest, lag_s, tree_size, sealed_at IS NOT NULL AS sealed FROM spotai.audit_unsealed;
SELECT split_part(spotai.audit_checkpoint(), E'\n', 1) AS origin, split_part(spotai.audit_checkpoint(), E'\n', 2) AS size;
SELECT origin, verifier ~ '^example\.com/audit\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}$' AS verifier, octet_length(sealed) > 32 AS sealed FROM spotai.audit_key;
SELECT * FROM spotai.audit_verify();

-- events
SELECT spotai.audit('track.play', 'track 7', '{"volume": 0.5, "tags": ["a", null]}') AS play \gset
SELECT tenant_id, principal_id, action, object, subject_id, detail - 'role' AS detail, position, occurred_at > now() - interval '1 minute' AS now
FROM spotai.audit_log WHERE id = :'play';
SELECT spotai.audit_detail(:'play') - 'role' AS data, spotai.audit_detail(:'play') ->> 'role' = current_user AS mine;
SELECT spotai.audit('no.detail', '', NULL) AS bare \gset
SELECT action, object, detail - 'role' AS detail FROM spotai.audit_log WHERE id = :'bare';
-- what leaves the database through a file
SELECT spotai.ingest(pg_temp.wav(ARRAY[0, 1000, -1000, 0], 1, 8000)) AS track \gset
SELECT audio_id AS audio FROM spotai.track WHERE id = :'track' \gset
SELECT spotai.export_audio(:'audio', current_setting('data_directory') || '/regress_spotai_audit.wav', true);
SELECT action, object = 'audio/' || :'audio' AS of_the_audio FROM spotai.audit_log WHERE action = 'audio.export';
-- ids are in the order of time
SELECT count(*) AS out_of_order FROM (SELECT id < lag(id) OVER (ORDER BY occurred_at, id) AS x FROM spotai.audit_log) s WHERE x;
SELECT code, message, detail FROM unnest(ARRAY['NULL, ''x''', '''x'', NULL', ''''', ''x''', 'repeat(''x'', 256), ''x''', 'repeat(''é'', 128), ''x''',
        '''x'', repeat(''y'', 8193)', '''x'', repeat(''€'', 2731)']) arguments,
     LATERAL pg_temp.failure(format('SELECT spotai.audit(%s)', arguments));
SELECT spotai.audit(repeat('x', 255), repeat('€', 2730) || 'ab') IS NOT NULL AS longest;
SELECT spotai.audit('large', 'detail', jsonb_build_object('text', repeat('x', 3000000))) IS NOT NULL AS large;
BEGIN READ ONLY;
SELECT spotai.audit('x', 'y');
ROLLBACK;

-- what is rolled back was not
BEGIN;
SELECT spotai.audit('kept', '1') IS NOT NULL AS kept;
SAVEPOINT a;
SELECT spotai.audit('lost', '2') IS NOT NULL AS lost;
ROLLBACK TO a;
SELECT spotai.audit('kept', '3') IS NOT NULL AS kept;
SAVEPOINT b;
SELECT spotai.audit('kept', '4') IS NOT NULL AS kept;
RELEASE b;
COMMIT;
BEGIN;
SELECT spotai.audit('lost', '5') IS NOT NULL AS lost;
SELECT entries > 1 AS seen_here FROM spotai.audit_unsealed;
ROLLBACK;
SELECT action, object FROM spotai.audit_log WHERE action IN ('kept', 'lost') ORDER BY id;
-- sealing sees what is committed, and what its own transaction has done
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT spotai.audit_seal();
ROLLBACK;
BEGIN;
SELECT spotai.audit_seal() > 5 AS sealed;
ROLLBACK;
SELECT tree_size AS unchanged FROM spotai.audit_unsealed;
SELECT spotai.audit_seal() > 5 AS sealed;
SELECT count(*) = max(position) + 1 AND count(*) = count(DISTINCT entry_id) AS without_gaps FROM spotai.audit_leaf;
SELECT ok, first_bad FROM spotai.audit_verify();

-- rows
CREATE TABLE song (id integer PRIMARY KEY, title text, plays bigint DEFAULT 0, rating real, data bytea, at timestamptz, day date, tags text[], extra jsonb, gone integer, twice integer GENERATED ALWAYS AS (plays * 2) STORED);
ALTER TABLE song DROP COLUMN gone;
SELECT spotai.audit_enable('song');
CREATE VIEW changes AS SELECT action, object, detail - 'role' AS detail FROM spotai.audit_log
    WHERE action LIKE 'row.%' OR action LIKE 'table.%' OR action IN ('audit.enable', 'audit.disable') ORDER BY id;
SELECT * FROM changes;
SET timezone = 'Asia/Kolkata';
SET datestyle = 'SQL, DMY';
INSERT INTO song VALUES (1, 'Ä "quoted" \ 音楽', 1, 0.1, '\x00ff', '2026-01-02 03:04:05.678901+00', '2026-01-02', '{a,"b,c",NULL}', '{"k": [1, 2]}'), (2, NULL, 2, 'NaN', NULL, 'infinity', '-infinity', '{}', 'null');
RESET timezone;
RESET datestyle;
UPDATE song SET plays = plays + 1;
UPDATE song SET title = title;
UPDATE song SET id = 3, title = 'new' WHERE id = 2;
DELETE FROM song WHERE id = 3;
INSERT INTO song SELECT 9, 'none' WHERE false;
UPDATE song SET plays = 7 WHERE false;
DELETE FROM song WHERE false;
INSERT INTO song (id, title) VALUES (1, 'twice') ON CONFLICT (id) DO UPDATE SET title = 'upserted';
MERGE INTO song USING (VALUES (1), (5)) v (id) ON song.id = v.id WHEN MATCHED THEN UPDATE SET rating = 2 WHEN NOT MATCHED THEN INSERT (id, title) VALUES (v.id, 'merged');
COPY song (id, title) FROM stdin;
6	copied
7	\N
\.
TRUNCATE song;
SELECT * FROM changes OFFSET 1;
-- large values are written down as their hash
INSERT INTO song (id, title, data) VALUES (10, repeat('x', 4096), decode(repeat('00', 4097), 'hex'));
SELECT length(detail #>> '{new,title}') AS title, detail #> '{new,data}' AS data FROM spotai.audit_log WHERE object = 'public.song[10]';
SELECT encode(sha256(data), 'hex') AS hash FROM song;
-- a rolled back row is not written
BEGIN;
DELETE FROM song;
ROLLBACK;
SELECT count(*) FROM changes WHERE object = 'public.song[10]';
-- also while triggers are off for others
SET session_replication_role = replica;
DELETE FROM song;
RESET session_replication_role;
SELECT count(*) FROM changes WHERE object = 'public.song[10]';

-- some columns
SELECT spotai.audit_enable('song', '{title,plays}');
INSERT INTO song (id, title, rating) VALUES (20, 'shown', 5);
UPDATE song SET rating = 6;
UPDATE song SET rating = 7, plays = 8;
SELECT * FROM changes WHERE object LIKE '%[20]';
SELECT code, message, hint FROM unnest(ARRAY['''song'', ''{}''', '''song'', ''{title,nope}''', '''song'', ''{gone}''', '''song'', ARRAY[NULL]', '''song'', ''{ctid}''',
        'NULL', '''pg_class_oid_index''', '''changes''', '''spotai.audit_entry''', '''spotai.audit_pending''', '''spotai.subject_key''', '''nothing''',
        '''song'', subject_column => ''title''', '''song'', subject_column => ''nope''']) arguments,
     LATERAL pg_temp.failure(format('SELECT spotai.audit_enable(%s)', arguments));
CREATE TEMP TABLE passing (id integer);
SELECT * FROM pg_temp.failure($$ SELECT spotai.audit_enable('passing') $$);
-- disable
SELECT spotai.audit_disable('song') AS first, spotai.audit_disable('song') AS again, spotai.audit_disable(NULL) AS nothing;
UPDATE song SET title = 'unseen';
SELECT * FROM changes OFFSET (SELECT count(*) - 1 FROM changes);
-- a table without a primary key: which row it was is in the detail
CREATE TABLE "Odd ""name" (a integer, "b c" text);
SELECT spotai.audit_enable('"Odd ""name"');
INSERT INTO "Odd ""name" VALUES (1, 'x'), (1, 'y');
UPDATE "Odd ""name" SET a = 2 WHERE "b c" = 'x';
SELECT object, detail FROM changes WHERE object LIKE '%Odd%' OFFSET 1;
-- a trigger that was made by hand
CREATE TRIGGER by_hand AFTER INSERT ON song FOR EACH ROW EXECUTE FUNCTION _spotai.audit_rows();
SELECT * FROM pg_temp.failure($$ INSERT INTO song (id) VALUES (30) $$);
DROP TRIGGER by_hand ON song;
CREATE TRIGGER by_hand AFTER INSERT ON song FOR EACH STATEMENT EXECUTE FUNCTION _spotai.audit_rows();
SELECT * FROM pg_temp.failure($$ INSERT INTO song (id) VALUES (30) $$);
DROP TRIGGER by_hand ON song;
SELECT * FROM pg_temp.failure($$ SELECT _spotai.audit_rows() $$);

-- partitioned tables
CREATE TABLE play (year integer, n integer, PRIMARY KEY (year, n)) PARTITION BY LIST (year);
CREATE TABLE play_1 PARTITION OF play FOR VALUES IN (1);
CREATE TABLE play_2 (n integer NOT NULL, year integer NOT NULL);
ALTER TABLE play ATTACH PARTITION play_2 FOR VALUES IN (2);
SELECT spotai.audit_enable('play');
INSERT INTO play VALUES (1, 1), (2, 2);
UPDATE play SET year = 2 WHERE year = 1;
UPDATE play SET n = n + 10 WHERE n = 2;
INSERT INTO play_1 VALUES (1, 99);
DELETE FROM play WHERE n = 1;
SELECT action, object, detail FROM changes WHERE object LIKE 'public.play%';
SELECT spotai.audit_enable('play_1');
INSERT INTO play_1 VALUES (1, 100);
SELECT action, object, detail FROM changes WHERE object LIKE 'public.play_1%';

-- foreign keys that act are changes too
CREATE TABLE artist (id integer PRIMARY KEY);
CREATE TABLE album (id integer PRIMARY KEY, artist integer REFERENCES artist ON DELETE CASCADE);
SELECT spotai.audit_enable('album');
INSERT INTO artist VALUES (1);
INSERT INTO album VALUES (1, 1);
DELETE FROM artist;
SELECT action, object FROM changes WHERE object LIKE 'public.album[%';

-- append-only, for a superuser too
SELECT table_name, code, message, hint FROM unnest('{audit_entry,audit_pending,audit_leaf,audit_node,audit_key,audit_checkpoint,subject_key}'::text[]) table_name,
     unnest(ARRAY['DELETE FROM spotai.%s', 'TRUNCATE spotai.%s CASCADE', 'INSERT INTO spotai.%1$s SELECT * FROM spotai.%1$s LIMIT 1']) WITH ORDINALITY s (statement, n),
     LATERAL pg_temp.failure(format(statement, table_name)) WHERE n < 3 OR table_name <> 'audit_key' ORDER BY 1, n;
SELECT code, message FROM unnest(ARRAY['UPDATE spotai.audit_entry SET object = object', 'UPDATE spotai.audit_entry SET object = ''x'' WHERE false',
        'UPDATE spotai.audit_leaf SET leaf = leaf', 'UPDATE spotai.audit_checkpoint SET note = note', 'UPDATE spotai.audit_node SET hashes = hashes',
        'MERGE INTO spotai.audit_leaf USING (VALUES (1)) v (x) ON position = v.x WHEN MATCHED THEN DELETE',
        'INSERT INTO spotai.audit_leaf SELECT * FROM spotai.audit_leaf LIMIT 1 ON CONFLICT DO NOTHING']) statement,
     LATERAL pg_temp.failure(statement);
-- by the name of a partition
SELECT format('%I', relname) AS partition FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE i.inhparent = 'spotai.audit_entry'::regclass ORDER BY relname LIMIT 1 \gset
SELECT code, regexp_replace(message, '\d{4}_\d{2}', 'YYYY_MM') AS message FROM unnest(ARRAY['DELETE FROM spotai.%I', 'TRUNCATE spotai.%I', 'UPDATE spotai.%I SET object = object']) statement,
     LATERAL pg_temp.failure(format(statement, :'partition'));
SET session_replication_role = replica;
SELECT code, message FROM pg_temp.failure('DELETE FROM spotai.audit_leaf');
RESET session_replication_role;
COPY spotai.audit_leaf FROM stdin;
\.
SELECT code, message FROM pg_temp.failure('SELECT _spotai.audit_append_only()');
-- a table of ours whose columns were moved takes nothing
BEGIN;
ALTER TABLE spotai.audit_pending RENAME leaf TO hash;
SELECT code, message, detail FROM pg_temp.failure($$ SELECT spotai.audit('x', 'y') $$);
ROLLBACK;
-- one that has got another column takes entries as before
BEGIN;
ALTER TABLE spotai.audit_entry ADD COLUMN note text;
SELECT spotai.audit('x', 'y') IS NOT NULL AS written;
ROLLBACK;

-- a month that has no partition gets one with its first entry, as a role that may not make tables
BEGIN;
SELECT format('DROP TABLE spotai.%I', relname) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = 'spotai.audit_entry'::regclass \gexec
SELECT spotai.audit('first', 'of the month') IS NOT NULL AS written;
SELECT count(*) AS partitions FROM pg_inherits WHERE inhparent = 'spotai.audit_entry'::regclass;
SELECT count(*) AS guards FROM pg_trigger t JOIN pg_inherits i ON i.inhrelid = t.tgrelid WHERE i.inhparent = 'spotai.audit_entry'::regclass AND t.tgenabled = 'A';
ROLLBACK;

-- proofs: each entry in the log of each size, held against what verifies them
SELECT spotai.audit_seal() > 20 AS sealed;
DO $$ BEGIN FOR i IN 1..12 LOOP PERFORM spotai.audit('one', 'of ' || n) FROM generate_series(1, i % 5 + 1) n; PERFORM spotai.audit_seal(); END LOOP; END $$;
CREATE TEMP TABLE root AS SELECT tree_size, root FROM spotai.audit_checkpoint;
SELECT count(*) > 12 AS checkpoints FROM root;
CREATE TEMP VIEW inclusion AS SELECT l.leaf, l.position, r.tree_size, r.root, spotai.audit_inclusion_proof(l.entry_id, r.tree_size) AS proof
    FROM root r JOIN spotai.audit_leaf l ON l.position < r.tree_size;
SELECT bool_and(spotai.audit_verify_inclusion(leaf, position, tree_size, proof, root)) AS all_hold, count(*) > 100 AS many FROM inclusion;
SELECT bool_or(spotai.audit_verify_inclusion(leaf, position, tree_size, proof[2:], root)) AS shorter,
       bool_or(spotai.audit_verify_inclusion(leaf, position, tree_size, trim_array(proof, 1), root)) AS cut,
       bool_or(spotai.audit_verify_inclusion(leaf, position, tree_size, proof || root, root)) AS longer,
       bool_or(spotai.audit_verify_inclusion(leaf, position, tree_size, root || proof, root)) AS longer_before,
       bool_or(spotai.audit_verify_inclusion(leaf, position + 1, tree_size, proof, root)) AS neighbour,
       bool_or(spotai.audit_verify_inclusion(leaf, tree_size, tree_size, proof, root)) AS outside,
       bool_or(spotai.audit_verify_inclusion(leaf, position, tree_size, proof, sha256(root))) AS other_root,
       bool_or(spotai.audit_verify_inclusion(sha256(leaf), position, tree_size, proof, root)) AS other_leaf,
       bool_or(spotai.audit_verify_inclusion(leaf, position, tree_size, proof[:cardinality(proof) - 1] || set_byte(proof[cardinality(proof)], 31, get_byte(proof[cardinality(proof)], 31) # 1), root)) AS flipped
FROM inclusion WHERE cardinality(proof) > 0;
SELECT bool_and(spotai.audit_verify_consistency(o.tree_size, n.tree_size, spotai.audit_consistency_proof(o.tree_size, n.tree_size), o.root, n.root)) AS all_hold,
       bool_or(spotai.audit_verify_consistency(o.tree_size, n.tree_size, spotai.audit_consistency_proof(o.tree_size, n.tree_size), n.root, o.root)) FILTER (WHERE o.root <> n.root) AS swapped,
       bool_or(spotai.audit_verify_consistency(o.tree_size, n.tree_size, trim_array(spotai.audit_consistency_proof(o.tree_size, n.tree_size), 1), o.root, n.root)) FILTER (WHERE o.root <> n.root) AS cut
FROM root o JOIN root n ON o.tree_size <= n.tree_size;
SELECT max(tree_size) AS size FROM root \gset
SELECT entry_id AS first FROM spotai.audit_leaf WHERE position = 0 \gset
SELECT entry_id AS last FROM spotai.audit_leaf ORDER BY position DESC LIMIT 1 \gset
SELECT spotai.audit_inclusion_proof(:'first') = spotai.audit_inclusion_proof(:'first', :size) AS newest, spotai.audit_inclusion_proof(:'first', 1) AS alone,
       spotai.audit_inclusion_proof(NULL) IS NULL AS nothing, spotai.audit_consistency_proof(:size, :size) AS same, spotai.audit_consistency_proof(NULL, 1) IS NULL AS none;
CREATE FUNCTION pg_temp.steady(text) RETURNS text LANGUAGE sql AS $$ SELECT replace(regexp_replace($1, '[0-9a-f-]{36}', '(id)'), ' ' || (SELECT max(tree_size) FROM root), ' (size)') $$;
SELECT code, pg_temp.steady(message) AS message, hint FROM unnest(ARRAY['0', '-1', '9223372036854775807', '-9223372036854775808', :'size' || ' + 1']) size,
     LATERAL pg_temp.failure(format('SELECT spotai.audit_inclusion_proof(%L, %s)', :'first', size));
SELECT code FROM pg_temp.failure(format('SELECT spotai.audit_inclusion_proof(%L, 1)', :'last'));
SELECT code, pg_temp.steady(message) AS message FROM unnest(ARRAY['0, 1', '-1, 1', '2, 1', '1, 0', '1, ' || :'size' || ' + 1', '9223372036854775807, 9223372036854775807']) sizes,
     LATERAL pg_temp.failure(format('SELECT spotai.audit_consistency_proof(%s)', sizes));
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.audit_inclusion_proof('00000000-0000-0000-0000-000000000000') $$);
SELECT spotai.audit('not', 'sealed') AS unsealed \gset
SELECT code, pg_temp.steady(message) AS message, hint FROM pg_temp.failure(format('SELECT spotai.audit_inclusion_proof(%L)', :'unsealed'));
SELECT code, message FROM unnest(ARRAY['''x'', 0, 1, ''{}'', sha256('''')', 'sha256(''''), -1, 1, ''{}'', sha256('''')', 'sha256(''''), 0, -1, ''{}'', sha256('''')', 'sha256(''''), 0, 1, ''{\\x00}'', sha256('''')',
        'sha256(''''), 0, 1, ''{NULL}'', sha256('''')', 'sha256(''''), 0, 1, ''{{\\x00},{\\x01}}'', sha256('''')', 'sha256(''''), 0, 1, ''{}'', ''''']) arguments,
     LATERAL pg_temp.failure(format('SELECT spotai.audit_verify_inclusion(%s)', arguments));
SELECT code, message FROM unnest(ARRAY['-1, 1, ''{}'', sha256(''''), sha256('''')', '1, -1, ''{}'', sha256(''''), sha256('''')', '1, 1, ''{\\x}'', sha256(''''), sha256('''')', '1, 1, ''{}'', ''x'', sha256('''')', '1, 1, ''{}'', sha256(''''), ''x''']) arguments,
     LATERAL pg_temp.failure(format('SELECT spotai.audit_verify_consistency(%s)', arguments));
SELECT spotai.audit_verify_inclusion(sha256(''), 0, 1, '{}', sha256('')) AS one, spotai.audit_verify_inclusion(sha256(''), 0, 0, '{}', sha256('')) AS empty,
       spotai.audit_verify_inclusion(sha256(''), 9223372036854775806, 9223372036854775807, (SELECT array_agg(sha256('')) FROM generate_series(1, 1000)), sha256('')) AS long,
       spotai.audit_verify_consistency(0, 1, '{}', sha256(''), sha256('')) AS nothing, spotai.audit_verify_consistency(1, 1, '{}', sha256(''), sha256('')) AS same;

-- export
SELECT count(*) AS lines, bool_and(line::jsonb IS NOT NULL) AS json FROM spotai.audit_export(0, 3) line;
SELECT line::jsonb - 'frontier' FROM spotai.audit_export(0, 0) line LIMIT 1;
SELECT (line::jsonb ->> 'from')::integer AS from, (line::jsonb ->> 'to')::integer AS to, line::jsonb ->> 'origin' AS origin FROM spotai.audit_export(2, 3) line LIMIT 1;
SELECT count(*) = :size + 2 AS whole FROM spotai.audit_export(0, :size) line;
SELECT code, pg_temp.steady(message) AS message FROM unnest(ARRAY['-1, 1', '2, 1', '0, ' || :'size' || ' + 1', '9223372036854775807, 9223372036854775807', '-9223372036854775808, 0']) sizes,
     LATERAL pg_temp.failure(format('SELECT count(*) FROM spotai.audit_export(%s)', sizes));
SELECT count(*) AS nothing FROM spotai.audit_export(NULL, 1);
-- giving the log out is in the log
SELECT object FROM spotai.audit_log WHERE action = 'audit.export' ORDER BY id LIMIT 3;

-- a person's details
\set ann '11111111-1111-1111-1111-111111111111'
\set bob '22222222-2222-2222-2222-222222222222'
SELECT spotai.audit('person.seen', 'door', '{"name": "Ann Plainname"}', :'ann') AS seen \gset
SELECT spotai.audit('person.seen', 'door', '{"name": "Bob Plainname"}', :'bob') AS other \gset
SELECT object, subject_id, detail FROM spotai.audit_log WHERE id = :'seen';
SELECT spotai.audit_detail(:'seen') - 'role' AS detail;
SELECT position('Plainname'::bytea IN detail) AS at, octet_length(detail) > 40 AS there FROM spotai.audit_entry WHERE id = :'seen';
CREATE TABLE listener (id integer PRIMARY KEY, who uuid, name text);
SELECT spotai.audit_enable('listener', subject_column => 'who');
INSERT INTO listener VALUES (1, :'ann', 'Ann Plainname'), (2, :'bob', 'Bob Plainname'), (3, NULL, 'nobody');
UPDATE listener SET name = name || '!' WHERE id < 3;
-- what was Ann's and is Bob's now is not in one entry
UPDATE listener SET who = :'bob' WHERE id = 1;
DELETE FROM listener WHERE id = 3;
SELECT action, object, subject_id, detail - 'role' AS detail, spotai.audit_detail(id) - 'role' AS opened FROM spotai.audit_log WHERE object LIKE 'public.listener[%' ORDER BY id;
SELECT count(*) AS readable FROM spotai.audit_entry WHERE position('Plainname'::bytea IN detail) > 0;
SELECT subject_id, count(*) FROM spotai.subject_key GROUP BY 1 ORDER BY 1;
-- not in another entry's place
BEGIN;
ALTER TABLE spotai.audit_entry DISABLE TRIGGER append_only;
UPDATE spotai.audit_entry SET detail = (SELECT detail FROM spotai.audit_entry WHERE action = 'row.insert' AND subject_id = :'ann') WHERE id = :'seen';
SELECT code, message, detail FROM pg_temp.failure(format('SELECT spotai.audit_detail(%L)', :'seen'));
ROLLBACK;
-- forgotten: unreadable, and every proof is what it was
SELECT spotai.audit_seal() > 5 AS sealed;
SELECT max(tree_size) AS size, count(*) AS old FROM spotai.audit_checkpoint \gset
CREATE TEMP TABLE before AS SELECT entry_id, spotai.audit_inclusion_proof(entry_id, :size) AS proof FROM spotai.audit_leaf;
CREATE TEMP TABLE exported AS SELECT line FROM spotai.audit_export(0, :size) line;
BEGIN;
SELECT _spotai.audit_forget(:'ann');
ROLLBACK;
SELECT spotai.audit_detail(:'seen') -> 'data' AS still;
SELECT _spotai.audit_forget(:'ann') AS keys, _spotai.audit_forget(:'ann') AS again;
SELECT spotai.audit_detail(:'seen') IS NULL AS forgotten, spotai.audit_detail(:'other') -> 'data' AS other;
SELECT subject_id, count(*) FROM spotai.subject_key GROUP BY 1 ORDER BY 1;
SELECT action, object, spotai.audit_detail(id) IS NULL AS forgotten FROM spotai.audit_log WHERE object LIKE 'public.listener[%' OR action = 'audit.forget' ORDER BY id;
SELECT count(*) AS changed FROM before WHERE proof <> spotai.audit_inclusion_proof(entry_id, :size);
SELECT count(*) AS differing FROM (TABLE exported EXCEPT SELECT line FROM spotai.audit_export(0, :size) line) s;
SELECT ok, first_bad FROM spotai.audit_verify();
-- who comes back gets another key
SELECT spotai.audit('person.seen', 'door', '{"name": "Ann again"}', :'ann') AS again \gset
SELECT spotai.audit_detail(:'again') -> 'data' AS data, spotai.audit_detail(:'seen') IS NULL AS forgotten;
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.audit_detail('00000000-0000-0000-0000-000000000000') $$);
-- made and destroyed in one transaction
BEGIN;
SELECT spotai.audit('person.seen', 'door', '{}', '33333333-3333-3333-3333-333333333333') AS passing \gset
SELECT _spotai.audit_forget('33333333-3333-3333-3333-333333333333');
COMMIT;
SELECT spotai.audit_detail(:'passing') IS NULL AS forgotten;

-- the extension's own events
SELECT spotai.secret_put('mail', 'horse') AS put, spotai.secret_rotate('mail', 'battery') AS rotated, spotai.secret_get('mail') AS got, spotai.secret_delete('mail') AS deleted, spotai.secret_delete('mail') AS again;
SELECT spotai.rekey();
SELECT count(spotai.submit('noop')) FROM generate_series(1, 1000);
BEGIN;
SELECT count(spotai.submit('noop')) FROM generate_series(1, 10);
SAVEPOINT a;
SELECT count(spotai.submit('noop')) FROM generate_series(1, 100);
ROLLBACK TO a;
SAVEPOINT b;
SELECT count(spotai.submit('noop')) FROM generate_series(1, 3);
RELEASE b;
COMMIT;
BEGIN;
SELECT count(spotai.submit('noop')) FROM generate_series(1, 10);
ROLLBACK;
SELECT spotai.submit('noop', idempotency_key => 'once') = spotai.submit('noop', idempotency_key => 'once') AS once;
SELECT action, CASE WHEN object ~ '^[0-9a-f-]{32,36}$' THEN '(id)' ELSE object END AS object, detail -> 'event' AS event
FROM spotai.audit_log WHERE action ~ '^(secret|key|job)\.' ORDER BY id;
-- also of what reads in a READ ONLY transaction
SELECT spotai.secret_put('read', 'only') AS put;
BEGIN READ ONLY;
SELECT spotai.secret_get('read');
COMMIT;
SELECT action, detail -> 'event' AS event FROM spotai.audit_log ORDER BY id DESC LIMIT 1;
SELECT model_install_base IS NOT NULL AS installed FROM spotai.model_install_base();
SELECT spotai.model_activate('spotai-base') IS NOT NULL AS activated;
SELECT spotai.model_drop('spotai-base');
SELECT action, split_part(object, ' ', 1) AS object FROM spotai.audit_log WHERE action LIKE 'model.%' ORDER BY id;
-- people, keys and logins; a login belongs to whom it let in
SELECT spotai.create_principal('Ann Plainname', 'person') AS person \gset
SELECT spotai.create_principal('program', 'service') AS program \gset
SELECT spotai.create_role('listener', '{stems:read}') IS NOT NULL AS role;
SELECT spotai.grant_role(:'person', 'listener'), spotai.revoke_role(:'person', 'listener') AS revoked, spotai.revoke_role(:'person', 'listener') AS again;
SELECT spotai.rotate_signing_key('0') IS NOT NULL AS rotated;
SELECT spotai.issue_token(:'person') AS token, spotai.create_api_key('key', '{}', '1 day', :'program') AS key \gset
SELECT spotai.login(:'token') = :'person' AS person;
SELECT spotai.login_api_key(:'key') = :'program' AS program;
SELECT spotai.logout();
SELECT code FROM pg_temp.failure($$ SELECT spotai.login('x.y.z') $$);
SELECT spotai.revoke_api_key(id) AS revoked FROM spotai.api_key;
SELECT spotai.revoke_tokens(:'person') AS known, spotai.deactivate_principal(:'person') AS done, spotai.deactivate_principal(:'person') AS again;
SELECT tenant AS other FROM spotai.create_tenant('other') \gset
SELECT spotai.deactivate_tenant(:'other') AS done;
SELECT spotai.trust_issuer('https://issuer.example', 'music', '{"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}') IS NOT NULL AS trusted,
       spotai.distrust_issuer('https://issuer.example', 'music') AS gone;
SELECT action, regexp_replace(replace(replace(replace(object, :'person', '(person)'), :'program', '(program)'), :'other', '(other)'), '[0-9A-Za-z_-]{36,}|spk_[\w-]+', '(id)', 'g') AS object,
       CASE principal_id WHEN :'person' THEN 'person' WHEN :'program' THEN 'program' END AS principal, detail -> 'event' AS event
FROM spotai.audit_log WHERE action ~ '^(principal|role|key|login|tenant|issuer)\.' AND action NOT IN ('key.rekey', 'login.refused') ORDER BY id;
SELECT count(*) AS names FROM spotai.audit_entry WHERE position('Plainname'::bytea IN detail) > 0 OR object LIKE '%Plainname%';
SET spotai.audit_skip = 'model, JOB';
SELECT spotai.submit('noop') IS NOT NULL AS submitted, spotai.secret_put('chat', 'x') AS put, spotai.audit('job.mine', 'x') IS NOT NULL AS written;
RESET spotai.audit_skip;
-- nobody passes something off as one of them
SELECT spotai.audit('secret.get', 'x', '{"event": {"version": 1}}') AS forged \gset
SELECT detail - 'role' AS detail FROM spotai.audit_log WHERE id = :'forged';
SELECT _spotai.audit_event('track.delete', '7', '{"why": "asked"}');
SELECT action, object, detail - 'role' AS detail FROM spotai.audit_log ORDER BY id DESC LIMIT 1;
SELECT action FROM spotai.audit_log ORDER BY id DESC LIMIT 4;

-- what changes the log's settings and guards
ALTER SYSTEM SET spotai.audit_seal_interval = '700ms';
ALTER SYSTEM RESET spotai.audit_seal_interval;
ALTER SYSTEM SET work_mem = '5MB';
ALTER SYSTEM RESET work_mem;
CREATE ROLE regress_spotai_writer;
ALTER ROLE regress_spotai_writer SET spotai.audit_skip = 'job';
ALTER ROLE regress_spotai_writer RESET ALL;
ALTER ROLE regress_spotai_writer SET work_mem = '5MB';
DROP ROLE regress_spotai_writer;
BEGIN;
ALTER TABLE spotai.audit_entry DISABLE TRIGGER append_only;
ALTER TABLE spotai.audit_entry ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE listener DISABLE TRIGGER USER;
ALTER TABLE listener DISABLE TRIGGER USER;
ALTER TABLE listener ALTER COLUMN name TYPE varchar(50);
DROP TRIGGER spotai_audit_insert ON listener;
DROP TABLE album, artist, IF_NOT_THERE;
ROLLBACK;
BEGIN;
ALTER TABLE spotai.audit_entry DISABLE TRIGGER append_only;
ALTER TABLE spotai.audit_entry ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE listener DISABLE TRIGGER USER;
ALTER TABLE listener DISABLE TRIGGER USER;
ALTER TABLE listener ENABLE ALWAYS TRIGGER spotai_audit_insert, ENABLE ALWAYS TRIGGER spotai_audit_update;
ALTER TABLE listener ALTER COLUMN name TYPE varchar(50);
ALTER TABLE listener ADD COLUMN more text;
DROP TRIGGER spotai_audit_truncate ON listener;
CREATE TABLE passing_by (id integer);
ALTER TABLE passing_by DISABLE TRIGGER ALL;
DROP TABLE IF EXISTS passing_by, not_there;
COMMIT;
SELECT action, object, detail -> 'event' AS event FROM spotai.audit_log WHERE action IN ('setting.change', 'audit.alter') ORDER BY id;
-- tampering, as whoever may switch triggers off: found, and the entry named
SELECT spotai.audit_seal() > 5 AS sealed;
CREATE FUNCTION pg_temp.tamper(statement text, OUT named boolean, OUT findings bigint, OUT detail text) LANGUAGE plpgsql AS $$
DECLARE
    victim uuid := (SELECT entry_id FROM spotai.audit_leaf WHERE position = 5);
BEGIN
    BEGIN
        ALTER TABLE spotai.audit_entry DISABLE TRIGGER append_only;
        ALTER TABLE spotai.audit_leaf DISABLE TRIGGER append_only;
        ALTER TABLE spotai.audit_node DISABLE TRIGGER append_only;
        ALTER TABLE spotai.audit_checkpoint DISABLE TRIGGER append_only;
        ALTER TABLE spotai.audit_pending DISABLE TRIGGER append_only;
        EXECUTE replace(statement, '@', quote_literal(victim));
        SELECT bool_or(v.first_bad = victim), count(*), string_agg(v.detail, '; ' ORDER BY v.detail) INTO named, findings, detail FROM spotai.audit_verify() v WHERE NOT v.ok;
        detail := regexp_replace(detail, '(to|size) \d\d+', '\1 (n)', 'g');
        RAISE EXCEPTION 'undo';
    EXCEPTION WHEN raise_exception THEN
        NULL;
    END;
END
$$;
SELECT x.* FROM unnest(ARRAY[
    'SELECT',
    'UPDATE spotai.audit_entry SET object = object || ''x'' WHERE id = @',
    'UPDATE spotai.audit_entry SET action = ''other'' WHERE id = @',
    'UPDATE spotai.audit_entry SET detail = detail || ''\x20'' WHERE id = @',
    'UPDATE spotai.audit_entry SET detail = set_byte(detail, 0, get_byte(detail, 0) # 1) WHERE id = @',
    'UPDATE spotai.audit_entry SET principal_id = @ WHERE id = @',
    'UPDATE spotai.audit_entry SET occurred_at = occurred_at + interval ''1 us'' WHERE id = @',
    'UPDATE spotai.audit_entry SET tenant_id = @ WHERE id = @',
    'DELETE FROM spotai.audit_entry WHERE id = @',
    'UPDATE spotai.audit_leaf SET leaf = set_byte(leaf, 31, get_byte(leaf, 31) # 1) WHERE entry_id = @',
    'DELETE FROM spotai.audit_leaf WHERE entry_id = @',
    'DELETE FROM spotai.audit_leaf WHERE entry_id = @; UPDATE spotai.audit_leaf SET position = position + 1000000 WHERE position > 5; UPDATE spotai.audit_leaf SET position = position - 1000001 WHERE position > 1000000',
    'UPDATE spotai.audit_node SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) WHERE level = 1 AND first_index * 2 <= 5 AND first_index * 2 + octet_length(hashes) / 16 > 5',
    'UPDATE spotai.audit_checkpoint SET root = sha256(root) WHERE tree_size = (SELECT max(tree_size) FROM spotai.audit_checkpoint)',
    'UPDATE spotai.audit_checkpoint SET note = replace(note, ''example'', ''examplf'') WHERE tree_size = (SELECT min(tree_size) FROM spotai.audit_checkpoint)',
    'DELETE FROM spotai.audit_checkpoint WHERE tree_size = (SELECT max(tree_size) FROM spotai.audit_checkpoint)']) statement,
    LATERAL pg_temp.tamper(statement) x;
-- an entry that was slipped in, and one that was changed before it is sealed
SELECT x.findings, x.detail FROM unnest(ARRAY[
    'INSERT INTO spotai.audit_entry SELECT tenant_id, gen_random_uuid(), occurred_at, principal_id, action, object, subject_id, detail FROM spotai.audit_entry WHERE id = @',
    'SELECT spotai.audit(''x'', ''y''); UPDATE spotai.audit_entry SET object = ''z'' WHERE action = ''x''',
    'SELECT spotai.audit(''x'', ''y''); DELETE FROM spotai.audit_entry WHERE action = ''x''',
    'SELECT spotai.audit(''x'', ''y''); DELETE FROM spotai.audit_pending']) statement,
    LATERAL pg_temp.tamper(statement) x;
SELECT ok FROM spotai.audit_verify();

-- who may what: a role that has nothing but INSERT writes to the log and can not read or call
CREATE ROLE regress_spotai_writer;
GRANT INSERT, UPDATE ON album TO regress_spotai_writer;
-- in a session that has not written yet
\connect -
INSERT INTO artist VALUES (3);
SET ROLE regress_spotai_writer;
INSERT INTO album VALUES (3, 3);
INSERT INTO album VALUES (4, 3), (5, 3);
SELECT spotai.audit('x', 'y');
SELECT * FROM spotai.audit_log;
SELECT * FROM spotai.audit_entry;
SELECT spotai.audit_seal();
RESET ROLE;
GRANT USAGE ON SCHEMA spotai TO regress_spotai_writer;
SET ROLE regress_spotai_writer;
SELECT spotai.audit('x', 'y');
SELECT * FROM spotai.audit_log;
SELECT * FROM spotai.audit_entry;
SELECT * FROM spotai.audit_pending;
SELECT spotai.audit_seal();
SELECT * FROM spotai.audit_export(0, 1);
SELECT spotai.audit_detail('00000000-0000-0000-0000-000000000000');
RESET ROLE;
SELECT object, detail ->> 'role' AS role FROM spotai.audit_log WHERE object ~ 'public.album\[[345]\]' ORDER BY id;
REVOKE ALL ON SCHEMA spotai FROM regress_spotai_writer;
REVOKE ALL ON album FROM regress_spotai_writer;
DROP ROLE regress_spotai_writer;

-- json that is no jsonb is written as a text, so that the log stays readable
CREATE TYPE public.odd_pair AS (n integer, j json);
CREATE TABLE public.odd (id integer PRIMARY KEY, j json, pair odd_pair);
SELECT spotai.audit_enable('public.odd');
INSERT INTO odd (id, j) VALUES (1, '{"a": "\u0000"}'), (2, '"\ud800"'), (3, '1e400000'), (4, ('1' || repeat('0', 140000))::json),
    (5, '{"uuid": "3e4f", "n": [1, 2.5], "u": "\u00e4"}'), (6, '"\\ud800"'), (7, '{"1e999999": 2}');
INSERT INTO odd (id, pair) VALUES (8, ROW(1, '{"a": "\u0000"}')), (9, ROW(1, '{"a": 1}'));
SELECT object, left((detail -> 'new' -> 'j')::text, 60) AS j, detail -> 'new' -> 'pair' AS pair FROM spotai.audit_log WHERE object LIKE 'public.odd[%' ORDER BY object;

-- a checkpoint that may be rolled back does not get out
SELECT spotai.audit('before', 'a rollback') IS NOT NULL AS written;
BEGIN;
SELECT spotai.audit_seal() > 0 AS sealed;
SAVEPOINT asked;
SELECT spotai.audit_checkpoint();
ROLLBACK TO asked;
SELECT spotai.audit_export(0, 1);
ROLLBACK;
SELECT spotai.audit_checkpoint() IS NOT NULL AS last, (SELECT entries > 0 FROM spotai.audit_unsealed) AS waits;
SELECT spotai.audit_seal() > 0 AS sealed;
SELECT split_part(spotai.audit_checkpoint(), E'\n', 2)::bigint > 0 AS size;

-- DROP EXTENSION takes the guards; migrate() puts them back, and the log goes on
SET client_min_messages = warning;
DROP VIEW changes;
DROP TABLE odd, song, "Odd ""name", play, artist, album, listener;
DROP TYPE odd_pair;
DROP EXTENSION spotai CASCADE;
CREATE EXTENSION spotai;
CALL spotai.migrate();
RESET client_min_messages;
SELECT count(*) AS unguarded FROM pg_class c WHERE c.relnamespace = 'spotai'::regnamespace AND (c.relname LIKE 'audit\_%' OR c.relname = 'subject_key') AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'append_only' AND t.tgenabled = 'A');
SELECT spotai.audit('after', 'all') IS NOT NULL AS written, spotai.audit_seal() >= 0 AS sealed;
SELECT spotai.audit_seal() > 0 AS sealed;
SELECT ok FROM spotai.audit_verify();

-- a log that goes away in the transaction that has something for it
BEGIN;
SELECT spotai.submit('noop') IS NOT NULL AS submitted;
SET LOCAL client_min_messages = warning;
DROP EXTENSION spotai CASCADE;
DROP SCHEMA spotai CASCADE;
COMMIT;
ALTER SYSTEM RESET spotai.key_command;
ALTER SYSTEM RESET spotai.audit_origin;
CREATE EXTENSION spotai;
CALL spotai.migrate();
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
\i :end
