/* The verdict on the message in a file: cc judge.c -o judge $(pkg-config --cflags --libs postern) */
#include <postern.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    static char octets[1 << 20];
    FILE *file = argc == 3 ? fopen(argv[2], "r") : NULL;
    PosternJudgeMail mail = {.octets = octets, .client = "192.0.2.1", .sender = "a@example.com"};
    PosternJudgement judgement = {0};
    char *error = "usage: judge postern.conf message.eml";
    PosternJudge *judge = file != NULL ? postern_judge_new(argv[1], &error) : NULL;
    mail.length = file != NULL ? fread(octets, 1, sizeof octets, file) : 0;
    if (judge == NULL || !postern_judge_message(judge, &mail, &judgement, &error))
        return fprintf(stderr, "judge: %s\n", error), 2;
    printf("%s\n%s", judgement.reply != NULL ? judgement.reply : "250 2.0.0 Ok", judgement.findings);
    postern_judgement_clear(&judgement);
    postern_judge_free(judge);
    return 0;
}
