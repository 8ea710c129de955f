#include "core/map.h"
#include "store/admit.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- cluster addresses and node ports are given out here, as the API server does ---- */

static bool address_taken(Admission *ad, const char *ip)
{
    const Obj **all = store_list(ad->store, ad->a, &(StoreQuery){.kind = K(SERVICE)}, NULL);
    for (; *all; all++) {
        if (str_eq(js_str((*all)->json, "spec.clusterIP"), ip)) {
            return true;
        }
    }
    return false;
}

static ErrCode pick_address(Admission *ad, const char *cidr, char ret[INET_ADDRSTRLEN])
{
    char net[64];
    snprintf(net, sizeof net, "%s", str_or(cidr, "198.18.8.0/21"));
    char *slash = strchr(net, '/');
    uint64_t bits = 0;
    if (slash) {
        *slash = '\0';
        (void)str_to_u64(slash + 1, &bits);
    }
    struct in_addr base;
    if (!inet_aton(net, &base) || bits < 8 || bits > 30) {
        return err_set(ad->err, ERR_INTERNAL, "the service network %s is not usable", net);
    }
    uint32_t room = (1u << (32 - bits)) - 2;
    for (uint32_t i = 1; i <= room; i++) { /* the first one goes to the service "kubernetes" */
        struct in_addr one = {htonl(ntohl(base.s_addr) + i)};
        inet_ntop(AF_INET, &one, ret, INET_ADDRSTRLEN);
        if (!address_taken(ad, ret)) {
            return ERR_OK;
        }
    }
    return err_set(ad->err, ERR_EXHAUSTED, "no cluster address is free in %s", cidr);
}

static bool port_taken(Admission *ad, int64_t port)
{
    const Obj **all = store_list(ad->store, ad->a, &(StoreQuery){.kind = K(SERVICE)}, NULL);
    for (; *all; all++) {
        const cJSON *p;
        if (str_eq((*all)->uid, js_text(ad->obj, "metadata.uid"))) {
            continue;
        }
        js_each(p, js_at((*all)->json, "spec.ports"))
        {
            if (js_int(p, "nodePort", 0) == port) {
                return true;
            }
        }
    }
    return false;
}

static bool in_own_ports(Admission *ad, int64_t port)
{
    const cJSON *p;
    js_each(p, js_at(ad->obj, "spec.ports"))
    {
        if (js_int(p, "nodePort", 0) == port) {
            return true;
        }
    }
    return false;
}

static ErrCode give_node_ports(Admission *ad)
{
    int lo, hi;
    store_node_ports(ad->store, &lo, &hi);
    cJSON *p;
    js_each(p, js_at(ad->obj, "spec.ports"))
    {
        int port = lo;
        if (js_int(p, "nodePort", 0)) {
            continue;
        }
        const cJSON *was = js_find(js_at(ad->old, "spec.ports"), "name", js_text(p, "name"));
        was = was ? was : js_at(ad->old, "spec.ports[0]");
        if (js_int(was, "nodePort", 0) && !in_own_ports(ad, js_int(was, "nodePort", 0))) {
            js_set_int(p, "nodePort", js_int(was, "nodePort", 0));
            continue;
        }
        /* Last, for it asks the kernel: somebody else of this machine may sit on the port. */
        while (port <= hi && (port_taken(ad, port) || in_own_ports(ad, port) ||
                              !store_node_port_free(ad->store, port))) {
            port++;
        }
        if (port > hi) {
            return err_set(ad->err, ERR_EXHAUSTED, "no node port is free in %d-%d", lo, hi);
        }
        js_set_int(p, "nodePort", port);
    }
    return ERR_OK;
}

static void simple_defaults(cJSON *spec, bool external, bool node_ports)
{
    static const struct {
        const char *name, *value;
    } rows[] = {{"internalTrafficPolicy", "Cluster"}, {"ipFamilyPolicy", "SingleStack"}};
    for (size_t i = 0; i < 2 && !external; i++) {
        if (!js_get(spec, rows[i].name)) {
            js_set_str(spec, rows[i].name, rows[i].value);
        }
    }
    if (!external && !js_count(spec, "ipFamilies")) {
        cJSON_AddItemToArray(js_arr(spec, "ipFamilies"), cJSON_CreateString("IPv4"));
    }
    if (node_ports && !js_get(spec, "externalTrafficPolicy")) {
        js_set_str(spec, "externalTrafficPolicy", "Cluster");
    }
    cJSON *p;
    js_each(p, js_get(spec, "ports"))
    {
        const cJSON *t = js_get(p, "targetPort");
        if (!t || (cJSON_IsNumber(t) && t->valuedouble == 0)) {
            js_set_int(p, "targetPort", js_int(p, "port", 0));
        }
        if (!node_ports) {
            js_del(p, "nodePort");
        }
    }
}

