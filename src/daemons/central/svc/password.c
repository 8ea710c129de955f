#include "svc/password.h"

#include "core/str.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Job {
    char password[PASSWORD_MAX + 1], hash[crypto_pwhash_STRBYTES];
    bool verify, ok;
    void (*hashed)(void *ctx, const char *hash);
    void (*verified)(void *ctx, bool ok);
    void *ctx;
} Job;

ErrCode password_check(const char *password, Error *err)
{
    size_t n = strlen(str_or(password, ""));
    if (n < PASSWORD_MIN || n > PASSWORD_MAX)
        return err_set(err, ERR_INVALID, "password: %zu characters; %d to %d are right", n,
                       PASSWORD_MIN, PASSWORD_MAX);
    return ERR_OK;
}

static void work(void *ctx)
{
    Job *j = ctx;
    char scratch[crypto_pwhash_STRBYTES];
    size_t n = strlen(j->password);
    if (j->verify && *j->hash) {
        j->ok = crypto_pwhash_str_verify(j->hash, j->password, n) == 0;
    } else if (crypto_pwhash_str(j->verify ? scratch : j->hash, j->password, n,
                                 crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                 crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
        BUG("argon2id: out of memory");
    }
    sodium_memzero(j->password, sizeof j->password);
}

static void done(void *ctx)
{
    Job *j = ctx;
    if (j->verify)
        j->verified(j->ctx, j->ok);
    else
        j->hashed(j->ctx, j->hash);
    free(j);
}

static Job *job_new(const char *password, void *ctx)
{
    Job *j = xnew(Job);
    snprintf(j->password, sizeof j->password, "%s", password);
    j->ctx = ctx;
    return j;
}

void password_hash(Loop *l, const char *password, void (*hashed)(void *ctx, const char *hash),
                   void *ctx)
{
    Job *j = job_new(password, ctx);
    j->hashed = hashed;
    loop_work(l, work, done, j);
}

void password_verify(Loop *l, const char *password, const char *hash,
                     void (*verified)(void *ctx, bool ok), void *ctx)
{
    Job *j = job_new(password, ctx);
    j->verify = true;
    j->verified = verified;
    snprintf(j->hash, sizeof j->hash, "%s", strlen(password) > PASSWORD_MAX ? "" : hash);
    loop_work(l, work, done, j);
}
