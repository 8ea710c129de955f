#include "operator/reconcile.h"

#include <stdlib.h>

/* Server-side apply, the API versions that we ask for and tokens that expire: all there from here
 * on, and tried on it. */
enum { MAJOR_MIN = 1, MINOR_MIN = 20 };

ErrCode server_version_check(const cJSON *version, Error *err)
{
    const char *major = kube_str(version, "major"), *minor = kube_str(version, "minor");
    const char *text = str_or(kube_str(version, "gitVersion"), "unknown");
    long a = strtol(str_or(major, ""), NULL, 10); /* "20+" is 20 */
    long b = strtol(str_or(minor, ""), NULL, 10);
    if (a > MAJOR_MIN || (a == MAJOR_MIN && b >= MINOR_MIN))
        return ERR_OK;
    return err_set(err, ERR_UNSUPPORTED,
                   "this Kubernetes is too old: it is %s, v%d.%d and later are right", text,
                   MAJOR_MIN, MINOR_MIN);
}

static void on_version(void *ctx, const Error *err, int status, StrView body)
{
    Pass *p = ctx;
    Error why;
    p->call = NULL;
    if (!err && status != 200) {
        err_set(&why, ERR_UNAVAILABLE, "no version, but status %d", status);
        err = &why;
    }
    if (err) {
        pass_fail(p, err, "the API server's version");
        return;
    }
    cJSON *v = cJSON_ParseWithLength(body.p, body.n);
    ErrCode rc = server_version_check(v, &why);
    cJSON_Delete(v);
    if (rc) {
        pass_fail(p, &why, "");
        return;
    }
    p->c->site->server_fits = true;
    pass_next(p);
}

/* Asked until it fits, then never again: servers grow newer. */
void step_server(Pass *p)
{
    if (p->c->site->server_fits)
        pass_next(p);
    else
        p->call = kube_raw(p->c->site->kube, &(KubeRaw){.method = "GET", .path = "/version"},
                           on_version, p);
}
