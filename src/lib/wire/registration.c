#include "wire/registration.h"
#include "pgswarm/v1/registration.pb-c.h"
#include "wire/wire_util.h"

enum { CSR_MAX = 16 * 1024, TEXT_MAX = 253, LABELS_MAX = 64 };

/* Registration is open to strangers: everything is short. */
static ErrCode too_long(const char *field, const char *s, size_t max, Error *err)
{
    size_t n = strlen(s);
    return n <= max ? ERR_OK
                    : err_set(err, ERR_INVALID, "%s: %zu bytes, at most %zu are accepted", field, n,
                              max);
}

static ErrCode check_request(const Pgswarm__V1__RegisterRequest *m, Error *err)
{
    const struct {
        const char *name, *value;
        size_t max;
    } rows[] = {
        {"hostname", m->hostname, TEXT_MAX},
        {"k8s_cluster_name", m->k8s_cluster_name, TEXT_MAX},
        {"region", m->region, TEXT_MAX},
        {"version", m->version, TEXT_MAX},
        {"csr_pem", m->csr_pem, CSR_MAX},
        {"kubernetes_version", m->kubernetes_version, TEXT_MAX},
        {"enrolment_token", m->enrolment_token, TEXT_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (too_long(rows[i].name, rows[i].value, rows[i].max, err))
            return err->code;
    if (m->n_labels > LABELS_MAX)
        return err_set(err, ERR_INVALID, "labels: %zu, at most %d are accepted", m->n_labels,
                       LABELS_MAX);
    return ERR_OK;
}

ErrCode wire_register_request_decode(Arena *a, StrView b, RegisterRequest *ret, Error *err)
{
    Pgswarm__V1__RegisterRequest *m;
    Error own = {0};
    err = err ? err : &own;
    if (WIRE_UNPACK(a, b, pgswarm__v1__register_request, &m, err) || check_request(m, err))
        return err->code;
    *ret = (RegisterRequest){.hostname = m->hostname,
                             .k8s_cluster_name = m->k8s_cluster_name,
                             .region = m->region,
                             .version = m->version,
                             .kubernetes_version = m->kubernetes_version,
                             .csr_pem = m->csr_pem,
                             .enrolment_token = m->enrolment_token};
    WIRE_MAP_GET(a, m->n_labels, m->labels, &ret->labels);
    return ERR_OK;
}

void wire_register_request_encode(const RegisterRequest *m, StrBuf *out)
{
    AUTO_ARENA a = arena_new();
    Pgswarm__V1__RegisterRequest p = PGSWARM__V1__REGISTER_REQUEST__INIT;
    p.hostname = pb_text(m->hostname);
    p.k8s_cluster_name = pb_text(m->k8s_cluster_name);
    p.region = pb_text(m->region);
    p.version = pb_text(m->version);
    p.kubernetes_version = pb_text(m->kubernetes_version);
    p.csr_pem = pb_text(m->csr_pem);
    p.enrolment_token = pb_text(m->enrolment_token);
    WIRE_MAP_PUT(a, m->labels, p.n_labels, p.labels, Pgswarm__V1__RegisterRequest__LabelsEntry,
                 pgswarm__v1__register_request__labels_entry__init);
    pb_pack(&p.base, out);
}

ErrCode wire_register_response_decode(Arena *a, StrView b, RegisterResponse *ret, Error *err)
{
    Pgswarm__V1__RegisterResponse *m;
    ErrCode rc = WIRE_UNPACK(a, b, pgswarm__v1__register_response, &m, err);
    if (rc)
        return rc;
    *ret = (RegisterResponse){m->satellite_id, m->temp_token, m->retry_after_ms, m->note};
    return ERR_OK;
}

void wire_register_response_encode(const RegisterResponse *m, StrBuf *out)
{
    Pgswarm__V1__RegisterResponse p = PGSWARM__V1__REGISTER_RESPONSE__INIT;
    p.satellite_id = pb_text(m->satellite_id);
    p.temp_token = pb_text(m->temp_token);
    p.retry_after_ms = m->retry_after_ms;
    p.note = pb_text(m->note);
    pb_pack(&p.base, out);
}

ErrCode wire_approval_request_decode(Arena *a, StrView b, ApprovalRequest *ret, Error *err)
{
    Pgswarm__V1__CheckApprovalRequest *m;
    Error own = {0};
    err = err ? err : &own;
    if (WIRE_UNPACK(a, b, pgswarm__v1__check_approval_request, &m, err) ||
        too_long("satellite_id", m->satellite_id, TEXT_MAX, err) ||
        too_long("temp_token", m->temp_token, TEXT_MAX, err))
        return err->code;
    *ret = (ApprovalRequest){m->satellite_id, m->temp_token};
    return ERR_OK;
}

void wire_approval_request_encode(const ApprovalRequest *m, StrBuf *out)
{
    Pgswarm__V1__CheckApprovalRequest p = PGSWARM__V1__CHECK_APPROVAL_REQUEST__INIT;
    p.satellite_id = pb_text(m->satellite_id);
    p.temp_token = pb_text(m->temp_token);
    pb_pack(&p.base, out);
}

ErrCode wire_approval_response_decode(Arena *a, StrView b, ApprovalResponse *ret, Error *err)
{
    Pgswarm__V1__CheckApprovalResponse *m;
    ErrCode rc = WIRE_UNPACK(a, b, pgswarm__v1__check_approval_response, &m, err);
    if (rc)
        return rc;
    *ret = (ApprovalResponse){
        .state = (unsigned)m->state <= APPROVAL_REJECTED ? (ApprovalState)m->state : APPROVAL_NONE,
        .auth_token = m->auth_token,
        .certificate_pem = m->certificate_pem,
        .ca_pem = m->ca_pem,
        .name = m->name,
        .retry_after_ms = m->retry_after_ms};
    return ERR_OK;
}

void wire_approval_response_encode(const ApprovalResponse *m, StrBuf *out)
{
    Pgswarm__V1__CheckApprovalResponse p = PGSWARM__V1__CHECK_APPROVAL_RESPONSE__INIT;
    p.state = (Pgswarm__V1__ApprovalState)m->state;
    p.auth_token = pb_text(m->auth_token);
    p.certificate_pem = pb_text(m->certificate_pem);
    p.ca_pem = pb_text(m->ca_pem);
    p.name = pb_text(m->name);
    p.retry_after_ms = m->retry_after_ms;
    pb_pack(&p.base, out);
}
