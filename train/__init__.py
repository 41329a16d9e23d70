"""Training of the extension's own model; never needed to build or use the extension.

SPDX-License-Identifier: PostgreSQL
"""
