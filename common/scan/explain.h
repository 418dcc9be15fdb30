/*
 * Why a verdict is as it is, for people: what the DNS was asked and answered, what each check did step by
 * step, and which rows of policy applied.
 */
#pragma once

#include "dns/answers.h"
#include "verdict/case.h"

/* Lines that go below those of the result; text of others is escaped. A new string. */
char *postern_scan_explain(const PosternAnswers *answers, const PosternFindings *findings,
                           const PosternCase *mail_case);
