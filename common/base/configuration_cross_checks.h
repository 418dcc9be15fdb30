/*
 * Values that are right each by itself and wrong together.
 */
#pragma once

#include "base/configuration.h"
#include "base/configuration_diagnostics.h"

/* Adds what contradicts itself in configuration, whose values have all passed their own checks. */
void postern_configuration_agree(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics);
