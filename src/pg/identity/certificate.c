/*
 * src/pg/identity/certificate.c
 *	  The certificate of the client, which tokens may be bound to.
 *
 * A token that names a certificate (RFC 8705, 3.1) is good on connections with
 * that certificate alone, so that whoever steals the token has stolen nothing.
 * PostgreSQL has verified the certificate, and that the client has its key, when
 * the connection began (clientcert, ssl_ca_file).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

/* Kerberos' headers need not be there: Port has the same members without (libpq-be.h) */
#undef ENABLE_GSS

#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "core/crypto/base64.h"
#include "core/crypto/hmac.h"
#include "pg/identity/internal.h"
#include "pg/seam.h"

SPOTAI_FUNCTION(spotai_client_certificate);

bool
sp_identity_certificate(char out[SP_THUMBPRINT_CHARS + 1])
{
#ifdef USE_OPENSSL
	uint8_t digest[SP_HASH_SHA256_BYTES];
	unsigned n = sizeof(digest);

	if (MyProcPort == NULL || !MyProcPort->ssl_in_use || MyProcPort->peer == NULL ||
	    X509_digest(MyProcPort->peer, EVP_sha256(), digest, &n) != 1)
		return false;
	sp_base64url_encode(digest, n, out);
	out[SP_THUMBPRINT_CHARS] = '\0';
	return true;
#else
	return false;
#endif
}

void
sp_identity_check_thumbprint(const char *text)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

	if (n != SP_THUMBPRINT_CHARS || text[n] != '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("this is no thumbprint of a certificate"),
		                errhint("It is the SHA-256 of its DER form, in base64url: 43 characters. A "
		                        "client sees its own with spotai.client_certificate().")));
}

/* spotai.client_certificate() returns text */
Datum
spotai_client_certificate(PG_FUNCTION_ARGS)
{
	char thumbprint[SP_THUMBPRINT_CHARS + 1];

	if (!sp_identity_certificate(thumbprint))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(thumbprint));
}
