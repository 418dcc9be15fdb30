#include "checks/check.h"

const PosternEvaluation *const postern_evaluations[] = {
#define ENTRY(NAME, member, Type) &postern_evaluation_##member,
    POSTERN_CHECKS_LIST(ENTRY)
#undef ENTRY
};
