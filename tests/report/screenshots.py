#!/usr/bin/env python3
"""Pictures of a report, for a person to look at: at two widths, light and dark, with a cell open.

    tests/report/screenshots.py REPORT.html DIRECTORY
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Browser, program  # noqa: E402

# name, width, dark
LOOKS = (("wide-light", 1280, False), ("wide-dark", 1280, True), ("phone-light", 360, False),
         ("phone-dark", 360, True))
# A page is longer than one picture may be.
PIECE = 1600


def pieces(page, path, width):
    height = page.value("document.documentElement.scrollHeight")
    for i, y in enumerate(range(0, height, PIECE)):
        page.screenshot("%s-%02d.png" % (path, i), (0, y, width, min(PIECE, height - y)))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    if not program():
        sys.exit("screenshots.py: there is no chromium here")
    report, directory = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    with Browser() as browser:
        for name, width, dark in LOOKS:
            page = browser.open(report, width, 900, dark)
            path = os.path.join(directory, name)
            pieces(page, path, width)
            # The cell that a reader opens first: the hottest there is.
            page.value("(document.querySelector('#heat-table .loud') ||"
                       " document.querySelector('#heat-table td button')).click()")
            page.screenshot(path + "-cell.png")
            page.value("document.getElementById('cell').scrollTop = 800")
            page.screenshot(path + "-cell-below.png")
            for e in page.errors:
                print("%s: %s" % (name, e))


main()
