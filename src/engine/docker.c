#include "engine/docker.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/time.h"

#include <curl/curl.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Of an answer. The longest are lists of a daemon with thousands of containers, which we never ask
 * for. */
#define ANSWER_MAX (4u << 20)

struct docker {
    struct loop *loop;
    char socket[DOCKER_SOCKET_MAX];
    CURLM *multi;
    int timer; /* when curl wants to be called */
    struct loop_source *timer_src;
};

/* One call under way. */
struct call {
    CURL *easy;
    struct str answer;
    bool done, too_long;
    CURLcode result;
    int fd; /* of what is uploaded */
    char error[CURL_ERROR_SIZE];
};

bool docker_users_socket(char dst[DOCKER_SOCKET_MAX])
{
    const char *host = getenv("DOCKER_HOST");
    if (!host || !*host)
        return str_copy(dst, DOCKER_SOCKET_MAX, "/var/run/docker.sock");
    return str_starts(host, "unix:///") &&
           str_copy(dst, DOCKER_SOCKET_MAX, host + strlen("unix://"));
}

const char *docker_socket(const struct docker *d)
{
    return d->socket;
}

struct loop *docker_loop(const struct docker *d)
{
    return d->loop;
}

/* ---- curl's descriptors and its clock, in our loop ---- */

static void read_results(struct docker *d)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(d->multi, &left))) {
        struct call *c = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
        c->result = m->data.result;
        c->done = true;
    }
}

static void on_socket(void *user, int fd, uint32_t events)
{
    struct docker *d = user;
    int running, mask = 0;
    if (events & (EPOLLIN | EPOLLHUP))
        mask |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        mask |= CURL_CSELECT_ERR;
    curl_multi_socket_action(d->multi, fd, mask, &running);
    read_results(d);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *source)
{
    struct docker *d = user;
    struct loop_source *src = source;
    uint32_t events = 0;
    if (what == CURL_POLL_REMOVE) {
        loop_remove(d->loop, src);
        curl_multi_assign(d->multi, fd, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN)
        events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        events |= EPOLLOUT;
    if (src)
        return loop_mod_fd(d->loop, src, events, NULL) < 0 ? -1 : 0;
    if (loop_add_fd(d->loop, fd, events, on_socket, d, &src, NULL) < 0)
        return -1;
    curl_multi_assign(d->multi, fd, src);
    return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *user)
{
    struct docker *d = user;
    struct itimerspec when = {
        .it_value = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * (long)NS_PER_MS}};
    if (timeout_ms < 0)
        when.it_value = (struct timespec){0};
    else if (timeout_ms == 0)
        when.it_value.tv_nsec = 1; /* at once: 0 would be never */
    return timerfd_settime(d->timer, 0, &when, NULL) < 0 ? -1 : 0;
}

static void on_timer(void *user, int fd, uint32_t events)
{
    struct docker *d = user;
    uint64_t times;
    int running;
    if (read(fd, &times, sizeof(times)) != (ssize_t)sizeof(times))
        return; /* it was set anew meanwhile */
    curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    read_results(d);
}

static int timer_make(struct docker *d, struct err *err)
{
    d->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (d->timer < 0)
        return err_errno(err, errno, "make a timer");
    return loop_add_fd(d->loop, d->timer, EPOLLIN, on_timer, d, &d->timer_src, err);
}

int docker_new(struct loop *l, const char *socket, struct docker **ret, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
        return err_set(err, ERR_ENVIRONMENT, EIO, "libcurl cannot be used");
    struct docker *d = xcalloc(1, sizeof(*d));
    d->loop = l;
    d->timer = -1;
    d->multi = curl_multi_init();
    int r = d->multi && str_copy(d->socket, sizeof(d->socket), socket)
                ? timer_make(d, err)
                : err_set(err, ERR_ENVIRONMENT, ENAMETOOLONG, "docker at %s cannot be spoken to",
                          socket);
    if (r < 0) {
        docker_free(d);
        return r;
    }
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETDATA, d);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERDATA, d);
    *ret = d;
    return 0;
}

void docker_free(struct docker *d)
{
    if (!d)
        return;
    if (d->multi)
        curl_multi_cleanup(d->multi);
    loop_remove(d->loop, d->timer_src);
    fd_close(&d->timer);
    free(d);
    curl_global_cleanup();
}

/* ---- one call ---- */

static size_t take_answer(char *bytes, size_t size, size_t n, void *user)
{
    struct call *c = user;
    c->too_long = c->answer.len + size * n > ANSWER_MAX;
    if (c->too_long)
        return 0;
    str_addn(&c->answer, bytes, size * n);
    return size * n;
}

