/* healthz.h - the pod's probes on port 8008: /healthz (this sidecar lives), /readyz (this member
 * takes clients; the reason when not). */
#pragma once
#include "http/server.h"
#include "member/member.h"

ErrCode healthz_start(Loop *l, const Config *cfg, Member *m, HttpServer **ret, Error *err) MUST_USE;
