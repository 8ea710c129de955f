/* wire/registration.h - messages of RegistrationService as plain structs. Decoding checks limits
 * and UTF-8 and fills absent strings with "". */
#pragma once
#include "core/strmap.h"

typedef struct RegisterRequest {
    const char *hostname, *k8s_cluster_name, *region;
    StrMap labels;
    const char *version, *kubernetes_version, *csr_pem;
    const char *enrolment_token; /* "" none */
} RegisterRequest;
typedef struct RegisterResponse {
    const char *satellite_id, *temp_token;
    uint32_t retry_after_ms;
    const char *note; /* why the enrolment token did not admit it; "" */
} RegisterResponse;
typedef struct ApprovalRequest {
    const char *satellite_id, *temp_token;
} ApprovalRequest;
typedef enum ApprovalState {
    APPROVAL_NONE,
    APPROVAL_PENDING,
    APPROVAL_APPROVED,
    APPROVAL_REJECTED
} ApprovalState;
typedef struct ApprovalResponse {
    ApprovalState state;
    const char *auth_token, *certificate_pem, *ca_pem, *name;
    uint32_t retry_after_ms;
} ApprovalResponse;

ErrCode wire_register_request_decode(Arena *a, StrView b, RegisterRequest *ret,
                                     Error *err) MUST_USE;
ErrCode wire_register_response_decode(Arena *a, StrView b, RegisterResponse *ret,
                                      Error *err) MUST_USE;
ErrCode wire_approval_request_decode(Arena *a, StrView b, ApprovalRequest *ret,
                                     Error *err) MUST_USE;
ErrCode wire_approval_response_decode(Arena *a, StrView b, ApprovalResponse *ret,
                                      Error *err) MUST_USE;
void wire_register_request_encode(const RegisterRequest *m, StrBuf *out);
void wire_register_response_encode(const RegisterResponse *m, StrBuf *out);
void wire_approval_request_encode(const ApprovalRequest *m, StrBuf *out);
void wire_approval_response_encode(const ApprovalResponse *m, StrBuf *out);
