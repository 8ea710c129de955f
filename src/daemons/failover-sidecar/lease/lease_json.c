#include "lease/lease_json.h"

#include "core/clock.h"
#include "kube/kube.h"
#include "model/lsn.h"
#include <inttypes.h>
#include <stdio.h>

enum { NOTE_MAX = 4096 };

static void copy_text(char *dst, size_t cap, const char *src)
{
    snprintf(dst, cap, "%s", str_or(src, ""));
}

/* ---- annotations that are JSON ---- */

static void take_text(const cJSON *o, const char *key, char *dst, size_t cap)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    copy_text(dst, cap, cJSON_IsString(v) ? v->valuestring : NULL);
}

static uint64_t take_lsn(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    uint64_t lsn;
    return cJSON_IsString(v) && lsn_parse(v->valuestring, &lsn) ? lsn : 0;
}

static uint32_t take_u32(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble <= UINT32_MAX
               ? (uint32_t)v->valuedouble
               : 0;
}

/* NULL when absent or not a JSON object; the caller deletes it. */
static cJSON *note_object(const cJSON *obj, const char *key)
{
    const char *text = kube_annotation(obj, key);
    cJSON *o = text && strlen(text) <= NOTE_MAX ? cJSON_Parse(text) : NULL;
    if (o && cJSON_IsObject(o))
        return o;
    cJSON_Delete(o);
    return NULL;
}

static void parse_released(const cJSON *obj, LeaseReleased *ret)
{
    cJSON *o = note_object(obj, LEASE_A_RELEASED);
    take_text(o, "by", ret->by, sizeof ret->by);
    ret->is = *ret->by;
    ret->clean = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "clean"));
    take_text(o, "reason", ret->reason, sizeof ret->reason);
    ret->lsn = take_lsn(o, "lsn");
    ret->timeline = take_u32(o, "timeline");
    cJSON_Delete(o);
}

static void parse_handover(const cJSON *obj, LeaseHandover *ret)
{
    cJSON *o = note_object(obj, LEASE_A_HANDOVER);
    take_text(o, "operation", ret->operation, sizeof ret->operation);
    take_text(o, "from", ret->from, sizeof ret->from);
    take_text(o, "to", ret->to, sizeof ret->to);
    ret->lsn = take_lsn(o, "lsn");
    ret->timeline = take_u32(o, "timeline");
    ret->is = *ret->to;
    cJSON_Delete(o);
}

static void parse_paused(const cJSON *obj, LeasePaused *ret)
{
    cJSON *o = note_object(obj, LEASE_A_PAUSED);
    ret->is = o;
    take_text(o, "by", ret->by, sizeof ret->by);
    take_text(o, "operation", ret->operation, sizeof ret->operation);
    cJSON_Delete(o);
}

static void parse_failover(const cJSON *obj, LeaseFailover *ret)
{
    cJSON *o = note_object(obj, LEASE_A_FAILOVER);
    ret->is = o;
    take_text(o, "operation", ret->operation, sizeof ret->operation);
    take_text(o, "to", ret->to, sizeof ret->to);
    ret->accept_data_loss = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "accept_data_loss"));
    cJSON_Delete(o);
}

static char *print_into(Arena *a, cJSON *o)
{
    char *text = cJSON_PrintUnformatted(o);
    char *ret = arena_strdup(a, text);
    cJSON_free(text);
    cJSON_Delete(o);
    return ret;
}

static void add_lsn(cJSON *o, const char *key, uint64_t lsn)
{
    char buf[LSN_TEXT_MAX];
    cJSON_AddStringToObject(o, key, lsn_text(buf, lsn));
}

char *lease_released_json(Arena *a, const LeaseReleased *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "by", r->by);
    cJSON_AddStringToObject(o, "reason", r->reason);
    add_lsn(o, "lsn", r->lsn);
    cJSON_AddNumberToObject(o, "timeline", r->timeline);
    cJSON_AddBoolToObject(o, "clean", r->clean);
    return print_into(a, o);
}

char *lease_handover_json(Arena *a, const LeaseHandover *h)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "operation", h->operation);
    cJSON_AddStringToObject(o, "from", h->from);
    cJSON_AddStringToObject(o, "to", h->to);
    add_lsn(o, "lsn", h->lsn);
    cJSON_AddNumberToObject(o, "timeline", h->timeline);
    return print_into(a, o);
}

char *lease_paused_json(Arena *a, const LeasePaused *p)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "by", p->by);
    cJSON_AddStringToObject(o, "operation", p->operation);
    return print_into(a, o);
}

char *lease_failover_json(Arena *a, const LeaseFailover *f)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "operation", f->operation);
    cJSON_AddStringToObject(o, "to", f->to);
    cJSON_AddBoolToObject(o, "accept_data_loss", f->accept_data_loss);
    return print_into(a, o);
}

/* ---- the object ---- */

