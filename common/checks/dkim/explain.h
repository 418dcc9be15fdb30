/*
 * What was done about a signature, as steps for people (verdict/findings.h). Inner part of the DKIM check.
 */
#pragma once

#include "checks/dkim/signature.h"

/* Notes the steps of signature, the number-th of the message, which is decided; answers has its key. */
void postern_dkim_explain(const PosternDkimSignature *signature, guint number, const PosternAnswers *answers,
                          PosternFindings *findings);
