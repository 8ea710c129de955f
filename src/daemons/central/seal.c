#include "seal.h"

#include "core/file.h"
#include "core/ident.h"
#include <sodium.h>
#include <stdlib.h>

/* The box is crypto_secretbox_easy over "name NUL plain": a row copied under another name does not
 * open. */
struct Sealer {
    unsigned char key[crypto_secretbox_KEYBYTES];
};

static ErrCode make_key(const char *path, Error *err)
{
    char hex[crypto_secretbox_KEYBYTES * 2 + 2];
    unsigned char key[crypto_secretbox_KEYBYTES];
    random_bytes(key, sizeof key);
    hex_encode(hex, key, sizeof key);
    sodium_memzero(key, sizeof key);
    hex[sizeof hex - 2] = '\n';
    const char *slash = strrchr(path, '/');
    if (slash && slash != path) {
        char *dir = xstrndup(path, (size_t)(slash - path));
        ErrCode rc = file_mkdirs(dir, 0700, err);
        free(dir);
        if (rc)
            return err_wrap(err, "key file");
    }
    ErrCode rc = file_write_atomic(path, sv_n(hex, sizeof hex - 1), 0600, err);
    sodium_memzero(hex, sizeof hex);
    return rc ? err_wrap(err, "key file") : ERR_OK;
}

ErrCode sealer_open(const char *path, bool create, Sealer **ret, Error *err)
{
    AUTO_ARENA a = arena_new();
    StrView text;
    if (sodium_init() < 0)
        BUG("libsodium does not start");
    if (create && !file_exists(path) && make_key(path, err))
        return err->code;
    if (file_read(a, path, 4096, &text, err))
        return err_wrap(err, "key file (pg-swarm-central init makes one)");
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' '))
        text.n--;
    Sealer *s = xnew(Sealer);
    if (hex_decode(s->key, sizeof s->key, text.p, text.n) != (ptrdiff_t)sizeof s->key) {
        free(s);
        return err_set(err, ERR_INVALID, "key file %s: it must hold 64 hex digits", path);
    }
    *ret = s;
    return ERR_OK;
}

void sealer_free(Sealer *s)
{
    if (s)
        sodium_memzero(s, sizeof *s);
    free(s);
}

StrView seal(const Sealer *s, Arena *a, const char *name, StrView plain)
{
    size_t head = strlen(name) + 1, n = head + plain.n;
    unsigned char *msg = arena_alloc(a, n);
    unsigned char *out =
        arena_alloc(a, crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + n);
    memcpy(msg, name, head);
    if (plain.n)
        memcpy(msg + head, plain.p, plain.n);
    random_bytes(out, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(out + crypto_secretbox_NONCEBYTES, msg, n, out, s->key);
    sodium_memzero(msg, n);
    return sv_n((char *)out, crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + n);
}

ErrCode unseal(const Sealer *s, Arena *a, const char *name, StrView sealed, StrView *ret,
               Error *err)
{
    const size_t extra = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
    size_t head = strlen(name) + 1;
    const unsigned char *in = (const unsigned char *)sealed.p;
    if (sealed.n < extra + head)
        return err_set(err, ERR_DATA_LOSS, "secret '%s': %zu bytes are too few", name, sealed.n);
    unsigned char *out = arena_alloc(a, sealed.n - extra + 1);
    if (crypto_secretbox_open_easy(out, in + crypto_secretbox_NONCEBYTES,
                                   sealed.n - crypto_secretbox_NONCEBYTES, in, s->key) ||
        memcmp(out, name, head) != 0)
        return err_set(err, ERR_PRECONDITION,
                       "secret '%s' does not open with this key file: it was sealed with another",
                       name);
    *ret = sv_n((char *)out + head, sealed.n - extra - head);
    return ERR_OK;
}

void sealer_derive(const Sealer *s, const char *purpose, const char *text, char ret[65])
{
    unsigned char out[32];
    crypto_generichash_state st;
    crypto_generichash_init(&st, s->key, sizeof s->key, sizeof out);
    crypto_generichash_update(&st, (const unsigned char *)purpose, strlen(purpose) + 1);
    crypto_generichash_update(&st, (const unsigned char *)text, strlen(text));
    crypto_generichash_final(&st, out, sizeof out);
    hex_encode(ret, out, sizeof out);
    sodium_memzero(out, sizeof out);
}
