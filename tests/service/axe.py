"""Checks a page for barriers with axe-core (MPL-2.0), which `make setup` fetches for the tests alone.

python -m tests.service.axe
"""

import sys
from pathlib import Path
from typing import Any

from service.site.vendor import Package, VendorError, prepare

AXE = Package(
    "axe-core",
    "4.14.1",
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    ("LICENSE", "axe.min.js"),
)
CACHE = Path(__file__).parents[2] / ".cache"
SCRIPT = CACHE / AXE.folder / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# Animations are ended first: colours that fade in count for none.
RUN = """async (rules) => {
  for (const a of document.getAnimations()) { try { a.finish(); } catch { a.cancel(); } }
  const { violations } = await axe.run({ runOnly: rules, resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => [id, target, failureSummary]));
}"""


def barriers(page: Any) -> list[Any]:
    """What axe-core finds wrong with what is shown now: rule, element, and what to do."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    found: list[Any] = page.evaluate(RUN, RULES)
    return found


if __name__ == "__main__":
    try:
        prepare(AXE, CACHE)
    except VendorError as error:
        sys.exit(f"{error}; the tests for barriers will be skipped")
