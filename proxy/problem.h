/*
 * What is wrong with the back-end, told by whichever thread finds it, and logged once while it stays the
 * same. Any thread.
 */
#pragma once

#include <glib.h>

typedef struct PosternProblem PosternProblem;

PosternProblem *postern_problem_new(void);
void postern_problem_free(PosternProblem *problem);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternProblem, postern_problem_free)

/* Logs text (NULL: nothing is wrong any more) about backend, unless that was the last to be said. */
void postern_problem_note(PosternProblem *problem, const char *backend, const char *text);

/* The same for a warning: backend is in service all the same. NULL: there is none any more; that is not
 * logged. */
void postern_problem_warn(PosternProblem *problem, const char *backend, const char *text);
