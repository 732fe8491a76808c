"""The page of `cupel report` as people use it: opened in a headless Chromium, read, sorted, filtered,
clicked, printed; and made from a run whose every string is out to get the reader.

run.json is a real run, measured on a virtual machine with two CPUs: all experiments in small.
"""
import json
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "cli")]
from browser import Browser, program  # noqa: E402
import emulatedrun  # noqa: E402
from cli import WORK, Skip, case, cupel, expect, main, state_fixture  # noqa: E402

RUN = os.path.join(HERE, "run.json")
CHAPTERS = ("cpu", "memory", "calls", "storage", "apps", "life", "density", "isolation", "reach")
# Something dark on the card: the chart was drawn.
DRAWN = """(canvas) => {
  const c = canvas.getContext('2d'), d = c.getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let i = 0; i < d.length; i += 4) colours.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
  return canvas.width > 50 && colours.size > 3;
}"""
ALL_DRAWN = ("(() => { const drawn = %s; const all = [...document.querySelectorAll('%%s canvas')];"
             " return [all.length, all.filter((c) => !drawn(c)).map((c) => c.ariaLabel)]; })()" % DRAWN)

browser = None


def imported(name, text):
    db = os.path.join(WORK, name + ".db")
    r = cupel("import", "-", "--db", db, stdin=text.encode())
    expect(r.status == 0, r)
    return db


def made(name, db):
    path = os.path.join(WORK, name + ".html")
    began = time.monotonic()
    r = cupel("report", "--db", db, "--output", path)
    expect(r.status == 0 and r.out == r.err == "", r)
    return path, time.monotonic() - began


def real():
    """The page of run.json, made once."""
    path = os.path.join(WORK, "real.html")
    if not os.path.exists(path):
        with open(RUN) as f:
            made("real", imported("real", f.read()))
    return path


def opened(path, **how):
    global browser
    if not program():
        raise Skip("no chromium here")
    if not browser:
        browser = Browser().__enter__()
    return browser.open(path, **how)


def quiet(page):
    expect(page.errors == [], page.errors)
    expect([u for u in page.requests if not u.startswith(("file:", "blob:", "data:"))] == [],
           page.requests)


def all_drawn(page, where, least):
    n, blank = page.value(ALL_DRAWN % where)
    expect(n >= least, "only %d charts in %s" % (n, where))
    expect(blank == [], "not drawn: %s" % blank)


@case
def every_chapter_is_there_and_every_chart_drawn():
    page = opened(real())
    for name in CHAPTERS:
        expect(page.value("!!document.querySelector('main section#%s h2')" % name), name)
        expect(page.value("document.querySelectorAll('#%s figure').length" % name) > 0, name)
    all_drawn(page, "main", 20)
    quiet(page)


@case
def the_first_screen_answers():
    page = opened(real())
    text = page.value("document.querySelector('#answers').innerText")
    for words in ("What runc and runsc:ptrace cost", "as much", "System calls", "slower",
                  "runsc:systrap was not measured"):
        expect(words in text, (words, text))
    expect(page.value("document.title").startswith("r1: "), page.value("document.title"))


@case
def cost_reach_and_loss_stand_side_by_side():
    page = opened(real())
    rows = page.value("""[...document.querySelectorAll('#answers [aria-label="Cost, reach and loss"] tr')].map(
        (r) => [...r.children].map((c) => c.innerText))""")
    expect(rows and rows[0] == ["", "host", "runc", "runsc:ptrace", "runsc:systrap"], rows[:1])
    by_name = {r[0]: r[1:] for r in rows[1:]}
    expect(by_name["cost: system calls (3)"][0] == "base", by_name)
    expect(re.match(r"▲▲▲ [\d.]+ ±[\d.]+ % slower$", by_name["cost: system calls (3)"][2]), by_name)
    # One figure over the work, here and above.
    total = by_name["cost: all work (9)"][2].split()[1]
    cards = page.value("[...document.querySelectorAll('.target-card')].map((c) => c.innerText)")
    expect(any("runsc:ptrace\n×" + total + "\n" in c for c in cards), (total, cards))
    expect([n for n in by_name if n.startswith("reach: host calls made")] and
           [n for n in by_name if n.startswith("loss: LINPACK neighbour")], by_name)


@case
def signs_and_words_say_what_the_colours_do():
    page = opened(real())
    cell = page.value("""[...document.querySelectorAll('#heat-table td button')].filter((b) =>
        getComputedStyle(b).backgroundColor !== 'rgba(0, 0, 0, 0)').map((b) => b.innerText)""")
    expect(len(cell) > 3, "nothing is coloured")
    for text in cell:
        expect(re.search("[▲▼✘]", text) and re.search("slower|worse|faster|better|failed|timed|bad data", text),
               text)


