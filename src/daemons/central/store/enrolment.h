/* central/store/enrolment.h - the rows behind registration and stream admission. */
#pragma once
#include "ca.h"
#include "store/store.h"
#include "wire/registration.h"

enum { TEMP_TOKEN_HOURS = 24 };

typedef struct EnrolNew {
    const char *name; /* a DNS label made from what the satellite said */
    const RegisterRequest *req;
    const char *peer;
    const unsigned char *key_sha256, *temp_sha256; /* 32 bytes each */
    char *labels_json;
} EnrolNew;
/* Insert, or refresh the row that has this key: the id is the same for the same key. */
void enrol_register(App *app, const EnrolNew *n,
                    void (*done)(void *ctx, const Error *err, const char *satellite_id), void *ctx);

typedef struct EnrolRow {
    const char *id, *name, *state, *csr_pem, *certificate_pem;
    int64_t certificate_expires_us, created_us;
} EnrolRow;
typedef void (*EnrolDone)(void *ctx, const Error *err, const EnrolRow *row);
/* By id and unexpired temporary token, else ERR_UNAUTHENTICATED. */
void enrol_check(App *app, Arena *a, const char *id, const unsigned char temp_sha256[32],
                 EnrolDone done, void *ctx);
/* Keep what was issued; only while the satellite is approved, else ERR_PRECONDITION. */
void enrol_issue(App *app, const char *id, const ClientCert *cert,
                 const unsigned char auth_sha256[32], AppDone done, void *ctx);

/* Who may open a stream: an approved satellite by id (its certificate) or by bearer token. Else
 * ERR_UNAUTHENTICATED (unknown) or ERR_FORBIDDEN (known, but not approved). */
typedef struct Admitted {
    char id[UUID_TEXT], name[64];
    int64_t last_event_seq;
    int64_t epoch; /* of this stream */
} Admitted;
typedef struct AdmitAsk {
    const char *satellite_id;          /* NULL: by token */
    const unsigned char *token_sha256; /* 32 bytes, or NULL */
    const char *peer;
} AdmitAsk;
typedef void (*AdmitDone)(void *ctx, const Error *err, const Admitted *s);
/* Takes the stream row over for this central with a new epoch. */
void enrol_admit(App *app, const AdmitAsk *ask, AdmitDone done, void *ctx);
/* The stream ended: the row goes, unless a newer one took it over. done may be NULL. */
void enrol_leave(App *app, const char *satellite_id, int64_t epoch, AppDone done, void *ctx);
