/*
 * What the proxy says of itself to those who read its metrics or its page.
 */
#pragma once

#include "http/status.h"
#include "proxy/screen/client_table.h"
#include "proxy/settings/settings.h"

/* Adds it to status. From the thread that has settings. */
void postern_proxy_tell(const PosternProxySettings *settings, PosternClientTable *clients,
                        PosternStatus *status);