static size_t give_body(char *dst, size_t size, size_t n, void *user)
{
    struct call *c = user;
    ssize_t got;
    do
        got = read(c->fd, dst, size * n);
    while (got < 0 && errno == EINTR);
    return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

/* The pieces that curl does not copy have to last as long as the call. */
static void prepare(struct docker *d, const struct docker_request *q, struct call *c,
                    const char *url, struct curl_slist *headers, const char *body)
{
    CURL *e = c->easy;
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, d->socket);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(e, CURLOPT_PRIVATE, c);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    if (q->upload_bytes > 0) {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->upload_bytes);
        curl_easy_setopt(e, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(e, CURLOPT_READDATA, c);
    } else if (!str_eq(q->method, "GET")) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    }
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
}

static int wait_done(struct docker *d, struct call *c, const char *what, uint64_t deadline_ns,
                     struct err *err)
{
    int r = loop_run_until(d->loop, &c->done, deadline_ns, err);
    if (r == -ETIMEDOUT)
        return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "docker %s: timed out", what);
    return r;
}

static int transport_failed(const struct docker *d, const struct call *c, const char *what,
                            struct err *err)
{
    long code = 0;
    curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &code);
    if (c->result == CURLE_COULDNT_CONNECT && code > 0)
        return err_errno(err, (int)code, "docker at %s", d->socket);
    if (c->too_long)
        return err_set(err, ERR_ENVIRONMENT, EIO, "docker %s: the answer is too long", what);
    return err_set(err, ERR_ENVIRONMENT, EIO, "docker %s: %s", what,
                   c->error[0] ? c->error : curl_easy_strerror(c->result));
}

static int status_errno(long status)
{
    switch (status) {
    case 404:
        return ENOENT;
    case 409:
        return EEXIST;
    case 401:
    case 403:
        return EACCES;
    default:
        return EIO;
    }
}

/* The last of the JSON texts; the first that speaks of an error if there is one. */
static json_t *last_text(const struct str *answer)
{
    const char *at = answer->buf;
    size_t left = answer->len;
    json_t *last = NULL;
    for (;;) {
        json_error_t e;
        json_t *next = json_loadb(at, left, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &e);
        if (!next)
            return last;
        json_decref(last);
        last = next;
        if (json_object_get(last, "error") || e.position <= 0 || (size_t)e.position > left)
            return last;
        at += e.position;
        left -= (size_t)e.position;
    }
}

static int judge(struct call *c, const char *what, json_t **ret, struct err *err)
{
    long status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    json_t *answer = last_text(&c->answer);
    const char *words = json_string_value(json_object_get(answer, "error"));
    if (status >= 400)
        words = json_string_value(json_object_get(answer, "message"));
    int r = 0;
    if (status >= 400 || words)
        r = err_set(err, ERR_ENVIRONMENT, status_errno(status), "docker %s: %s", what,
                    words ? words : "it refuses, and does not say why");
    else if (status < 200)
        r = err_set(err, ERR_ENVIRONMENT, EIO, "docker %s: no answer of HTTP's", what);
    if (r == 0 && ret)
        *ret = json_incref(answer);
    json_decref(answer);
    return r;
}

static bool is_unheard(const struct call *c)
{
    long sent = 0, status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    return sent > 0 && status == 0;
}

int docker_call(struct docker *d, const struct docker_request *q, uint64_t deadline_ns,
                json_t **ret, struct err *err)
{
    struct call c = {.easy = curl_easy_init(), .fd = q->upload_fd};
    str_init(&c.answer);
    _cleanup_free_ char *url = xasprintf("http://docker%s", q->path);
    _cleanup_free_ char *body = q->body ? json_dumps(q->body, JSON_COMPACT) : xstrdup("");
    struct curl_slist *headers =
        curl_slist_append(NULL, q->upload_bytes ? "Content-Type: application/x-tar"
                                                : "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    if (!c.easy || !body || !headers) {
        curl_slist_free_all(headers);
        curl_easy_cleanup(c.easy);
        return err_set(err, ERR_BUG, ENOMEM, "docker %s: no request can be made of it", q->what);
    }
    prepare(d, q, &c, url, headers, body);
    curl_multi_add_handle(d->multi, c.easy);
    int r = wait_done(d, &c, q->what, deadline_ns, err);
    if (q->unheard)
        *q->unheard = is_unheard(&c);
    if (r == 0 && c.result != CURLE_OK)
        r = transport_failed(d, &c, q->what, err);
    if (r == 0)
        r = judge(&c, q->what, ret, err);
    curl_multi_remove_handle(d->multi, c.easy);
    curl_easy_cleanup(c.easy);
    curl_slist_free_all(headers);
    str_release(&c.answer);
    return r;
}