@case
def an_emulated_cpu_is_labelled_and_not_coloured():
    page = opened(made("emulated", imported("emulated", json.dumps(emulatedrun.document())))[0])
    heads = page.value("[...document.querySelectorAll('#heat-table thead th')].map((h) => h.innerText)")
    expect([("(emulated CPU)" in h) for h in heads if h.startswith(("vm", "runc"))] == [False, True],
           heads)
    vm = page.value("""[...document.querySelectorAll('#heat-table td button[data-target="2"]')].map(
        (b) => [b.innerText, getComputedStyle(b).backgroundColor])""")
    expect(len(vm) == 4 and all("◇" in text and "emulated CPU" in text for text, _ in vm), vm)
    expect({colour for _, colour in vm} == {"rgba(0, 0, 0, 0)"}, vm)
    expect("no verdict is given" in page.value("document.querySelector('#table .legend').innerText"),
           "not in the legend")
    answers = page.value("document.querySelector('#answers').innerText")
    expect("Left out, since the CPU is emulated: vm." in answers, answers)
    page.value("document.querySelector('#only').click()")
    rows = page.value("[...document.querySelectorAll('#heat-table tr[data-row]')].length")
    expect(rows == 3, "cpu.prime differs on the emulated target alone, and stays: %s" % rows)
    quiet(page)


@case
def table_sorts():
    page = opened(real())
    column = page.value("[...document.querySelectorAll('#heat-table thead th')]"
                        ".findIndex((h) => h.innerText.includes('runsc:ptrace'))")

    def shown():
        return page.value("""[...document.querySelectorAll('#heat-table tbody tr[data-row]')].map((r) =>
            r.querySelectorAll('th, td')[%d].querySelector('.value').innerText)""" % column)

    def ratios():
        return [float(x) for x in shown() if re.fullmatch(r"[0-9.]+", x)]

    unsorted = ratios()
    head = "document.querySelectorAll('#heat-table thead th')[%d]" % column
    page.value(head + ".querySelector('button').click()")
    expect(page.value(head + ".ariaSort") == "descending", "aria-sort")
    expect(ratios() == sorted(unsorted, reverse=True) != unsorted, ratios())
    page.value(head + ".querySelector('button').click()")
    expect(page.value(head + ".ariaSort") == "ascending", "aria-sort")
    expect(ratios() == sorted(unsorted), ratios())
    page.value(head + ".querySelector('button').click()")
    expect(ratios() == unsorted, "not back in the order of the chapters")
    quiet(page)


@case
def the_head_of_the_table_stays_in_sight():
    page = opened(real(), height=600)
    page.value("""document.documentElement.style.scrollBehavior = 'auto';
        window.scrollTo(0, document.getElementById('heat-table').getBoundingClientRect().top + 320)""")
    hidden = page.value("""[...document.querySelectorAll('#heat-table thead th')].filter((h) => {
        const r = h.getBoundingClientRect();
        return !h.contains(document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2)); })
        .map((h) => h.innerText)""")
    expect(hidden == [], hidden)


@case
def table_filters():
    page = opened(real())
    count = "document.querySelectorAll('#heat-table tbody tr[data-row]').length"
    everything = page.value(count)
    typed = ("(() => { const e = document.getElementById('%s'); e.%s = %s;"
             " e.dispatchEvent(new Event('input')); })()")
    page.value(typed % ("filter", "value", "'sys.'"))
    expect(page.value(count) == 2, page.value(count))
    page.value(typed % ("filter", "value", "'no such'"))
    expect(page.value(count) == 0, page.value(count))
    expect("No workload" in page.value("document.getElementById('heat-table').innerText"), "empty")
    page.value(typed % ("filter", "value", "''"))
    page.value(typed % ("filter-chapter", "value", "'density'"))
    expect(0 < page.value(count) < everything, page.value(count))
    page.value(typed % ("filter-chapter", "value", "''"))
    page.value(typed % ("absolute", "checked", "true"))
    text = page.value("document.getElementById('heat-table').innerText")
    expect("GB/s" in text and "ms" in text, text)
    quiet(page)


