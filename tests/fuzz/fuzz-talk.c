/* What a machine says that should be a steward's: any bytes. Whatever they are, the talk ends, and
 * nothing that was not checked is taken for the machine's place. A first byte out of MODES says in
 * which state of ours they come. */
#include "fleet/roll.h"
#include "fleet/talk.h"

#include "base/fd.h"
#include "base/fs.h"

#include <fcntl.h>
#include <signal.h>

/* ^C now; ^C came before; what was kept is fetched; certain targets are wanted; what of
 * them is missing there may be installed. */
#define MODES "!*+~^"

/* A pipe holds so much without a reader. */
#define SAID_MOST 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool cond)
{
    if (!cond)
        abort();
}

static void on_say(void *user, const struct fleet_machine *m, const char *line)
{
    must(strlen(line) < 512 && strpbrk(line, "\n\033") == NULL);
}

static char dir[] = "/dev/shm/cupel-fuzz-talk-XXXXXX";

static void remove_dir(void)
{
    (void)fs_remove_tree(dir, NULL);
}

static struct fleet_options *options(void)
{
    static struct fleet_options o = {.say = on_say};

    if (o.loop)
        return &o;
    signal(SIGPIPE, SIG_IGN);
    must(mkdtemp(dir) && loop_new(&o.loop, NULL) == 0);
    must(store_open(":memory:", true, &o.store, NULL) == 0);
    o.state_dir = dir;
    atexit(remove_dir);
    return &o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fleet f;
    struct fleet_options *o = options();
    struct err err = ERR_INIT;
    char mode = size > 0 && data[0] && strchr(MODES, data[0]) ? (char)data[0] : '\0';
    int in[2];

    size = size < SAID_MOST ? size : SAID_MOST;
    data += mode != '\0';
    size -= mode != '\0';
    must(fd_pipe(in, NULL) == 0 && fd_write_full(in[1], data, size, NULL) == 0);
    fd_close(&in[1]);
    fleet_init(&f);
    f.install = mode == '^';
    must(fleet_add(&f, "ssh:a", &err) == 0);
    str_copy(f.id, sizeof(f.id), "00000000");
    VEC_PUSH(&f.args, xstrdup("--share"));
    if (mode == '~' || mode == '^') {
        VEC_PUSH(&f.wanted, xstrdup("host"));
        VEC_PUSH(&f.wanted, xstrdup("*un*"));
    }
    struct voyage v = {.fleet = &f, .o = o};
    struct talk t = {
        .v = &v, .m = &f.machines.v[0], .resume = mode == '+', .stopping = mode == '*'};
    must(link_new(o->loop, in[0], open("/dev/null", O_WRONLY | O_CLOEXEC), NULL, &t.link, &err) ==
         0);
    if (mode == '!')
        loop_set_interrupt(o->loop, SIGINT);
    int r = talk_through(&t, &err);
    loop_clear_interrupt(o->loop);
    must(r == 0 ? t.m->ended : r < 0);
    must(t.m->place[0] == '\0' || roll_place_ok(t.m->place));
    link_free(t.link);
    fleet_release(&f);
    return 0;
}
