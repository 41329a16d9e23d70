-- privileges: nothing for PUBLIC

REVOKE ALL ON ALL ROUTINES IN SCHEMA spotai, _spotai FROM PUBLIC;
REVOKE ALL ON SCHEMA spotai, _spotai FROM PUBLIC;

-- What each role may call.  Whoever is nobody gets nothing out of any of them,
-- and what needs a permission of spotai asks for it.  spotai.migrate(), and what
-- it is made of, are for the owner of the tables.
DO $$
DECLARE
    everybody constant text := 'spotai_admin, spotai_user, spotai_auditor, spotai_worker';
    people constant text := 'spotai_admin, spotai_user';
    music constant text := 'spotai_admin, spotai_user, spotai_worker';
    wanted record;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA spotai TO %s, spotai_secret_reader', everybody);
    GRANT USAGE ON SCHEMA _spotai TO spotai_admin;
    FOR wanted IN
        SELECT g.grantees, p.oid::regprocedure AS routine, p.prokind
        FROM (VALUES
            (everybody, ARRAY['version', 'current_tenant', 'current_principal', 'has_permission', 'login', 'login_api_key', 'api_key_token',
                              'logout', 'verify_jwt', 'jwks', 'refresh', 'revoke_tokens', 'totp_verify', 'totp_enroll',
                              'totp_recovery_codes', 'rate_limit', 'step_up', 'sessions', 'end_session', 'api_keys',
                              'require_recent_login', 'client_certificate', 'identity_notices', 'audit', 'audit_inclusion_proof',
                              'audit_consistency_proof', 'audit_checkpoint', 'audit_verify_inclusion',
                              'audit_verify_consistency', 'has_consent', 'consent_give', 'consent_withdraw',
                              'subject_export', 'embedding', 'to_array', 'l2_distance', 'inner_product',
                              'negative_inner_product', 'cosine_distance', 'cosine_similarity', 'embedding_eq',
                              'embedding_ne', 'dims', 'l2_norm', 'normalize', 'subvector', 'sum', 'avg',
                              'vector_counters']),
            -- policies call these in the name of whoever reads or writes
            (everybody, ARRAY['_spotai.permitted', '_spotai.job_permitted']),
            (people, ARRAY['issue_token', 'issue_refresh_token', 'rotate_signing_key', 'trust_issuer', 'distrust_issuer',
                           'create_api_key', 'revoke_api_key', 'begin_session', 'create_principal', 'deactivate_principal', 'create_role',
                           'grant_role', 'revoke_role', 'subject_erase', 'hold_place', 'hold_release', 'retention_set',
                           'retention_drop', 'retention_run', 'purge']),
            (music, ARRAY['ingest', 'ingest_file', 'ingest_large_object', 'audio_content', 'export_audio', 'waveform_svg',
                          'models', 'model_catalog', 'separate', 'remix', 'sdr', 'bss_eval', 'submit', 'wait', 'cancel',
                          'schedule', 'unschedule', 'job_kinds', 'set_embedding', 'similar_tracks', 'embedding_index']),
            ('spotai_admin, spotai_worker', ARRAY['run_jobs']),
            ('spotai_admin, spotai_auditor', ARRAY['audit_verify', 'audit_export', 'audit_seal', 'audit_detail']),
            -- for whoever owns tables of his own
            ('spotai_admin', ARRAY['audit_enable', 'audit_disable', '_spotai.require_tables', '_spotai.audit_drop_triggers',
                                   '_spotai.relation_name', '_spotai.audit_rows', '_spotai.audit_event']),
            ('spotai_admin', ARRAY['create_tenant', 'deactivate_tenant', 'model_import', 'model_install_base',
                                   'model_export', 'model_content', 'model_activate', 'model_drop', 'secret_put',
                                   'secret_rotate', 'secret_delete', 'secrets', 'rekey', 'data_keys', 'register_personal_data',
                                   'unregister_personal_data']),
            ('spotai_admin', ARRAY['index_stats', 'index_check', '_spotai.index_problems', '_spotai.index_recall']),
            ('spotai_secret_reader', ARRAY['secret_get'])
        ) g (grantees, names)
        JOIN pg_catalog.pg_proc p ON CASE p.pronamespace WHEN 'spotai'::regnamespace THEN p.proname::text
                                     WHEN '_spotai'::regnamespace THEN '_spotai.' || p.proname END = ANY (g.names)
    LOOP
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', wanted.routine, wanted.grantees);
    END LOOP;
END
$$;
