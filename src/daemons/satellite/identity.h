/* identity.h - who this satellite is: Secret pg-swarm-satellite-identity, and enrolment at central.
 *
 * The Secret is written before each step that others see: key and request before Register, id and
 * token before CheckApproval, the certificate before the first stream. So a crash at any point goes
 * on where it was: the same request gives the same id. */
#pragma once
#include "config.h"
#include "kube/kube.h"
#include "net/tls.h"

#define IDENTITY_SECRET "pg-swarm-satellite-identity"

typedef enum IdentityState {
    IDENTITY_LOADING,
    IDENTITY_REGISTERING,
    IDENTITY_PENDING,
    IDENTITY_REJECTED,
    IDENTITY_APPROVED,
} IdentityState;
const char *identity_state_name(IdentityState s);

typedef struct Identity Identity;
typedef struct IdentityEvents {
    void (*on_loaded)(void *ctx);   /* once: keys are there */
    void (*on_approved)(void *ctx); /* once: certificate is there */
    void *ctx;
} IdentityEvents;

Identity *identity_start(Loop *l, Kube *k, const SatConfig *cfg, const IdentityEvents *ev);
void identity_free(Identity *id);
/* Central did not take our certificate: ask whether there is another one for us. Certificates are
 * renewed by themselves when two thirds of their life are over. */
void identity_doubted(Identity *id);
IdentityState identity_state(const Identity *id);
const char *identity_satellite_id(const Identity *id);
const char *identity_auth_token(const Identity *id);
const char *identity_kubernetes_version(const Identity *id);
/* The CA that signs our server certificate for sidecars. */
const char *identity_sidecar_ca(const Identity *id);
const char *identity_sidecar_ca_key(const Identity *id);
/* Central as this identity may speak to it: with our certificate once there is one. *ret NULL when
 * central_plaintext is on. */
ErrCode identity_tls(const Identity *id, TlsCtx **ret, Error *err) MUST_USE;
