/* cupel doctor: what this machine is, what disturbs measuring on it, and which targets work. */
#include "cli/commands.h"

#include "base/time.h"
#include "measure/measure.h"
#include "report/units.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <signal.h>

#define SHARED_CORE_NS     (400 * NS_PER_MS)
#define SHARED_CORE_SHOWN  .01
#define VERSION_WIDTH_MOST 24

/* Something that may disturb measurements here. */
struct noise {
    const char *name; /* for --json */
    char text[200];
};

struct finding {
    struct machine machine;
    VEC(struct target) wanted; /* none: all that cupel knows */
    struct target_infos targets;
    VEC(struct noise) noises;
    struct str containers;
    int n_containers;
    double shared_core;
    struct programs programs;
    struct err probe_err;
};

static void finding_release(struct finding *f)
{
    VEC_RELEASE(&f->wanted);
    VEC_RELEASE(&f->targets);
    VEC_RELEASE(&f->noises);
    str_release(&f->containers);
}

__attribute__((format(printf, 3, 4))) static void noise_add(struct finding *f, const char *name,
                                                            const char *fmt, ...)
{
    struct noise n = {.name = name};
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(n.text, sizeof(n.text), fmt, ap);
    va_end(ap);
    VEC_PUSH(&f->noises, n);
}

static void noise_machine(struct finding *f)
{
    const struct machine *m = &f->machine;

    if (isfinite(f->shared_core) && f->shared_core >= SHARED_CORE_SHOWN)
        noise_add(f, "shared-core", "CPUs share a physical core at times (%.0f %% of short probes)",
                  100 * f->shared_core);
    if (m->threads_per_core > 1)
        noise_add(f, "smt", "%u threads share each core", m->threads_per_core);
    if (m->governor[0] && !str_eq(m->governor, "performance"))
        noise_add(f, "governor", "frequency governor is %s, not performance", m->governor);
    if (m->clocksource[0] && !str_eq(m->clocksource, "tsc") && !str_eq(m->clocksource, "kvm-clock"))
        noise_add(f, "clocksource", "clock source is %s, not tsc", m->clocksource);
    if (f->n_containers > 0)
        noise_add(f, "containers", "%d container%s of others %s running", f->n_containers,
                  f->n_containers == 1 ? "" : "s", f->n_containers == 1 ? "is" : "are");
    if (m->cpus_usable == 1)
        noise_add(f, "one-cpu", "one CPU: whatever else runs here is measured too");
    double load[1];
    if (getloadavg(load, 1) == 1 && load[0] > .5)
        noise_add(f, "load", "the machine is busy: load %.2f", load[0]);
}

static int read_wanted(const struct options *o, struct finding *f, struct err *err)
{
    size_t n_names;
    const char *const *names = driver_names(&n_names);
    const char *text;
    int r = 0;

    for (size_t i = 0; r >= 0 && (text = options_nth(o, "target", i)); i++) {
        struct target t;
        r = target_parse(text, names, n_names, &t, err);
        if (r >= 0)
            VEC_PUSH(&f->wanted, t);
    }
    return r;
}

static int find(struct finding *f, bool start, struct err *err)
{
    _cleanup_(str_release) struct str state = STR_INIT;
    struct loop *loop;
    cpu_set_t cpus;
    int r = loop_new(&loop, err);

    if (r < 0)
        return r;
    machine_read(&f->machine);
    f->shared_core = NAN;
    if (f->wanted.n == 0 && cgroup_usable_cpus(&f->machine.cgroups, &cpus, NULL) >= 0)
        f->shared_core = machine_shared_core(&cpus, SHARED_CORE_NS);
    f->n_containers = machine_foreign_containers(&f->containers);
    noise_machine(f);
    r = cli_programs(&f->programs, &f->probe_err);
    if (r < 0)
        memset(&f->programs, 0, sizeof(f->programs));
    /* Looking needs neither probe nor state directory; starting needs both. */
    r = 0;
    if (start) {
        if (!f->programs.path[PROGRAM_PROBE][0]) {
            *err = f->probe_err;
            r = -f->probe_err.code;
        }
        if (r == 0)
            r = ledger_state_dir(&state, err);
    }
    if (r >= 0)
        r = measure_doctor(loop, &f->machine, state.buf, &f->programs, f->wanted.v, f->wanted.n,
                           start, NULL, &f->targets, err);
    loop_free(loop);
    return r;
}

