#include "netns/netcut.h"

#include "core/arena.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* One transaction is one buffer of messages between BATCH_BEGIN and BATCH_END. */
enum { BATCH_MAX = 64 * 1024, ETH0_INDEX = 2, ANSWER_S = 5, RULES_MAX = 64 };
static const char TABLE[] = "pgswarm";

typedef struct Batch {
    char *p;
    size_t n;
    uint32_t seq;
    struct nlmsghdr *msg; /* under way */
} Batch;

static void *grow(Batch *b, size_t n)
{
    if (b->n + NLMSG_ALIGN(n) > BATCH_MAX)
        BUG("a transaction of nf_tables is too long");
    void *at = b->p + b->n;
    b->n += NLMSG_ALIGN(n);
    return at;
}

static void msg_begin(Batch *b, int type, int flags, uint16_t res_id)
{
    b->msg = grow(b, NLMSG_HDRLEN);
    b->msg->nlmsg_type = (uint16_t)type;
    b->msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    b->msg->nlmsg_seq = ++b->seq;
    struct nfgenmsg *g = grow(b, sizeof *g);
    g->nfgen_family = res_id ? AF_UNSPEC : NFPROTO_IPV4;
    g->res_id = htons(res_id);
}

static void msg_end(Batch *b)
{
    b->msg->nlmsg_len = (uint32_t)(b->p + b->n - (char *)b->msg);
}

static void nft_begin(Batch *b, int type, int flags)
{
    msg_begin(b, NFNL_SUBSYS_NFTABLES << 8 | type, flags | NLM_F_ACK, 0);
}

static void attr(Batch *b, int type, const void *p, size_t n)
{
    struct nlattr *a = grow(b, NLA_HDRLEN + n);
    a->nla_type = (uint16_t)type;
    a->nla_len = (uint16_t)(NLA_HDRLEN + n);
    memcpy((char *)a + NLA_HDRLEN, p, n);
}

static void attr_str(Batch *b, int type, const char *s)
{
    attr(b, type, s, strlen(s) + 1);
}

static void attr_u32(Batch *b, int type, uint32_t v)
{
    uint32_t be = htonl(v);
    attr(b, type, &be, sizeof be);
}

static size_t nest(Batch *b, int type)
{
    size_t at = b->n;
    struct nlattr *a = grow(b, NLA_HDRLEN);
    a->nla_type = (uint16_t)(type | NLA_F_NESTED);
    return at;
}

static void nest_end(Batch *b, size_t at)
{
    ((struct nlattr *)(b->p + at))->nla_len = (uint16_t)(b->n - at);
}

/* ---- what a rule is made of ---- */

/* An expression "name" whose attributes stand between expr and expr_end. */
typedef struct Expr {
    size_t elem, data;
} Expr;

static Expr expr(Batch *b, const char *name)
{
    Expr e = {.elem = nest(b, NFTA_LIST_ELEM)};
    attr_str(b, NFTA_EXPR_NAME, name);
    e.data = nest(b, NFTA_EXPR_DATA);
    return e;
}

static void expr_end(Batch *b, Expr e)
{
    nest_end(b, e.data);
    nest_end(b, e.elem);
}

/* The register is exactly this, or the rule does not match. */
static void must_be(Batch *b, const void *p, size_t n)
{
    Expr e = expr(b, "cmp");
    attr_u32(b, NFTA_CMP_SREG, NFT_REG_1);
    attr_u32(b, NFTA_CMP_OP, NFT_CMP_EQ);
    size_t d = nest(b, NFTA_CMP_DATA);
    attr(b, NFTA_DATA_VALUE, p, n);
    nest_end(b, d);
    expr_end(b, e);
}

static void load_packet(Batch *b, uint32_t base, uint32_t offset, uint32_t len)
{
    Expr e = expr(b, "payload");
    attr_u32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
    attr_u32(b, NFTA_PAYLOAD_BASE, base);
    attr_u32(b, NFTA_PAYLOAD_OFFSET, offset);
    attr_u32(b, NFTA_PAYLOAD_LEN, len);
    expr_end(b, e);
}

static void verdict(Batch *b, uint32_t code)
{
    Expr e = expr(b, "immediate");
    attr_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    size_t d = nest(b, NFTA_IMMEDIATE_DATA), v = nest(b, NFTA_DATA_VERDICT);
    attr_u32(b, NFTA_VERDICT_CODE, code);
    nest_end(b, v);
    nest_end(b, d);
    expr_end(b, e);
}