void lease_parse(const cJSON *obj, LeaseInfo *ret)
{
    LeaseInfo v;
    memset(&v, 0, sizeof v); /* compared as bytes: see lease_same */
    v.exists = true;
    copy_text(v.holder, sizeof v.holder, kube_str(obj, "spec.holderIdentity"));
    copy_text(v.rv, sizeof v.rv, kube_str(obj, "metadata.resourceVersion"));
    copy_text(v.renewed, sizeof v.renewed, kube_str(obj, "spec.renewTime"));
    copy_text(v.uid, sizeof v.uid, kube_annotation(obj, LEASE_A_UID));
    copy_text(v.primary_addr, sizeof v.primary_addr, kube_annotation(obj, LEASE_A_ADDR));
    int64_t epoch = kube_int(obj, "spec.leaseTransitions", 0);
    int64_t seconds = kube_int(obj, "spec.leaseDurationSeconds", 0);
    v.epoch = epoch > 0 ? (uint64_t)epoch : 0;
    v.seconds = seconds > 0 && seconds < 3600 ? (uint32_t)seconds : 15;
    uint64_t n;
    if (str_to_u64(str_or(kube_annotation(obj, LEASE_A_SYSTEM), ""), &n))
        v.system_id = n;
    if (str_to_u64(str_or(kube_annotation(obj, LEASE_A_TIMELINE), ""), &n) && n <= UINT32_MAX)
        v.timeline = (uint32_t)n;
    if (str_to_u64(str_or(kube_annotation(obj, LEASE_A_SERVED), ""), &n))
        v.served = n;
    copy_text(v.sync, sizeof v.sync, kube_annotation(obj, LEASE_A_SYNC));
    parse_released(obj, &v.released);
    parse_handover(obj, &v.handover);
    parse_paused(obj, &v.paused);
    parse_failover(obj, &v.failover);
    memcpy(ret, &v, sizeof v);
}

bool lease_same(const LeaseInfo *a, const LeaseInfo *b)
{
    LeaseInfo x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    memset(x.rv, 0, sizeof x.rv);
    memset(y.rv, 0, sizeof y.rv);
    memset(x.renewed, 0, sizeof x.renewed);
    memset(y.renewed, 0, sizeof y.renewed);
    return memcmp(&x, &y, sizeof x) == 0;
}

static cJSON *member_object(cJSON *parent, const char *key)
{
    cJSON *o = cJSON_GetObjectItemCaseSensitive(parent, key);
    if (cJSON_IsObject(o))
        return o;
    cJSON_DeleteItemFromObjectCaseSensitive(parent, key);
    return cJSON_AddObjectToObject(parent, key);
}

static void set_text(cJSON *o, const char *key, const char *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(o, key);
    cJSON_AddStringToObject(o, key, value);
}

static void set_number(cJSON *o, const char *key, uint64_t value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(o, key);
    cJSON_AddNumberToObject(o, key, (double)value);
}

static void put_notes(cJSON *notes, const LeaseNote *at, size_t n)
{
    for (size_t i = 0; i < n && at[i].key; i++) {
        if (at[i].value)
            set_text(notes, at[i].key, at[i].value);
        else
            cJSON_DeleteItemFromObjectCaseSensitive(notes, at[i].key);
    }
}

static void put_claim(cJSON *obj, const LeaseClaim *c)
{
    char now[CLOCK_RFC3339_LEN + 1], num[24];
    clock_rfc3339(now, c->now_us);
    cJSON *meta = member_object(obj, "metadata"), *notes = member_object(meta, "annotations");
    bool taken = !str_eq(str_or(kube_str(obj, "spec.holderIdentity"), ""), c->holder);
    if (taken)
        cJSON_DeleteItemFromObjectCaseSensitive(notes, LEASE_A_UID);
    if (!str_empty(c->uid))
        set_text(notes, LEASE_A_UID, c->uid);
    if (c->addr)
        set_text(notes, LEASE_A_ADDR, c->addr);
    if (c->system_id) {
        snprintf(num, sizeof num, "%" PRIu64, c->system_id);
        set_text(notes, LEASE_A_SYSTEM, num);
        snprintf(num, sizeof num, "%" PRIu32, c->timeline);
        set_text(notes, LEASE_A_TIMELINE, num);
    }
    if (c->served) {
        snprintf(num, sizeof num, "%" PRIu64, c->served);
        set_text(notes, LEASE_A_SERVED, num);
    }
    if (c->sync)
        set_text(notes, LEASE_A_SYNC, c->sync);
    put_notes(notes, c->notes, LEASE_NOTES);
    cJSON *spec = member_object(obj, "spec");
    set_text(spec, "holderIdentity", c->holder);
    set_number(spec, "leaseDurationSeconds", c->seconds);
    set_number(spec, "leaseTransitions", c->epoch);
    set_text(spec, "renewTime", now);
    if (taken || !cJSON_GetObjectItemCaseSensitive(spec, "acquireTime"))
        set_text(spec, "acquireTime", now);
}

cJSON *lease_create_body(const LeaseClaim *c)
{
    cJSON *obj = cJSON_CreateObject(), *meta = member_object(obj, "metadata");
    set_text(meta, "name", c->name);
    set_text(meta, "namespace", c->ns);
    cJSON *labels = member_object(meta, "labels");
    set_text(labels, "app.kubernetes.io/managed-by", "pg-swarm");
    set_text(labels, "pg-swarm.io/cluster", c->cluster);
    put_claim(obj, c);
    return obj;
}

cJSON *lease_update_body(const cJSON *seen, const LeaseClaim *c)
{
    cJSON *obj = cJSON_Duplicate(seen, true);
    put_claim(obj, c);
    return obj;
}

cJSON *lease_notes_body(const cJSON *seen, const LeaseNote *notes, size_t n)
{
    cJSON *obj = cJSON_Duplicate(seen, true);
    put_notes(member_object(member_object(obj, "metadata"), "annotations"), notes, n);
    return obj;
}

bool addr_split(const char *addr, char *ret_host, size_t cap, uint16_t *ret_port)
{
    const char *colon = strrchr(addr, ':');
    uint64_t port;
    if (!colon || !str_to_u64(colon + 1, &port) || port == 0 || port > 65535)
        return false;
    StrView host = sv_n(addr, (size_t)(colon - addr));
    if (sv_starts(host, "[") && sv_ends(host, "]"))
        host = sv_n(host.p + 1, host.n - 2);
    else if (memchr(host.p, ':', host.n))
        return false;
    if (!host.n || host.n >= cap)
        return false;
    snprintf(ret_host, cap, SV_FMT, SV_ARG(host));
    *ret_port = (uint16_t)port;
    return true;
}
