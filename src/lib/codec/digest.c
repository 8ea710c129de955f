#include "codec/digest.h"

#include "core/ident.h"
#include <sodium.h>

void sha256_hex(char ret[SHA256_HEX + 1], const void *p, size_t n)
{
    unsigned char sum[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(sum, p, n);
    hex_encode(ret, sum, sizeof sum);
}
