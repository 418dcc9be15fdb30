/*
 * What the checks of signatures keep between messages.
 */
#pragma once

#include "checks/check.h"
#include "checks/dkim/key.h"

struct PosternDkimEngine {
    PosternDkimKeyRing *ring;
    gboolean partial_body; /* a signature of the beginning of the body passes */
};