/* ---- what is ours ---- */

/* Does what was found bear the label of the run? */
static bool is_ours(json_t *found, const char *run)
{
    json_t *labels = json_object_get(json_object_get(found, "Config"), "Labels");
    return *run && str_eq(json_string_value(json_object_get(labels, DOCKER_LABEL)), run);
}

/* kind: "containers" or "images". 1: ours, and *ret_id is what it is called by; 0: not there. */
static int find_ours(struct docker *d, const char *kind, const char *name, const char *run,
                     uint64_t deadline_ns, char ret_id[80], struct err *err)
{
    struct err why = ERR_INIT;
    char path[160];
    json_t *found = NULL;
    str_format(path, sizeof(path), "/%s/%s/json", kind, name);
    int r =
        docker_call(d, &(struct docker_request){.method = "GET", .path = path, .what = "inspect"},
                    deadline_ns, &found, &why);
    if (r == -ENOENT && !str_starts(why.msg, "docker at "))
        return 0;
    if (r < 0) {
        if (err)
            *err = why;
        return r;
    }
    const char *id = json_string_value(json_object_get(found, "Id"));
    if (!is_ours(found, run))
        r = err_set(err, ERR_ENVIRONMENT, EPERM, "docker: %s at %s is not ours: left alone", name,
                    d->socket);
    else if (!id || !str_copy(ret_id, 80, id))
        r = err_set(err, ERR_ENVIRONMENT, EIO, "docker inspect: %s has no identifier", name);
    json_decref(found);
    return r < 0 ? r : 1;
}

int docker_remove_container(struct docker *d, const char *name, const char *run,
                            uint64_t deadline_ns, struct err *err)
{
    struct err why = ERR_INIT;
    char id[80], path[160];
    int r = find_ours(d, "containers", name, run, deadline_ns, id, err);
    if (r <= 0)
        return r;
    str_format(path, sizeof(path), "/containers/%s?force=1&v=1", id);
    r = docker_call(d, &(struct docker_request){.method = "DELETE", .path = path, .what = "delete"},
                    deadline_ns, NULL, &why);
    if (r < 0 && r != -ENOENT) {
        if (err)
            *err = why;
        return r;
    }
    r = find_ours(d, "containers", id, run, deadline_ns, id, err);
    if (r > 0)
        return err_set(err, ERR_ENVIRONMENT, EBUSY, "docker container %s is still there", name);
    return r < 0 ? r : 1;
}

int docker_remove_image(struct docker *d, const char *name, const char *run, uint64_t deadline_ns,
                        struct err *err)
{
    char id[80], path[160];
    int r = find_ours(d, "images", name, run, deadline_ns, id, err);
    if (r <= 0)
        return r;
    /* By its name: the same content under a name of somebody else's stays. */
    str_format(path, sizeof(path), "/images/%s", name);
    r = docker_call(
        d, &(struct docker_request){.method = "DELETE", .path = path, .what = "delete image"},
        deadline_ns, NULL, err);
    return r < 0 ? r : 1;
}

int docker_import(struct docker *d, int fd, uint64_t bytes, const char *name, const char *run,
                  uint64_t deadline_ns, struct err *err)
{
    struct err why = ERR_INIT;
    char path[256];
    str_format(path, sizeof(path), "/images/%s/json", name);
    int r =
        docker_call(d, &(struct docker_request){.method = "GET", .path = path, .what = "inspect"},
                    deadline_ns, NULL, &why);
    if (r == 0)
        return err_set(err, ERR_ENVIRONMENT, EEXIST, "docker: an image %s is there already", name);
    if (r != -ENOENT || str_starts(why.msg, "docker at ")) {
        if (err)
            *err = why;
        return r;
    }
    str_format(path, sizeof(path),
               "/images/create?fromSrc=-&repo=%s&tag=latest&changes=LABEL%%20" DOCKER_LABEL "=%s",
               name, run);
    return docker_call(d,
                       &(struct docker_request){.method = "POST",
                                                .path = path,
                                                .what = "import",
                                                .upload_fd = fd,
                                                .upload_bytes = bytes},
                       deadline_ns, NULL, err);
}
