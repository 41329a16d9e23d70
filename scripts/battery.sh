#!/bin/bash
# make battery: the audit log under load, for long: SPOTAI_AUDIT_ENTRIES rows
# (1,000,000) by 16 clients, SPOTAI_AUDIT_KILLS (20) times kill -9, and nothing may
# be lost, doubled or called damaged.  Needs an installed extension.
. "$(dirname "$0")/lib.sh"

mkdir -p build/logs
need_packages build test
use_server
export SPOTAI_AUDIT_ENTRIES=${SPOTAI_AUDIT_ENTRIES:-1000000} SPOTAI_AUDIT_KILLS=${SPOTAI_AUDIT_KILLS:-20}
in_tap "$(stage)" prove -v tests/tap/053_audit.pl
