/*
 * Lists of networks whose clients are believed, or spared (PosternOption.trust). Whom anybody may be,
 * everybody is: such a list may not hold so many networks that each external client is on it.
 */
#pragma once

#include "base/configuration.h"
#include "base/configuration_diagnostics.h"

/*
 * Whether networks, "ADDRESS" or "ADDRESS/BITS" each, NULL-terminated, add up to so many of the public IPv4
 * or of the public IPv6 addresses (POSTERN_TRUST_PUBLIC_PARTS) that they are no longer somebody's. Private
 * networks do not count: no external client has such an address. IPv4-mapped IPv6 networks are IPv4; what is
 * no network counts for nothing. Overlaps count once.
 */
gboolean postern_networks_are_everybody(const char *const *networks);

/*
 * Adds a mistake for each list of trust in configuration that is everybody, those of [policy NAME] too. A
 * list that only who connects to the proxy can be on may be, if all_loopback: the proxy listens on loopback
 * addresses alone.
 */
void postern_configuration_check_trust(const PosternConfiguration *configuration, gboolean all_loopback,
                                       PosternDiagnostics *diagnostics);