static void put_machine(const struct finding *f, const struct style *s, struct str *out)
{
    const struct machine *m = &f->machine;
    char memory[UNIT_TEXT];
    struct flow w;

    unit_bytes(m->memory_bytes, memory);
    flow_begin(&w, out, s, "machine   ", 10);
    flow_add(&w, "%u CPU%s%s%.60s", m->cpus_usable, m->cpus_usable == 1 ? "" : "s",
             m->cpu_model[0] ? ", " : "", m->cpu_model);
    flow_add(&w, "%s", memory);
    flow_add(&w, "Linux %.40s", m->kernel);
    if (m->os[0])
        flow_add(&w, "%.60s", m->os);
    flow_add(&w, "cgroup %s", cgroup_mode_name(m->cgroups.mode));
    if (str_eq(m->virtualisation, "none") || !m->virtualisation[0])
        flow_add(&w, "bare metal");
    else
        flow_add(&w, "inside %s", m->virtualisation);
    if (m->in_container)
        flow_add(&w, "in a container");
    flow_add(&w, "clock %s, %llu ns", m->clocksource[0] ? m->clocksource : "unknown",
             (unsigned long long)m->clock_ns);
    if (!m->kvm_device)
        flow_add(&w, "no /dev/kvm");
    flow_end(&w);
}

static void put_noise(const struct finding *f, const struct style *s, struct str *out)
{
    struct flow w;

    flow_begin(&w, out, s, "noise     ", 10);
    VEC_FOREACH (&f->noises, const struct noise, n)
        flow_add(&w, "%s %s", style_glyph(s, GLYPH_WARN), n->text);
    if (f->noises.n == 0)
        flow_add(&w, "nothing that stands out");
    flow_end(&w);
    for (const char *p = f->containers.buf; *p;) {
        size_t n = strcspn(p, "\n");
        _cleanup_free_ char *name = xstrndup(p, n);
        str_add(out, "          ");
        text_inert(out, name);
        str_addc(out, '\n');
        p += n + (p[n] == '\n');
    }
}

/* "runc version 1.1.5+ds1" says its name twice. */
static void short_version(const struct target_info *info, char *dst, size_t size)
{
    const char *v = info->version, *at = strstr(v, "version ");

    if (at)
        v = at + strlen("version ");
    else if (info->kind[0] && str_starts(v, info->kind) && v[strlen(info->kind)] == ' ')
        v += strlen(info->kind) + 1;
    struct str inert = STR_INIT;
    text_inert(&inert, v);
    str_copy(dst, size, inert.buf);
    str_release(&inert);
}

static enum glyph target_glyph(const struct target_info *info)
{
    if (info->usable)
        return GLYPH_GOOD;
    return info->why == ERR_UNSUPPORTED ? GLYPH_NONE : GLYPH_FAIL;
}

static enum tone target_tone(const struct target_info *info)
{
    if (info->usable)
        return TONE_GOOD;
    return info->why == ERR_UNSUPPORTED ? TONE_QUIET : TONE_FAIL;
}

static void put_target(const struct target_info *info, const size_t widths[3],
                       const struct style *s, struct str *out)
{
    char version[VERSION_WIDTH_MOST + 1];

    short_version(info, version, sizeof(version));
    str_addf(out, "  %s%s%s ", tone_on(s, target_tone(info)), style_glyph(s, target_glyph(info)),
             tone_off(s, target_tone(info)));
    text_pad(out, info->target.label, widths[0], false);
    str_add(out, "  ");
    text_pad(out, version, widths[1], false);
    str_add(out, "  ");
    text_pad(out, info->path, widths[2], false);
    str_addf(out, "  %.8s", info->sha256);
    if (info->work_around[0]) {
        str_add(out, "  ");
        text_inert(out, info->work_around);
    }
    if (info->emulated)
        str_add(out, "  emulated CPU: measured, but not judged");
    if (info->reason[0]) {
        str_add(out, "  ");
        text_inert(out, info->reason);
    }
    text_trim(out);
    str_addc(out, '\n');
}

static void put_targets(const struct finding *f, const struct style *s, struct str *out)
{
    size_t widths[3] = {0}; /* label, version, path */

    VEC_FOREACH (&f->targets, const struct target_info, t) {
        char version[VERSION_WIDTH_MOST + 1];
        short_version(t, version, sizeof(version));
        size_t have[3] = {strlen(t->target.label), strlen(version), strlen(t->path)};
        for (size_t i = 0; i < 3; i++)
            if (have[i] > widths[i])
                widths[i] = have[i];
    }
    str_add(out, "targets\n");
    VEC_FOREACH (&f->targets, const struct target_info, t)
        put_target(t, widths, s, out);
}