@case
def a_click_opens_a_cell_with_its_samples_and_its_proof():
    page = opened(real())
    page.value("document.querySelector('#heat-table [aria-label^=\"sys.getpid on runsc:ptrace\"]').click()")
    expect(page.value("document.getElementById('cell').open"), "it does not open")
    text = page.value("document.getElementById('cell').innerText")
    for words in ("sys.getpid on runsc:ptrace", "host CPU", "proof", "sandbox", "Every sample",
                  "cupel run --workload sys.getpid --target host --target runsc:ptrace"):
        expect(words in text, (words, text))
    all_drawn(page, "#cell", 4)
    with open(RUN) as f:
        run = json.load(f)
    index = [c["name"] for c in run["cells"]].index("sys.getpid")
    n = sum(len(p["samples"]) for t in run["trials"] if t["cell"] == index
            for p in t["parts"] if p["target"] in (0, 2))
    rows = page.value("document.querySelector('#cell figure table tbody').rows.length")
    expect(rows == n, "%d of %d samples" % (rows, n))
    quiet(page)


@case
def every_cell_opens():
    page = opened(real())
    page.value("""[...document.querySelectorAll('#heat-table td button')].forEach((b) => {
        b.click(); document.getElementById('cell').close(); })""")
    quiet(page)


@case
def the_keyboard_suffices():
    page = opened(real())
    page.value("document.getElementById('absolute').focus()")
    page.key("Tab")
    at = "`${document.activeElement.dataset.cell},${document.activeElement.dataset.target}`"
    while page.value("document.activeElement.dataset.sort !== undefined"):
        page.key("Tab")
    expect(page.value(at) == "0,1", page.value(at))
    page.key("ArrowDown")
    page.key("ArrowRight")
    row, target = page.value(at).split(",")
    expect(target == "2" and row != "0", page.value(at))
    expect(page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid", "focus")
    page.key("Enter")
    expect(page.value("document.getElementById('cell').open"), "Enter does not open")
    expect(page.value("location.hash").startswith("#cell="), "no address")
    page.key("Escape")
    expect(not page.value("document.getElementById('cell').open"), "Esc does not close")
    page.wait("document.activeElement.dataset.cell === '%s'" % row)
    quiet(page)


@case
def an_address_opens_its_cell():
    page = opened(real())
    page.value("location.hash = '#cell=mem.triad,runc'")
    page.wait("document.getElementById('cell').open")
    expect("mem.triad on runc" in page.value("document.getElementById('cell').innerText"), "another")
    page.value("location.hash = '#cell=%ZZ,<x>'")
    quiet(page)


@case
def light_and_dark():
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = opened(real()), opened(real(), dark=True)
    expect(light.value(ground) != dark.value(ground), "the scheme changes nothing")
    all_drawn(dark, "main", 20)
    before = dark.value("document.querySelector('canvas').toDataURL()")
    dark.value("document.getElementById('theme').click()")
    expect(dark.value(ground) == light.value(ground), "the switch does nothing")
    expect(dark.value("document.querySelector('canvas').toDataURL()") != before,
           "charts keep the colours of the other scheme")
    expect(opened(real(), dark=True).value(ground) == light.value(ground), "the choice is not kept")
    dark.value("localStorage.clear()")
    quiet(dark)


@case
def narrow_as_a_phone():
    for path in (real(), made("made-up", os.path.join(state_fixture(), "results.db"))[0]):
        page = opened(path, width=360, height=740)
        expect(page.value("document.documentElement.scrollWidth") <= 360,
               page.value("document.documentElement.scrollWidth"))
        wide = page.value("""[...document.querySelectorAll('main *')].filter((e) =>
            !e.closest('.scroll, #contents, svg, .unseen') && e.getBoundingClientRect().right > 361)
            .map((e) => e.tagName + '.' + e.className)""")
        expect(wide == [], wide)
        page.value("document.querySelector('#heat-table td button').click()")
        expect(page.value("""(() => { const d = document.getElementById('cell');
            return d.scrollWidth <= d.clientWidth && d.clientWidth <= 360; })()"""), "the cell")
        all_drawn(page, "#cell", 1)
        quiet(page)


@case
def printed():
    page = opened(real(), dark=True)
    pdf = page.pdf()
    expect(pdf.startswith(b"%PDF") and len(pdf) > 50000, len(pdf))
    expect(len(re.findall(rb"/Type\s*/Page\b", pdf)) > 3, "few pages")
    page.wait("document.documentElement.dataset.theme === undefined")
    quiet(page)


@case
def charts_are_downloaded_as_tables():
    page = opened(real())
    page.value("""(() => { window.saved = []; URL.createObjectURL = ((f) => (b) => {
        window.saved.push(b); return f(b); })(URL.createObjectURL); HTMLAnchorElement.prototype.click = () => {}; })()""")
    page.value("document.querySelectorAll('#calls .buttons button')[0].click()")
    text = page.value("window.saved[0].text()")
    expect(text.startswith("workload,target,ratio") and "sys.getpid,runsc:ptrace" in text, text)
    page.value("document.querySelectorAll('#calls .buttons button')[1].click()")
    page.wait("window.saved.length === 2")
    expect(page.value("window.saved[1].type") == "image/png" and
           page.value("window.saved[1].size") > 2000, "no picture")
    quiet(page)


HOSTILE = ["<script>alert(1)</script>", "</script><script>alert(2)</script>", "<!--<script>",
           "\"'><img src=x onerror=alert(3)>", "]]>{{DATA}}${alert(4)}", "=cmd|'/c x'!A0",
           "\u2028\u2029\u202eevil", "javascript:alert(5)"]


def poisoned(value, keep=()):
    """Every string of a document replaced by a hostile one."""
    if isinstance(value, dict):
        return {k: v if k in keep else poisoned(v, keep) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(v, keep) for v in value]
    if isinstance(value, str) and value:
        poisoned.n += 1
        return HOSTILE[poisoned.n % len(HOSTILE)]
    return value


poisoned.n = 0


@case
def hostile_strings_are_text():
    with open(RUN) as f:
        run = json.load(f)
    for t in run["targets"]:
        t["info"] = dict(poisoned(t["info"], ("why",)), version=HOSTILE[0])
    run["run"]["machine"] = dict(poisoned(run["run"]["machine"]), hostname=HOSTILE[1])
    run["run"]["command"] = HOSTILE[1]
    for s in run["sessions"]:
        s["proof"], s["hello"] = poisoned(s["proof"]), poisoned(s["hello"])
    for t in run["trials"]:
        for p in t["parts"]:
            p["detail"] = HOSTILE[0] if p["detail"] else p["detail"]
            p["facts"] = poisoned(p["facts"])
            if p["failure"]:
                p["failure"]["text"] = HOSTILE[1]
    for w in run["warnings"]:
        w["text"] = HOSTILE[3]
    path, _ = made("hostile", imported("hostile", json.dumps(run)))
    with open(path) as f:
        data = re.search(r'id="data">(.*?)</script>', f.read(), re.S).group(1)
    expect("alert(1)" in data and not set(data) & set("<>&"), "markup in the data")
    page = opened(path)
    expect("<script>alert(1)</script>" in page.value("document.body.innerText"), "not shown as text")
    expect(page.value("document.querySelectorAll('script').length") == 3, "a script more")
    expect(page.value("document.querySelectorAll('img, iframe, object').length") == 0, "an element more")
    page.value("""[...document.querySelectorAll('#heat-table td button')].forEach((b) => {
        b.click(); document.getElementById('cell').close(); })""")
    expect(page.value("document.querySelectorAll('script, img').length") == 3, "an element more")
    all_drawn(page, "main", 15)
    quiet(page)


@case
def what_the_policy_does_not_know_does_not_run():
    page = opened(real())
    page.value("""(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';
        document.body.append(s); const i = document.createElement('img'); i.src = 'https://example.org/x';
        document.body.append(i); })()""")
    time.sleep(.2)
    expect(page.value("window.ran") is None, "another script ran")
    expect(any("Content Security Policy" in e for e in page.errors), page.errors)
    expect(page.blocked == ["csp"], page.blocked)


@case
def runs_of_one_target_or_one_block():
    with open(RUN) as f:
        run = json.load(f)
    run["blocks"] = run["blocks"][:1]
    run["sessions"] = [s for s in run["sessions"] if s["block"] == 0]
    run["trials"] = [t for t in run["trials"] if t["block"] == 0]
    page = opened(made("one-block", imported("one-block", json.dumps(run)))[0])
    all_drawn(page, "main", 10)
    quiet(page)
    run["targets"] = run["targets"][:1]
    run["sessions"] = [s for s in run["sessions"] if s["target"] == 0]
    run["warnings"] = []
    for t in run["trials"]:
        t["parts"] = [p for p in t["parts"] if p["target"] == 0]
        for p in t["parts"]:
            for s in p["samples"]:
                s[2] = None
    page = opened(made("one-target", imported("one-target", json.dumps(run)))[0])
    all_drawn(page, "main", 5)
    page.value("document.querySelector('#heat-table td button').click()")
    all_drawn(page, "#cell", 2)
    quiet(page)


@case
def quick_and_small():
    """4 targets, 20 workloads: under a second, under 1.5 MB."""
    with open(RUN) as f:
        run = json.load(f)
    expect(len(run["targets"]) >= 4 and len(run["cells"]) >= 20, "the run is too small")
    path, seconds = made("speed", imported("speed", json.dumps(run)))
    expect(seconds < (1 if "ASAN_OPTIONS" not in os.environ else 20), "%.2f s" % seconds)
    expect(os.path.getsize(path) < 1.5e6, os.path.getsize(path))


main()
if browser:
    browser.__exit__(None, None, None)
