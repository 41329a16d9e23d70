-- model: which networks there are, and their weights

CREATE FUNCTION spotai.model_import(
    path text, name text DEFAULT NULL, architecture text DEFAULT NULL, version text DEFAULT NULL,
    params jsonb DEFAULT NULL, licence text DEFAULT NULL, source text DEFAULT NULL,
    dtype text DEFAULT 'f32', activate boolean DEFAULT true)
RETURNS uuid
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_model_import_file';
COMMENT ON FUNCTION spotai.model_import(text, text, text, text, jsonb, text, text, text, boolean) IS
'installs a model from the server''s files and returns its id: a TensorFlow checkpoint (its folder, or a .tar.gz of it as Deezer releases Spleeter), safetensors or .npz, told by content. What is left out is taken from the file or from spotai.model_catalog(), the version else is 1. Every checksum and shape is verified before anything is stored. dtype bf16 halves the size. The same weights under the same name and version again: the id that they have. Needs the role pg_read_server_files. Needs model:write';

CREATE FUNCTION spotai.model_import(
    content bytea, name text DEFAULT NULL, architecture text DEFAULT NULL, version text DEFAULT NULL,
    params jsonb DEFAULT NULL, licence text DEFAULT NULL, source text DEFAULT NULL,
    dtype text DEFAULT 'f32', activate boolean DEFAULT true)
RETURNS uuid
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_model_import';
COMMENT ON FUNCTION spotai.model_import(bytea, text, text, text, jsonb, text, text, text, boolean) IS
'as spotai.model_import(path), from the bytes of a file: a .tar.gz of a TensorFlow checkpoint, safetensors or .npz. Needs model:write';

CREATE FUNCTION spotai.model_install_base()
RETURNS boolean
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_model_install_base';
COMMENT ON FUNCTION spotai.model_install_base() IS
'installs the model that comes with the extension, spotai-base, and makes it active; false when this version of it is there already. spotai.migrate() calls it, and so does a separation that needs it. Needs model:write';

CREATE PROCEDURE _spotai.migrated_model()
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM spotai.model_install_base();
EXCEPTION WHEN undefined_file OR io_error OR insufficient_privilege OR data_exception OR feature_not_supported THEN
    RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM,
        HINT = 'Install the extension''s files again and CALL spotai.migrate(); until then spotai.separate() needs model => ''classical'' or a model of yours.';
END
$$;
COMMENT ON PROCEDURE _spotai.migrated_model() IS
'installs the model that comes with the extension; without its weights spotai.separate() says what is missing, so migrate() goes on';

CREATE FUNCTION spotai.model_export(name text, path text, version text DEFAULT NULL, overwrite boolean DEFAULT false)
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_model_export';
COMMENT ON FUNCTION spotai.model_export(text, text, text, boolean) IS
'writes a model, its active version unless another is named, to a file on the server as safetensors with f32 numbers and returns the number of bytes; spotai.model_import() reads it back with hyper-parameters, licence and source. The file appears whole or not at all, and replaces another only with overwrite => true; needs the role pg_write_server_files';

CREATE FUNCTION spotai.model_content(name text, version text DEFAULT NULL)
RETURNS bytea
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_model_content';
COMMENT ON FUNCTION spotai.model_content(text, text) IS
'what spotai.model_export() would write, as a value; up to 1 GB';

CREATE FUNCTION spotai.models(
    OUT name text, OUT version text, OUT architecture text, OUT stems text[], OUT sample_rate_hz integer,
    OUT bandwidth_hz integer, OUT dtype text, OUT parameters bigint, OUT bytes bigint, OUT licence text,
    OUT source text, OUT active boolean, OUT weights_of text, OUT created_at timestamptz)
RETURNS SETOF record
LANGUAGE C VOLATILE ROWS 10
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_models';
COMMENT ON FUNCTION spotai.models() IS
'models that spotai.separate() can use: the built-in one, a row for each number of stems; installed ones; and variants that run on the weights of an installed one (weights_of) without taking room of their own';

CREATE FUNCTION spotai.model_catalog(
    OUT name text, OUT stems text[], OUT bandwidth_hz integer, OUT licence text, OUT url text,
    OUT archive_sha256 bytea, OUT bytes bigint, OUT sha256 bytea, OUT installed boolean, OUT how text)
RETURNS SETOF record
LANGUAGE C VOLATILE ROWS 6
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_model_catalog';
COMMENT ON FUNCTION spotai.model_catalog() IS
'models that others have released and that spotai knows: archive_sha256 is of the file at url, bytes and sha256 are of the weights in it (as in spotai.model), how tells how to install';

CREATE FUNCTION spotai.model_activate(name text, version text DEFAULT NULL)
RETURNS text
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_model_activate';
COMMENT ON FUNCTION spotai.model_activate(text, text) IS
'makes a version of a model, the one imported last unless another is named, the one that the name means, and returns it. Needs model:write';

CREATE FUNCTION spotai.model_drop(name text, version text DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_model_drop';
COMMENT ON FUNCTION spotai.model_drop(text, text) IS
'removes a version of a model and its weights. The version may be left out where there is only one; the active one of several must be replaced by spotai.model_activate() first. Stems that it made stay, and keep its name. Needs model:write';
