/* link/commands.h - what the satellite may ask of this sidecar: a table of commands, each answered
 * exactly once. What this version does not do is refused in words. */
#pragma once
#include "member/member.h"

void command_handle(Member *m, Link *k, const SidecarDown *cmd);
