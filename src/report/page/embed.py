#!/usr/bin/env python3
"""Puts the page together at build time: template, style, script and Chart.js become two constants of
C, what stands before a run's data and what stands after it.

    embed.py OUTPUT.c page.html page.css chart.min.js SCRIPT.js...

The browser runs nothing but these scripts: their hashes, and the style's, stand in the page's
Content-Security-Policy, which allows no inline handler, no other script and no request anywhere.
"""
import base64
import hashlib
import sys

out, template, style, chart, *scripts = sys.argv[1:]


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def element(text, name):
    if "</" + name in text.lower() or "<!--" in text:
        sys.exit("embed.py: a %s cannot hold its own end or a comment" % name)
    return text


def source(text):
    return "'sha256-%s'" % base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


css = element(read(style), "style")
library = element(read(chart), "script")
own = element("(function () {\n'use strict';\n" + "".join(map(read, scripts)) + "})();\n", "script")

policy = "; ".join(("default-src 'none'", "script-src %s %s" % (source(library), source(own)),
                    "style-src " + source(css), "img-src data: blob:", "base-uri 'none'",
                    "form-action 'none'"))
page = read(template)
# The long ones last, so that nothing within them is taken for a mark.
for mark, text in (("POLICY", policy), ("STYLE", css), ("CHART", library), ("SCRIPT", own)):
    before, found, after = page.partition("{{%s}}" % mark)
    if not found:
        sys.exit("embed.py: %s has no {{%s}}" % (template, mark))
    page = before + text + after
head, found, tail = page.partition("{{DATA}}")
if not found:
    sys.exit("embed.py: %s has no {{DATA}}" % template)


def constant(name, text):
    data = text.encode()
    lines = (",".join(map(str, data[i:i + 40])) for i in range(0, len(data), 40))
    return "const char %s[] = {\n%s\n};\nconst size_t %s_len = sizeof(%s);\n" % (
        name, ",\n".join(str_signed(line) for line in lines), name, name)


def str_signed(line):
    """char is signed here: bytes from 128 on as what they are then."""
    return ",".join(n if int(n) < 128 else str(int(n) - 256) for n in line.split(","))


with open(out, "w", encoding="ascii") as f:
    f.write("/* Made by embed.py. */\n#include \"report/page.h\"\n\n")
    f.write(constant("page_head", head) + constant("page_tail", tail))
