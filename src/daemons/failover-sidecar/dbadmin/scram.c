#include "dbadmin/bootstrap.h"

#include "core/ident.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

enum { ITERATIONS = 4096, KEY = 32 };

static void hmac(const unsigned char key[KEY], const char *text, unsigned char ret[KEY])
{
    unsigned n = KEY;
    if (!HMAC(EVP_sha256(), key, KEY, (const unsigned char *)text, strlen(text), ret, &n))
        BUG("HMAC-SHA-256 is not there");
}

char *scram_verifier(Arena *a, const char *password, const unsigned char salt[16])
{
    unsigned char salted[KEY], client[KEY], stored[KEY], server[KEY];
    if (!PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, 16, ITERATIONS, EVP_sha256(), KEY,
                           salted))
        BUG("PBKDF2 is not there");
    hmac(salted, "Client Key", client);
    hmac(salted, "Server Key", server);
    SHA256(client, KEY, stored);
    return arena_printf(a, "SCRAM-SHA-256$%d:%s$%s:%s", ITERATIONS, base64_encode(a, salt, 16),
                        base64_encode(a, stored, KEY), base64_encode(a, server, KEY));
}
