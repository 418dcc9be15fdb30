/*
 * Where the proxy itself listens.
 */
#pragma once

#include "base/address.h"
#include "base/configuration.h"

/*
 * What is sent to server comes to one of [proxy] listen, tls_listen, submission_listen and
 * submission_tls_listen: that one, as it is written, owned by configuration; NULL: to none of them. One that
 * is for all addresses has those of loopback, and those that the interfaces have at the moment.
 */
const char *postern_configuration_listener_at(const PosternConfiguration *configuration,
                                              const PosternAddress *server);
