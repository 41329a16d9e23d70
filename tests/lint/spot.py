# tests/lint/spot.py
#     The rules of pgspot (github.com/timescale/pgspot, PS001 to PS017) on the
#     install script, read from standard input.  One line a violation.
#
# pgspot itself is not packaged by Debian; the parser that it uses, pglast, is.
# This is our own reading of its rules, narrower in what it understands (one
# script, two languages) and stricter in two places: pg_temp comes last in our
# search_path, so a table or type that is not the server's and not qualified is
# a stranger's temporary one (PS017 also under a safe search_path); and dynamic
# SQL must be a constant or format(), and is looked into.
#
# SPDX-License-Identifier: PostgreSQL
import json
import re
import sys

from pglast.parser import parse_plpgsql_json, parse_sql_json

SAFE_PATH = ["pg_catalog", "pg_temp"]
OUR_SCHEMAS = {"spotai", "_spotai"}

# PS005 is a warning of pgspot's: a function without a search_path of its own.
# Each that may be so, and why.  An entry that is not needed is a violation.
MAY_LACK_PATH = {
    "spotai.current_tenant": "C; asked for each query, sets the path itself before it looks up anything (identity/owner.c)",
    "spotai.current_principal": "C; as spotai.current_tenant()",
    "spotai.has_permission": "C; as spotai.current_tenant()",
    "_spotai.permitted": "C; as spotai.current_tenant()",
    "_spotai.job_permitted": "C; as spotai.current_tenant(); asked for each row",
    "_spotai.audit_rows": "C; a trigger, where SET costs a tenth of a small INSERT; looks up tables by oid, and its SQL (keys/keys.c) is qualified",
    "spotai.run_jobs": "C; a procedure with a SET clause cannot commit; sets the path itself (job/runner.c)",
}

# Types that are written without a schema; all are pg_catalog's.
SERVER_TYPES = set("""bool boolean bytea char name int2 int4 int8 integer bigint smallint text oid float4 float8 numeric
    json jsonb uuid date timestamp timestamptz interval inet cidr regclass regtype regprocedure regrole regnamespace record void
    trigger varchar bpchar anyelement anyarray internal real xid8 pg_lsn index_am_handler cstring""".split())

violations = []
used_exceptions = set()


def say(where, code, what):
    violations.append(f"{where}: {code} {what}")


def names_of(nodes):
    return [n["String"]["sval"] for n in nodes if "String" in n]


def walk(node, visit):
    """Every dict of a parse tree, with the key under which it stands."""
    if isinstance(node, list):
        for item in node:
            walk(item, visit)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, dict):
                visit(key, value)
            walk(value, visit)


def ctes_of(tree):
    found = set()
    walk(tree, lambda key, value: found.add(value["ctename"]) if key == "CommonTableExpr" else None)
    return found


# --- statements -----------------------------------------------------------------


def check_or_replace(where, key, node):
    if node.get("replace"):
        code = {"CreateFunctionStmt": "PS002", "ViewStmt": "PS015", "CreateTransformStmt": "PS006"}.get(key, "PS007")
        say(where, code, f"OR REPLACE in {key}")
    if node.get("if_not_exists"):
        code = {
            "CreateSchemaStmt": "PS010", "CreateSeqStmt": "PS011", "CreateStmt": "PS012", "CreateTableAsStmt": "PS012",
            "CreateForeignServerStmt": "PS013", "IndexStmt": "PS014",
        }.get(key, "PS012")
        say(where, code, f"IF NOT EXISTS in {key}")


def check_type(where, node):
    names = names_of(node.get("names", []))
    if len(names) == 1 and names[0].lower() not in SERVER_TYPES:
        say(where, "PS017", f"type {names[0]} has no schema")
    elif len(names) > 1 and names[0] not in OUR_SCHEMAS | {"pg_catalog"}:
        say(where, "PS017", f"type {'.'.join(names)} is neither ours nor the server's")


def check_relation(where, node, ctes):
    name = node.get("relname")
    if name is None:
        return
    if "schemaname" not in node:
        # what begins with pg_ is pg_catalog's: nobody else may make such a schema's tables, and it comes first
        if name not in ctes and not name.startswith("pg_"):
            say(where, "PS017", f"relation {name} has no schema")
    elif node["schemaname"] not in OUR_SCHEMAS | {"pg_catalog"}:
        say(where, "PS017", f"relation {node['schemaname']}.{name} is neither ours nor the server's")


def check_call(where, node, safe):
    names = names_of(node.get("funcname", []))
    if len(names) == 1 and not safe:
        say(where, "PS016", f"function {names[0]}() has no schema")
    elif len(names) > 1 and names[0] not in OUR_SCHEMAS | {"pg_catalog"}:
        say(where, "PS016", f"function {'.'.join(names)}() is neither ours nor the server's")


def check_tree(where, tree, safe):
    ctes = ctes_of(tree)

    def visit(key, node):
        check_or_replace(where, key, node)
        if key in ("RangeVar", "relation", "rel", "view", "table", "pktable"):
            check_relation(where, node, ctes)
        elif key in ("TypeName", "typeName", "returnType"):
            check_type(where, node)
        elif key in ("FuncCall", "funccall"):
            check_call(where, node, safe)
        elif key == "A_Expr" and not safe and len(names_of(node.get("name", []))) == 1:
            say(where, "PS001", f"operator {names_of(node['name'])[0]} has no schema")
        elif key == "CaseExpr" and not safe and "arg" in node:
            say(where, "PS009", "CASE with a value compares by an operator of the caller's")

    walk(tree, visit)


