"""The status page in a browser: what clients say reaches it by SMTP, and does nothing there."""

import sys
import unittest
import urllib.request

from support import browser, ports
from support.process import wait_until
from support.proxy import TOLD, ProxyTestCase
from support.smtp import Client

NAMES = ['"<script>document.title=1</script>"@evil.example', '"\\"><img src=x onerror=alert(1)>"@q.example',
         '"a&amp;\\"c"@quote.example', "\u00e9\u202egro\u200f@rtl.example", "\u200b\U000e0041x@tag.example",
         "a" * 60 + "@" + ("b" * 60 + ".") * 3 + "example", "a\u0301" * 20 + "@marks.example"]
KEYWORDS = ["PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8"]
# The smallest contrast of a text with what is behind it.
CONTRAST = """(() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(one => (one /= 255) <= 0.03928 ? one / 12.92 :
    ((one + 0.055) / 1.055) ** 2.4).reduce((sum, one, i) => sum + one * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = one => { const color = parse(getComputedStyle(one).backgroundColor);
    return color[3] === 0 && one.parentElement ? behind(one.parentElement) : color; };
  return Math.min(...[...document.body.querySelectorAll("*")].filter(one => one.checkVisibility() &&
    [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim())).map(one => {
      const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }));
})()"""
# Sections without a heading, columns without a name.
UNNAMED = """[...document.querySelectorAll("section")].filter(one =>
  document.getElementById(one.getAttribute("aria-labelledby"))?.tagName !== "H2").length +
  [...document.querySelectorAll("thead th")].filter(one =>
    one.scope !== "col" || !one.textContent.trim()).length"""


class StatusPageTest(ProxyTestCase):
    def test_page(self):
        port = ports.free_port()
        server = self.proxy(self.backend(keywords=KEYWORDS), http={"listen": f"127.0.0.1:{port}"},
                            proxy={**TOLD, "recipient_domains": "example.org"})
        for i, name in enumerate(NAMES):
            with Client(server.port, told=f"203.0.113.{i + 1}") as client:
                client.ehlo()
                utf8 = "" if name.isascii() else " SMTPUTF8"
                client.send(f"MAIL FROM:<{name}>{utf8}\r\nRCPT TO:<{name}>\r\n".encode())
                self.assertEqual([client.reply().code, client.reply().code], [250, 554])
        address = f"http://127.0.0.1:{port}/"
        wait_until(lambda: self.read(address).count(b"recipient refused") == len(NAMES), 60)
        self.look_at(address)

    def read(self, address):
        with urllib.request.urlopen(address) as answer:
            return answer.read()

    def look_at(self, address):
        page = browser.Browser(self.subfolder("browser"))
        self.addCleanup(page.close)
        page.look(1280, script=False)
        page.open(address)
        self.assertIn("evil.example", page.ask("document.body.innerText"))  # whole without its script
        page.look(1280)
        page.open(address)
        self.assertEqual(page.ask("document.title"), "postern-proxy")
        self.assertEqual(page.ask("document.querySelectorAll('img, iframe, script').length"), 1)
        shown = page.ask("document.body.innerText")
        for text in ('"<script>document.title=1</script>"@evil.example', "\\u{202e}gro\\u{200f}@rtl.example",
                     "\\u{200b}\\u{e0041}x@tag.example", "onerror=alert(1)"):
            self.assertIn(text, shown)
        self.assertEqual(page.ask(UNNAMED), 0)
        page.ask("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        for width, dark, letters in ((1280, False, 16), (800, True, 16), (390, False, 32)):
            page.call("Page.setFontSizes", fontSizes={"standard": letters})
            page.look(width, dark)
            case = (width, dark, letters, page.ask("getComputedStyle(document.documentElement).fontSize"))
            self.assertEqual(case[3], f"{letters}px")
            self.assertLessEqual(page.ask("document.documentElement.scrollWidth"), width, case)
            self.assertGreaterEqual(page.ask(CONTRAST), 4.5, case)
        wait_until(lambda: page.ask("document.querySelector('#live path').getAttribute('d')"), 60,
                   "a line in the chart")
        self.assertEqual(page.problems, [])


if __name__ == "__main__":
    if browser.find() is None:
        sys.exit(77)  # what CTest calls skipped
    unittest.main()