/* One of the two directions of a NetRule. */
static void add_rule(Batch *b, const NetRule *r, bool out)
{
    uint32_t eth0 = ETH0_INDEX, addr = htonl(r->addr);
    uint16_t port = htons(r->port);
    nft_begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    attr_str(b, NFTA_RULE_TABLE, TABLE);
    attr_str(b, NFTA_RULE_CHAIN, out ? "out" : "in");
    size_t list = nest(b, NFTA_RULE_EXPRESSIONS);
    Expr e = expr(b, "meta");
    attr_u32(b, NFTA_META_DREG, NFT_REG_1);
    attr_u32(b, NFTA_META_KEY, out ? NFT_META_OIF : NFT_META_IIF);
    expr_end(b, e);
    must_be(b, &eth0, sizeof eth0);
    if (r->addr) { /* of an IPv4 header: source at 12, destination at 16 */
        load_packet(b, NFT_PAYLOAD_NETWORK_HEADER, out ? 16 : 12, sizeof addr);
        must_be(b, &addr, sizeof addr);
    }
    if (r->port) { /* of TCP and UDP: source at 0, destination at 2 */
        load_packet(b, NFT_PAYLOAD_TRANSPORT_HEADER, out == r->own_port ? 0 : 2, sizeof port);
        must_be(b, &port, sizeof port);
    }
    verdict(b, r->accept ? NF_ACCEPT : NF_DROP);
    nest_end(b, list);
    msg_end(b);
}

static void table(Batch *b, int type, int flags)
{
    nft_begin(b, type, flags);
    attr_str(b, NFTA_TABLE_NAME, TABLE);
    msg_end(b);
}

static void chain(Batch *b, const char *name, uint32_t hook)
{
    nft_begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    attr_str(b, NFTA_CHAIN_TABLE, TABLE);
    attr_str(b, NFTA_CHAIN_NAME, name);
    size_t at = nest(b, NFTA_CHAIN_HOOK);
    attr_u32(b, NFTA_HOOK_HOOKNUM, hook);
    attr_u32(b, NFTA_HOOK_PRIORITY, 0);
    nest_end(b, at);
    attr_str(b, NFTA_CHAIN_TYPE, "filter");
    msg_end(b);
}

/* Made first, so that it is always there to be deleted: the old one goes, whatever was in it. */
static void fill(Batch *b, const NetRule *rules, size_t n)
{
    msg_begin(b, NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES);
    msg_end(b);
    table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    table(b, NFT_MSG_DELTABLE, 0);
    if (n) {
        table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
        chain(b, "in", NF_INET_LOCAL_IN);
        chain(b, "out", NF_INET_LOCAL_OUT);
    }
    for (size_t i = 0; i < n; i++) {
        add_rule(b, &rules[i], false);
        add_rule(b, &rules[i], true);
    }
    msg_begin(b, NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES);
    msg_end(b);
}

/* ---- the kernel's answers: one per message that asked for it ---- */

static int first_failure(const char *buf, size_t n, uint32_t last, bool *ret_over)
{
    const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
    int failed = 0;
    for (size_t left = n; NLMSG_OK(h, left) && !failed; h = NLMSG_NEXT(h, left)) {
        if (h->nlmsg_type != NLMSG_ERROR)
            continue;
        failed = -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
        *ret_over |= h->nlmsg_seq == last;
    }
    *ret_over |= failed != 0;
    return failed;
}

static int talk(int fd, const Batch *b)
{
    const uint32_t last = b->seq - 1; /* BATCH_END is not acknowledged */
    const struct timeval patience = {.tv_sec = ANSWER_S};
    char buf[16 * 1024] __attribute__((aligned(8)));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (send(fd, b->p, b->n, 0) < 0)
        return errno;
    for (bool over = false;;) {
        ssize_t n = recv(fd, buf, sizeof buf, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        int e = first_failure(buf, (size_t)n, last, &over);
        if (over)
            return e;
    }
}

/* A socket belongs to the namespace that its thread was in when it was made. */
static int open_in(int pod_ns, int home)
{
    if (setns(pod_ns, CLONE_NEWNET) < 0)
        return -1;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), e = errno;
    if (setns(home, CLONE_NEWNET) < 0)
        BUG("a thread is lost in a pod's network: %s", strerror(errno));
    errno = e;
    return fd;
}

ErrCode netcut_apply(int pod_ns, int home, const NetRule *rules, size_t n, Error *err)
{
    if (n > RULES_MAX)
        return err_set(err, ERR_EXHAUSTED, "%zu rules for one pod's packets, %d are the most", n,
                       RULES_MAX);
    int fd = open_in(pod_ns, home);
    if (fd < 0)
        return err_errno(err, errno, "speak to the packet filter of a pod");
    Batch b = {.p = xcalloc(1, BATCH_MAX)};
    fill(&b, rules, n);
    int e = talk(fd, &b);
    free(b.p);
    close(fd);
    return e ? err_errno(err, e, "nf_tables in a pod's network (kernel option CONFIG_NF_TABLES)")
             : ERR_OK;
}