def check_sql(where, text, safe):
    tree = json.loads(parse_sql_json(text))
    for statement in tree.get("stmts", []):
        check_tree(where, statement["stmt"], safe)


# --- bodies -----------------------------------------------------------------------


def check_fragment(where, text, safe):
    """A statement, an expression or an assignment of PL/pgSQL."""
    for attempt in (text, "SELECT " + text, "SELECT " + re.sub(r"^[^=]*?:?=", "", text, count=1)):
        try:
            json.loads(parse_sql_json(attempt))
        except Exception:  # pglast has several
            continue
        check_sql(where, attempt, safe)
        return
    say(where, "PS000", f"cannot be parsed: {text[:60]!r}")


def constants_of(tree):
    found = []
    walk(tree, lambda key, value: found.append(value["sval"]["sval"]) if key == "A_Const" and "sval" in value else None)
    return [c if isinstance(c, str) else c.get("sval", "") for c in found]


def check_dynamic(where, text):
    """EXECUTE of a constant or of format(): nothing is pasted together."""
    tree = json.loads(parse_sql_json("SELECT " + text))
    value = tree["stmts"][0]["stmt"]["SelectStmt"]["targetList"][0]["ResTarget"]["val"]
    call = names_of(value.get("FuncCall", {}).get("funcname", []))
    if "A_Const" not in value and call not in (["format"], ["pg_catalog", "format"]):
        say(where, "PS018", f"dynamic SQL is neither a constant nor format(): {text[:60]}")
    for constant in constants_of(value):
        if re.search(r"\bOR\s+REPLACE\b|\bIF\s+NOT\s+EXISTS\b", constant, re.I):
            say(where, "PS007", f"dynamic SQL has OR REPLACE or IF NOT EXISTS: {constant[:60]}")


def check_plpgsql(where, statement, safe):
    tree = json.loads(parse_plpgsql_json(statement))
    dynamic = []

    def visit(key, node):
        if key in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"):
            dynamic.append(node["query"]["PLpgSQL_expr"]["query"])
        elif key == "PLpgSQL_expr":
            check_fragment(where, node["query"], safe)
        elif key == "PLpgSQL_type":
            name = node["typname"].strip().strip('"')
            if re.fullmatch(r"[a-z_0-9]+", name) and name.lower() not in SERVER_TYPES:
                say(where, "PS017", f"type {name} has no schema")

    walk(tree, visit)
    for text in dynamic:
        check_dynamic(where, text)


# --- functions ----------------------------------------------------------------------


def options_of(function):
    found = {}
    for item in function.get("options", []):
        option = item["DefElem"]
        found.setdefault(option["defname"], option.get("arg"))
        if option["defname"] == "set":
            setting = option["arg"]["VariableSetStmt"]
            found["set " + setting["name"]] = setting.get("args", [])
    return found


def path_of(options):
    """None without one."""
    args = options.get("set search_path")
    if args is None:
        return None
    return [a["A_Const"]["sval"]["sval"] if isinstance(a["A_Const"]["sval"], dict) else a["A_Const"]["sval"] for a in args]


def language_of(options):
    return options["language"]["String"]["sval"].lower()


def volatility_of(options):
    return options.get("volatility", {}).get("String", {}).get("sval")


def check_path(where, name, options):
    path = path_of(options)
    definer = "security" in options
    if path is None and definer:
        say(where, "PS003", "SECURITY DEFINER without a search_path")
    elif path is not None and path != SAFE_PATH:
        say(where, "PS004", f"search_path is {', '.join(path)} and not {', '.join(SAFE_PATH)}")
    elif path is None and name in MAY_LACK_PATH and not definer:
        used_exceptions.add(name)
    elif path is None and language_of(options) == "c" and volatility_of(options) == "immutable":
        # computes from its arguments alone, and SET would cost more than it does
        pass
    elif path is None:
        say(where, "PS005", "function without a search_path")
    return path == SAFE_PATH


def check_function(function, statement):
    name = ".".join(names_of(function["funcname"]))
    where = name + "()"
    options = options_of(function)
    if "." not in name or name.split(".")[0] not in OUR_SCHEMAS:
        say(where, "PS017", "is made in no schema of ours")
    safe = check_path(where, name, options)
    language = language_of(options)
    if language == "sql":
        body = options.get("as", {}).get("List", {}).get("items", [{}])[0].get("String", {}).get("sval", "")
        check_sql(where, body, safe)
    elif language == "plpgsql":
        check_plpgsql(where, statement, safe)
    elif language != "c":
        say(where, "PS000", f"language {language} is not understood")


def check_script(text):
    text = re.sub(r"(?m)^\\.*$", "", text)
    raw = text.encode()
    functions = 0
    for item in json.loads(parse_sql_json(text))["stmts"]:
        begin = item.get("stmt_location", 0)
        statement = raw[begin:begin + item["stmt_len"]].decode() if "stmt_len" in item else raw[begin:].decode()
        words = " ".join(re.sub(r"(?m)^\s*--.*$", "", statement).split()[:4])
        function = item["stmt"].get("CreateFunctionStmt")
        # the script runs with the caller's objects in reach: everything outside of bodies is qualified
        check_tree(words, item["stmt"], False)
        if function is not None:
            functions += 1
            check_function(function, statement)
    for name in sorted(MAY_LACK_PATH.keys() - used_exceptions):
        say("tests/lint/spot.py", "PS005", f"the exception for {name}() is not needed")
    return functions


if __name__ == "__main__":
    number = check_script(sys.stdin.read())
    for violation in sorted(set(violations)):
        print(violation)
    print(f"{number} functions, {len(set(violations))} violations", file=sys.stderr)
    sys.exit(1 if violations or number == 0 else 0)
