#include "base/configuration/check.h"
#include "base/configuration/private.h"
#include "base/configuration/row.h"

const char *const postern_client_addresses[] = {"same",
                                                [1 + POSTERN_CLIENT_ADDRESS_XCLIENT] = "xclient",
                                                [1 + POSTERN_CLIENT_ADDRESS_XFORWARD] = "xforward",
                                                [1 + POSTERN_CLIENT_ADDRESS_NONE] = "none",
                                                [1 + POSTERN_CLIENT_ADDRESS_PROXY_V1] = "proxy-v1",
                                                [1 + POSTERN_CLIENT_ADDRESS_PROXY_V2] = "proxy-v2",
                                                NULL};
static const char *const balances[] = {[POSTERN_BALANCE_LEAST_LOADED] = "least_loaded",
                                       [POSTERN_BALANCE_ROUND_ROBIN] = "round_robin",
                                       [POSTERN_BALANCE_CLIENT] = "client",
                                       [POSTERN_BALANCE_RECIPIENT_DOMAIN] = "recipient_domain",
                                       NULL};

static const char *const programs[] = {"auto", "other", "postfix", "exim", "sendmail", "opensmtpd", NULL};
static const char *const tls_levels[] = {"same",
                                         [1 + POSTERN_TLS_OFF] = "off",
                                         [1 + POSTERN_TLS_MAY] = "may",
                                         [1 + POSTERN_TLS_ENCRYPT] = "encrypt",
                                         [1 + POSTERN_TLS_VERIFY] = "verify",
                                         [1 + POSTERN_TLS_DANE] = "dane",
                                         [1 + POSTERN_TLS_DANE_ONLY] = "dane-only",
                                         NULL};

static const PosternOption options[] = {
    {"servers", "address", LIST(servers.address, 0, POSTERN_SERVERS_MAX), "",
     "The servers, as in [proxy] backend, which has those of the default group.",
     postern_configuration_check_server},
    {"servers", "client_address", CHOICE(servers.client_address, postern_client_addresses), "same",
     "How they learn who the client is; same: as [proxy] client_address is.", .reload = RELAYING},
    {"servers", "limit", NUMBER(servers.limit, 0, POSTERN_CONNECTIONS_MAX), "0",
     "Most connections that each of them ever sees; 0: [proxy] backend_connections."},
    {"servers", "balance", CHOICE(servers.balance, balances), "least_loaded",
     "Who is served by which: least_loaded, round_robin, or the same for a client or recipient_domain."},
    {"servers", "slow_start", DURATION(servers.slow_start_ms, 0), "30s",
     "How long a server that failed and comes back gets less than its part of the clients."},
    {"servers", "check", DURATION(servers.check_ms, 100), "5s",
     "How often a server that failed is tried (EHLO, QUIT) while others of its group serve."},
    {"servers", "refusal_cache", NUMBER(servers.refusals, 0, POSTERN_KEPT_REFUSALS_MAX), "0",
     "Recipients whose refusal as unknown (5.1.1, 5.1.6) is remembered, and not asked for again; 0: none."},
    {"servers", "refusal_cache_time", DURATION(servers.refusals_ms, 1000), "10m",
     "How long such a refusal holds; a reload forgets all of them."},
    {"servers", "probe_recipient", STRING(servers.probe_recipient, 0, TEXT), "",
     "As [proxy] relay_probe_recipient, which is for the default group.", postern_configuration_check_mailbox,
     .reload = BACKEND},
    {"servers", "software", CHOICE(servers.software, programs), "auto",
     "What they are, whose manners clients meet; auto: as they greet, other: none of those known.",
     .reload = BACKEND},
    {"servers", "tls", CHOICE(servers.tls, tls_levels), "same",
     "As [tls] servers, of a named group; same: as there, but for the keys below that are set.",
     .reload = RELAYING},
    {"servers", "tls_name", STRING(servers.tls_name, 0, POSTERN_DOMAIN_NAME_MAX_OCTETS), "",
     "As [tls] server_name.", postern_configuration_check_domain, .reload = RELAYING},
    {"servers", "tls_authorities", STRING(servers.tls_authorities, 0, TEXT), "",
     "As [tls] server_authorities.", postern_configuration_check_path, .reload = RELAYING},
    {"servers", "tls_pins", LIST(servers.tls_pins, 0, POSTERN_TLS_PINS_MAX), "", "As [tls] server_pins.",
     postern_configuration_check_key_hash, .reload = RELAYING},
    {"servers", "tls_certificate", STRING(servers.tls_certificate, 0, TEXT), "",
     "As [tls] server_certificate.", postern_configuration_check_path, .reload = RELAYING},
    {"servers", "tls_key", STRING(servers.tls_key, 0, TEXT), "", "As [tls] server_key.",
     postern_configuration_check_path, .reload = RELAYING},
};

const PosternOption *postern_configuration_servers_options(gsize *ret_length)
{
    *ret_length = G_N_ELEMENTS(options);
    return options;
}