static json_t *targets_json(const struct finding *f)
{
    json_t *a = json_array();

    VEC_FOREACH (&f->targets, const struct target_info, t) {
        char *text = target_info_json(t);
        json_t *o = json_loads(text, 0, NULL);
        json_array_append_new(a, o ? o : json_object());
        free(text);
    }
    return a;
}

static json_t *noises_json(const struct finding *f)
{
    json_t *a = json_array();

    VEC_FOREACH (&f->noises, const struct noise, n)
        json_array_append_new(a, json_pack("{s:s, s:s}", "kind", n->name, "text", n->text));
    return a;
}

static void put_json(const struct finding *f, bool started, struct str *out)
{
    char *machine = machine_json(&f->machine);
    json_t *m = json_loads(machine, 0, NULL), *o = json_object(), *c = json_array();

    for (const char *p = f->containers.buf; *p;) {
        size_t n = strcspn(p, "\n");
        struct str name = STR_INIT;
        _cleanup_free_ char *raw = xstrndup(p, n);
        text_inert(&name, raw);
        json_array_append_new(c, json_string(name.buf));
        str_release(&name);
        p += n + (p[n] == '\n');
    }
    json_object_set_new(o, "version", json_string(CUPEL_VERSION));
    json_object_set_new(o, "machine", m ? m : json_null());
    json_object_set_new(o, "shared_core",
                        isfinite(f->shared_core) ? json_real(f->shared_core) : json_null());
    json_object_set_new(o, "noise", noises_json(f));
    json_object_set_new(o, "other_containers", c);
    json_object_set_new(o, "probe",
                        f->programs.path[PROGRAM_PROBE][0]
                            ? json_string(f->programs.path[PROGRAM_PROBE])
                            : json_null());
    json_object_set_new(o, "started", json_boolean(started));
    json_object_set_new(o, "targets", targets_json(f));
    char *text = json_dumps(o, JSON_INDENT(1));
    str_add(out, text);
    str_addc(out, '\n');
    free(text);
    json_decref(o);
    free(machine);
}

static int doctor_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(finding_release) struct finding f = {.containers = STR_INIT};
    _cleanup_(str_release) struct str out = STR_INIT;
    bool start = options_flag(o, "start-test");
    int r;

    signal(SIGPIPE, SIG_IGN);
    r = read_wanted(o, &f, err);
    if (r >= 0)
        r = find(&f, start, err);
    if (r < 0)
        return r;
    if (options_flag(o, "json")) {
        put_json(&f, start, &out);
        return cli_print(&out, err);
    }
    put_machine(&f, &cli->out, &out);
    put_noise(&f, &cli->out, &out);
    if (!f.programs.path[PROGRAM_PROBE][0])
        str_addf(&out, "probe     %s %s\n", style_glyph(&cli->out, GLYPH_FAIL), f.probe_err.msg);
    put_targets(&f, &cli->out, &out);
    if (!f.machine.is_root)
        str_add(&out, "without root only the host can be measured\n");
    else if (!start)
        str_add(&out, "found, not started: cupel doctor --start-test starts each once\n");
    return cli_print(&out, err);
}

static const struct option_def doctor_options[] = {
    {.name = "start-test",
     .kind = OPTION_FLAG,
     .help = "really start each target once, with a deadline, instead of only looking"},
    {.name = "target",
     .arg = "TARGET",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "look at these alone: sooner, and without a look at how the CPUs share a core"},
    {.name = "json", .kind = OPTION_FLAG, .help = "everything that was found out, as JSON"},
};

static const struct example doctor_examples[] = {
    {"cupel doctor", "what can be measured here, and what disturbs it"},
    {"cupel doctor --start-test", "the same, having started each target once"},
    {"cupel doctor --json", "all of it for a program: hashes, control groups, kernel command line"},
};

const struct command cmd_doctor = {
    .name = "doctor",
    .summary = "this machine: which targets work, what disturbs measuring",
    .description = "Lists every target that cupel knows, usable or why not, with version, path and "
                   "hash of the runtime, and what was found out about the machine: control groups, "
                   "virtualisation, clock, sources of noise, other containers that are running. "
                   "Changes nothing. Works without root.",
    .operands = "",
    .options = doctor_options,
    .n_options = ARRAY_SIZE(doctor_options),
    .examples = doctor_examples,
    .n_examples = ARRAY_SIZE(doctor_examples),
    .run = doctor_run,
};
