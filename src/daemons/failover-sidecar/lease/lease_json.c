#include "lease/lease_json.h"

#include "core/clock.h"
#include "kube/kube.h"
#include <inttypes.h>
#include <stdio.h>

#define A_ADDR "pg-swarm.io/primary-addr"
#define A_SYSTEM "pg-swarm.io/system-id"
#define A_TIMELINE "pg-swarm.io/timeline"

static void copy_text(char *dst, size_t cap, const char *src)
{
    snprintf(dst, cap, "%s", str_or(src, ""));
}

void lease_parse(const cJSON *obj, LeaseInfo *ret)
{
    LeaseInfo v = {.exists = true};
    copy_text(v.holder, sizeof v.holder, kube_str(obj, "spec.holderIdentity"));
    copy_text(v.rv, sizeof v.rv, kube_str(obj, "metadata.resourceVersion"));
    copy_text(v.renewed, sizeof v.renewed, kube_str(obj, "spec.renewTime"));
    copy_text(v.primary_addr, sizeof v.primary_addr, kube_annotation(obj, A_ADDR));
    int64_t epoch = kube_int(obj, "spec.leaseTransitions", 0);
    int64_t seconds = kube_int(obj, "spec.leaseDurationSeconds", 0);
    v.epoch = epoch > 0 ? (uint64_t)epoch : 0;
    v.seconds = seconds > 0 && seconds < 3600 ? (uint32_t)seconds : 15;
    uint64_t n;
    if (str_to_u64(str_or(kube_annotation(obj, A_SYSTEM), ""), &n))
        v.system_id = n;
    if (str_to_u64(str_or(kube_annotation(obj, A_TIMELINE), ""), &n) && n <= UINT32_MAX)
        v.timeline = (uint32_t)n;
    *ret = v;
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

static void put_claim(cJSON *obj, const LeaseClaim *c)
{
    char now[CLOCK_RFC3339_LEN + 1], num[24];
    clock_rfc3339(now, c->now_us);
    cJSON *meta = member_object(obj, "metadata"), *notes = member_object(meta, "annotations");
    if (c->addr)
        set_text(notes, A_ADDR, c->addr);
    if (c->system_id) {
        snprintf(num, sizeof num, "%" PRIu64, c->system_id);
        set_text(notes, A_SYSTEM, num);
        snprintf(num, sizeof num, "%" PRIu32, c->timeline);
        set_text(notes, A_TIMELINE, num);
    }
    cJSON *spec = member_object(obj, "spec");
    set_text(spec, "holderIdentity", c->holder);
    set_number(spec, "leaseDurationSeconds", c->seconds);
    set_number(spec, "leaseTransitions", c->epoch);
    set_text(spec, "renewTime", now);
    if (!cJSON_GetObjectItemCaseSensitive(spec, "acquireTime"))
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