ErrCode service_admit(Admission *ad)
{
    cJSON *spec = js_obj(ad->obj, "spec");
    const char *type = js_text(spec, "type");
    bool external = str_eq(type, "ExternalName");
    bool node_ports = str_eq(type, "NodePort") || str_eq(type, "LoadBalancer");
    simple_defaults(spec, external, node_ports);
    if (!ad->old) {
        js_obj(ad->obj, "status.loadBalancer");
    }
    const char *was = js_str(ad->old, "spec.clusterIP");
    if (!external && !*js_text(spec, "clusterIP") && was) {
        js_set_str(spec, "clusterIP", was); /* left out of an update: it stays */
    }
    if (!external && !*js_text(spec, "clusterIP")) {
        char ip[INET_ADDRSTRLEN];
        ErrCode rc = pick_address(ad, store_service_cidr(ad->store), ip);
        if (rc) {
            return rc;
        }
        js_set_str(spec, "clusterIP", ip);
    }
    if (!external) {
        cJSON *ips = cJSON_CreateArray();
        cJSON_AddItemToArray(ips, cJSON_CreateString(js_text(spec, "clusterIP")));
        js_set(spec, "clusterIPs", ips);
    }
    return node_ports ? give_node_ports(ad) : ERR_OK;
}

/* ---- validation ---- */

static void check_port(Admission *ad, Map *names, const cJSON *p, int i)
{
    char path[64];
    int lo, hi;
    Causes *c = &ad->causes;
    store_node_ports(ad->store, &lo, &hi);
    const char *name = js_text(p, "name");
    snprintf(path, sizeof path, "spec.ports[%d].name", i);
    if (!*name && js_count(ad->obj, "spec.ports") > 1) {
        cause_add(c, CAUSE_REQUIRED, path, NULL, "%s", "");
    } else if (*name && map_put(names, name, names)) {
        cause_add(c, CAUSE_DUPLICATE, path, js_get(p, "name"), "%s", "");
    }
    int64_t port = js_int(p, "nodePort", 0);
    snprintf(path, sizeof path, "spec.ports[%d].nodePort", i);
    if (port && (port < lo || port > hi)) {
        cause_add(c, CAUSE_INVALID, path, js_get(p, "nodePort"),
                  "provided port is not in the valid range. The range of valid ports is %d-%d", lo,
                  hi);
    } else if (port && port_taken(ad, port)) {
        cause_add(c, CAUSE_INVALID, path, js_get(p, "nodePort"),
                  "provided port is already allocated");
    }
}

/* A cluster address that was asked for. */
static void check_address(Admission *ad, const char *ip)
{
    struct in_addr one, base;
    char net[64];
    uint64_t bits = 0;
    const char *cidr = str_or(store_service_cidr(ad->store), "198.18.8.0/21");
    snprintf(net, sizeof net, "%s", cidr);
    net[strcspn(net, "/")] = '\0';
    (void)str_to_u64(cidr + strcspn(cidr, "/") + 1, &bits);
    if (!inet_pton(AF_INET, ip, &one)) {
        cause_add(&ad->causes, CAUSE_INVALID, "spec.clusterIPs[0]",
                  js_at(ad->obj, "spec.clusterIP"),
                  "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        return;
    }
    if (!ad->old && address_taken(ad, ip)) {
        cause_add(&ad->causes, CAUSE_INVALID, "spec.clusterIPs", js_at(ad->obj, "spec.clusterIPs"),
                  "failed to allocated ip:%s with error:provided IP is already allocated", ip);
        return;
    }
    bool in = inet_aton(net, &base) && bits > 0 && bits < 32 &&
              (ntohl(one.s_addr) ^ ntohl(base.s_addr)) >> (32 - bits) == 0;
    if (!ad->old && !in) {
        cause_add(&ad->causes, CAUSE_INVALID, "spec.clusterIPs", js_at(ad->obj, "spec.clusterIPs"),
                  "failed to allocated ip:%s with error:provided IP is not in the valid range. The "
                  "range of valid IPs is %s",
                  ip, cidr);
    }
}

void validate_service(Admission *ad)
{
    const char *ip = js_text(ad->obj, "spec.clusterIP"), *type = js_text(ad->obj, "spec.type");
    const char *was = js_str(ad->old, "spec.clusterIP");
    if (!js_count(ad->obj, "spec.ports") && !str_eq(ip, "None") && !str_eq(type, "ExternalName")) {
        cause_add(&ad->causes, CAUSE_REQUIRED, "spec.ports", NULL, "%s", "");
    }
    if (str_eq(type, "ExternalName") && !*js_text(ad->obj, "spec.externalName")) {
        cause_add(&ad->causes, CAUSE_REQUIRED, "spec.externalName", NULL, "%s", "");
    }
    if (was && *was && !str_eq(type, "ExternalName") && !str_eq(ip, was)) {
        cause_add(&ad->causes, CAUSE_INVALID, "spec.clusterIPs[0]",
                  js_at(ad->obj, "spec.clusterIPs"), "may not change once set");
    }
    if (str_eq(ip, "None") && (str_eq(type, "NodePort") || str_eq(type, "LoadBalancer"))) {
        cause_add(&ad->causes, CAUSE_INVALID, "spec.clusterIPs[0]",
                  js_at(ad->obj, "spec.clusterIP"), "may not be set to 'None' for %s services",
                  type);
    }
    if (*ip && !str_eq(ip, "None") && !str_eq(type, "ExternalName")) {
        check_address(ad, ip);
    }
    Map *names = map_new();
    const cJSON *p;
    int i = 0;
    js_each(p, js_at(ad->obj, "spec.ports"))
    {
        check_port(ad, names, p, i++);
    }
    map_free(names);
}
